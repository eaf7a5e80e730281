"""Sockets through one provider, for programs that run on a host: ``netorch.mark.connect(("1.144.0.1", 80), via="northtel")``.

A packet's mark chooses the kernel table that it is routed by, 1000 and the provider's id (docs/marks.md). Setting a mark takes
the capability CAP_NET_ADMIN (or, from Linux 5.17 on, CAP_NET_RAW): be root, or say so in the unit (``AmbientCapabilities=``).

Nothing but the standard library is needed, Python 3.9 or later: the file may be copied beside a program.
"""

from __future__ import annotations

import socket
from typing import Dict, List, Optional, Tuple, Union

MARKS = "/etc/netorch/marks"
"""Written by netorch's plugin ``marks``: a line for each provider, its mark and its name."""

SO_MARK = 36
"""asm-generic/socket.h; Python has no name for it before 3.13."""

FIRST, LAST = 1001, 1999
"""The marks of providers."""

Via = Union[int, str]


def marks(path: str = MARKS) -> Dict[str, int]:
    """The mark of every provider of this host, by name.

    Raises OSError where the file cannot be read, ValueError for a line that is none of netorch's.
    """
    found: Dict[str, int] = {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            if len(words) != 2 or not words[0].isdecimal():
                raise ValueError(f"{path}:{number}: expected a mark and a provider, found {line.strip()!r}")
            found[words[1]] = int(words[0])
    return found


def mark_of(via: Via, *, path: str = MARKS) -> int:
    """The mark that leads through ``via``: a provider's name, or a mark itself.

    Raises ValueError for what is none, with those that there are; OSError where names cannot be looked up.
    """
    if isinstance(via, int):
        if not FIRST <= via <= LAST:
            raise ValueError(f"mark {via}: expected {FIRST} to {LAST}, 1000 and the provider's id")
        return via
    known = marks(path)
    if via not in known:
        raise ValueError(f"no provider {via!r} on this host: there are {', '.join(sorted(known)) or 'none'}")
    return known[via]


def mark_socket(sock: socket.socket, via: Via, *, path: str = MARKS) -> None:
    """Send what ``sock`` sends through ``via`` from now on. Before it is connected or bound the kernel also chooses its own
    address by that.

    Raises PermissionError without CAP_NET_ADMIN.
    """
    number = mark_of(via, path=path)
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_MARK, number)
    except PermissionError as error:
        words = f"{error.strerror}: to mark a socket takes CAP_NET_ADMIN (capabilities(7), socket(7) on SO_MARK)"
        raise PermissionError(error.errno, words) from None


def connect(
    address: Tuple[str, int],
    via: Via,
    *,
    timeout_s: Optional[float] = None,
    path: str = MARKS,
) -> socket.socket:
    """A TCP connection to ``address``, host and port, through ``via``; like ``socket.create_connection``, each address of a
    name is tried in turn. The name itself is looked up by the system's resolver, whose packets are not marked.

    Raises OSError of the last address that was tried, PermissionError without CAP_NET_ADMIN, ValueError as ``mark_of``.
    """
    number = mark_of(via, path=path)
    problems: List[OSError] = []
    for family, kind, protocol, _, place in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            mark_socket(sock, number)
            sock.settimeout(timeout_s)
            sock.connect(place)
        except PermissionError:
            sock.close()
            raise
        except OSError as error:
            sock.close()
            problems.append(error)
        else:
            return sock
    raise problems[-1]
