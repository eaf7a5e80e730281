"""An RTNETLINK socket for one request after another: pyroute2's messages out and in.

Source: linux/netlink.h, Documentation/userspace-api/netlink/intro.rst.
"""

from __future__ import annotations

import errno
import os
import socket
import struct

from pyroute2.netlink import (
    NETLINK_EXT_ACK,
    NETLINK_GET_STRICT_CHK,
    NLM_F_ACK,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_REQUEST,
    NLMSG_DONE,
    SOL_NETLINK,
)
from pyroute2.netlink.exceptions import NetlinkDecodeError, NetlinkError
from pyroute2.netlink.marshal import Marshal
from pyroute2.netlink.rtnl.errmsg import errmsg

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterator, List, Optional, Type

    from pyroute2.netlink import nlmsg

AF_INET, AF_INET6 = int(socket.AF_INET), int(socket.AF_INET6)
FAMILIES = (AF_INET, AF_INET6)

_RECEIVE_BYTES = 1 << 20  # never less than the kernel's largest part of a dump
_DUMP_TRIES = 5
_GONE = (errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL, errno.ENODEV, errno.ENXIO)


class RouteSocket:
    """An RTNETLINK socket of the calling process's network namespace; a context manager.

    ``timeout_s`` bounds each wait for the kernel; OSError then. After an error of the socket's own, such as ENOBUFS, answers
    are missing: only a new socket helps. ``is_strict``: the kernel picks out what a dump's request names.
    """

    def __init__(self, *, timeout_s: float = 10.0) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.settimeout(timeout_s)
        self._socket.bind((0, 0))
        self._sequence = 0
        self.is_strict = self._ask_for(NETLINK_GET_STRICT_CHK)
        self._ask_for(NETLINK_EXT_ACK)

    def __enter__(self) -> RouteSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _ask_for(self, option: int) -> bool:
        try:
            self._socket.setsockopt(SOL_NETLINK, option, 1)
        except OSError:  # a kernel before 4.20
            return False
        return True

    @property
    def port(self) -> int:
        """The socket's number, which events that its changes cause bear."""
        return int(self._socket.getsockname()[0])

    def change(self, kind: int, message: nlmsg, *, flags: int = 0) -> None:
        """Send one request and wait for its acknowledgement.

        Raises OSError with the kernel's error number and, where it gave one, its own message.
        """
        self._answer(kind, message, flags=NLM_F_REQUEST | NLM_F_ACK | flags)

    def drop(self, kind: int, make: Callable[[], nlmsg]) -> None:
        """Send the removal that ``make`` gives; what is not there, its interface included, is gone already."""
        try:
            self.change(kind, make())
        except OSError as exc:
            if exc.errno not in _GONE:
                raise

    def ask(self, kind: int, message: nlmsg) -> nlmsg:
        """The answer to one question, a message of the same class.

        Raises OSError with the kernel's error number.
        """
        return self._answer(kind, message, flags=NLM_F_REQUEST)

    def _answer(self, kind: int, message: nlmsg, *, flags: int) -> nlmsg:
        sequence = self.send(kind, message, flags=flags)
        while True:
            for answer in decoded(self.receive(), kind, type(message)):
                if answer["header"]["sequence_number"] == sequence:
                    return answer

    def dump(self, kind: int, message: nlmsg) -> List[nlmsg]:
        """A table's entries, of the same class as ``message``, which says what is wanted of it.

        A dump that changes disturbed is taken again. Raises OSError with the kernel's error number.
        """
        for _ in range(_DUMP_TRIES):
            entries = self._dump_once(kind, message)
            if entries is not None:
                return entries
        raise OSError(errno.EINTR, f"the kernel's table changed during each of {_DUMP_TRIES} attempts to read it")

    def _dump_once(self, kind: int, message: nlmsg) -> Optional[List[nlmsg]]:
        """None when the dump may lack entries, or hold some twice."""
        sequence = self.send(kind, message, flags=NLM_F_REQUEST | NLM_F_DUMP)
        entries: List[nlmsg] = []
        interrupted = False
        while True:
            for entry in decoded(self.receive(), kind, type(message)):
                header = entry["header"]
                if header["sequence_number"] != sequence:
                    continue  # what was left of a dump that its reader gave up
                interrupted = interrupted or bool(header["flags"] & NLM_F_DUMP_INTR)
                if header["type"] == NLMSG_DONE:
                    return None if interrupted else entries
                entries.append(entry)

    def send(self, kind: int, message: nlmsg, *, flags: int) -> int:
        """Send ``message`` as a request of this ``kind`` (RTM_...); the sequence number that its answers bear."""
        self._sequence += 1
        message.reset()  # it may have been sent before
        message["header"].update(type=kind, flags=flags, sequence_number=self._sequence, pid=0)
        message.encode()
        self._socket.send(message.data)
        return self._sequence

    def receive(self) -> bytes:
        """The next messages, whole, as they come."""
        return self._socket.recv(_RECEIVE_BYTES)


def decoded(data: bytes, kind: int, message_class: Type[nlmsg]) -> Iterator[nlmsg]:
    """The messages in ``data``, the answer to a request of this ``kind``: of ``message_class``, an acknowledgement or an end.

    Raises OSError for an error, with the kernel's number and, where it gave one, its own message; EBADMSG where pyroute2
    cannot read the answer.
    """
    marshal = Marshal()
    # What is asked for comes as RTM_NEW..., the first of its four numbers; an end carries how the dump went.
    marshal.msg_map = {kind & ~3: message_class, NLMSG_DONE: errmsg}
    try:
        for message in marshal.parse(data):
            _raise_error(message)
            yield message
    except (NetlinkDecodeError, struct.error) as exc:
        raise OSError(errno.EBADMSG, f"the kernel's answer cannot be read: {exc!r}") from exc


def _raise_error(message: nlmsg) -> None:
    problem = message["header"]["error"]
    if isinstance(problem, NetlinkDecodeError):
        raise problem
    number = problem.code if isinstance(problem, NetlinkError) else 0
    if message["header"]["type"] == NLMSG_DONE:
        number = number or -message.get("code", 0)
    if number:
        said = message.get_attr("NLMSGERR_ATTR_MSG") if isinstance(problem, NetlinkError) else ""
        text = os.strerror(number)
        raise OSError(number, f"{text} ({said})" if said else text)


def family_of(address: str) -> int:
    """AF_INET or AF_INET6."""
    return AF_INET6 if ":" in address else AF_INET
