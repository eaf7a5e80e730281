"""The stream below SSH: a TCP connection whose every wait ends, or a ProxyCommand."""

from __future__ import annotations

import contextlib
import ipaddress
import queue
import socket
import subprocess
import tempfile
import threading
from typing import IO, Any

from netorch.errors import TimedOut, Unreachable
from netorch.io.clock import Deadline
from netorch.io.ssh_endpoint import Endpoint

USER_TIMEOUT_S = 5
"""A path that vanished is given up after this time without an acknowledgement (tcp(7), TCP_USER_TIMEOUT)."""

ANSWER_SHARE = 0.5
"""Of the time for a login, the share in which something must answer at all. Of 12 s that is 6: the kernel has asked three times
by then (tcp(7), tcp_syn_retries: after 1 and 3 s), and whoever waits for the other devices is not kept for longer."""

_Address = tuple[int, Any]


class TcpStream:
    """A connected socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock

    def cut(self) -> None:
        """End all waits on the stream from another thread."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Release the socket."""
        self.cut()
        self.socket.close()

    def last_words(self) -> str:
        """What the way itself said before it ended: nothing."""
        return ""


class ProxyStream(TcpStream):
    """One end of a socket pair; the other is standard input and output of the user's ProxyCommand."""

    def __init__(self, command: str) -> None:
        ours, theirs = socket.socketpair()
        super().__init__(ours)
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        with theirs:
            # ssh_config(5): the command is run by a shell, which it replaces with "exec".
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"], stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=self._errors
            )

    def close(self) -> None:
        """Release the socket and end the command."""
        super().close()
        self._process.kill()
        self._process.wait()
        self._errors.close()

    def last_words(self) -> str:
        """What the command wrote to its standard error."""
        self._errors.seek(0)
        return self._errors.read(4096).decode(errors="replace").strip()


def open_stream(endpoint: Endpoint, deadline: Deadline, *, where: str) -> TcpStream:
    """Reach ``endpoint`` directly or by its ProxyCommand.

    Raises Unreachable when nothing answers there, and TimedOut when its name takes too long to resolve.
    """
    if endpoint.proxy_command is not None:
        return ProxyStream(endpoint.proxy_command)
    addresses = _resolve(endpoint, deadline, where=where)
    answer = deadline.within(deadline.timeout_s * ANSWER_SHARE)
    failure = OSError("its name has no address")
    for index, (family, address) in enumerate(addresses):
        share_s = answer.left_s() / (len(addresses) - index)
        try:
            return TcpStream(_connect(family, address, share_s))
        except OSError as exc:
            failure = exc
    raise _unreachable(failure, endpoint, waited_s=answer.timeout_s, where=where) from failure


def _connect(family: int, address: Any, timeout_s: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(max(timeout_s, 0.001))
        sock.connect(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_S * 1000)
        # An idle connection has nothing unacknowledged: probes make the user timeout count there too.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def _unreachable(failure: OSError, endpoint: Endpoint, *, waited_s: float, where: str) -> Unreachable:
    if isinstance(failure, TimeoutError):
        return Unreachable(
            f"nothing answers at {endpoint} (waited {waited_s:g} s)",
            where=where,
            hint="is the device up, and does its management address in the inventory still hold?",
        )
    if isinstance(failure, ConnectionRefusedError):
        return Unreachable(
            f"{endpoint} refused the connection",
            where=where,
            hint="is sshd running there, on that port, for this address?",
        )
    return Unreachable(f"{endpoint} cannot be reached: {failure.strerror or failure}", where=where)


def _resolve(endpoint: Endpoint, deadline: Deadline, *, where: str) -> list[_Address]:
    if _is_numeric(endpoint.host):
        answer = _look_up(endpoint)
    else:
        # getaddrinfo() knows no deadline: it may go on in its thread, nobody waits for it longer than ours.
        answers: queue.SimpleQueue[list[_Address] | OSError] = queue.SimpleQueue()
        threading.Thread(target=lambda: answers.put(_look_up(endpoint)), name="resolver", daemon=True).start()
        try:
            answer = answers.get(timeout=deadline.left_s())
        except queue.Empty:
            message = f"the name {endpoint.host} did not resolve within {deadline.timeout_s:g} s"
            raise TimedOut(message, where=where) from None
    if isinstance(answer, OSError):
        raise Unreachable(
            f"the name {endpoint.host} does not resolve: {answer.strerror}",
            where=where,
            hint="write the device's management address in the inventory, or a HostName in ssh_config",
        ) from answer
    return answer


def _is_numeric(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(host.partition("%")[0]))
    return False


def _look_up(endpoint: Endpoint) -> list[_Address] | OSError:
    try:
        infos = socket.getaddrinfo(endpoint.host, endpoint.port, socket.AF_UNSPEC, socket.SOCK_STREAM)
    except OSError as exc:
        return exc
    return [(info[0], info[4]) for info in infos]
