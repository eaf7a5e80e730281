"""TCP connections as probes, where echoes are filtered: the time from SYN to SYN-ACK or RST. Source: RFC 9293, tcp(7)."""

from __future__ import annotations

import _socket
import errno
import os
import struct

from netorch.agent.clock import uptime
from netorch.agent.ping_echo import SO_MARK
from netorch.io.netlink.route_socket import family_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Tuple

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s


class TcpProbe:
    """Connections to one port with one mark, each ended as soon as it is answered, with a reset: nothing lingers. A port that
    is closed answers too."""

    def __init__(self, destination: str, port: int, *, mark: int, source: str) -> None:
        self._destination, self._port, self._mark, self._source = destination, port, mark, source
        self._family = family_of(destination)
        self._sockets: Dict[int, _socket.socket] = {}
        self._sequences: Dict[int, int] = {}

    def descriptors(self) -> List[int]:
        """None before a packet is sent."""
        return []

    def send(self, sequence: int) -> int:
        """Open a connection; its descriptor can be written to once it is answered. Raises OSError where it cannot leave."""
        kind = _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK
        connection = _socket.socket(self._family, kind, _socket.IPPROTO_TCP)
        try:
            connection.setsockopt(_socket.SOL_SOCKET, SO_MARK, self._mark)
            connection.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, _RESET_ON_CLOSE)
            connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_SYNCNT, 1)
            if self._source:
                connection.bind((self._source, 0))
            problem = connection.connect_ex((self._destination, self._port))
            if problem not in (0, errno.EINPROGRESS):
                raise OSError(problem, os.strerror(problem))
        except OSError:
            connection.close()
            raise
        descriptor = int(connection.fileno())
        self._sockets[descriptor] = connection
        self._sequences[descriptor] = sequence
        return descriptor

    def receive(self, descriptor: int) -> Optional[Tuple[int, Optional[float]]]:
        """Which connection was answered, and when; None in the place of the time where it failed otherwise."""
        received_at = uptime()
        problem = self._sockets[descriptor].getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
        is_answer = problem in (0, errno.ECONNREFUSED)
        return self._sequences[descriptor], received_at if is_answer else None

    def forget(self, sequence: int) -> Optional[int]:
        """The descriptor of that connection."""
        return next((descriptor for descriptor, number in self._sequences.items() if number == sequence), None)

    def end(self, descriptor: int) -> None:
        """Close it."""
        del self._sequences[descriptor]
        self._sockets.pop(descriptor).close()

    def close(self) -> None:
        """Close what is still open."""
        for descriptor in list(self._sockets):
            self.end(descriptor)
