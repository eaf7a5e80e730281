"""ICMP echo. Source: RFC 792, RFC 4443 section 4; raw(7), icmp(7), socket(7) on SO_MARK and SO_TIMESTAMPNS."""

from __future__ import annotations

import _socket
import os
import struct

from netorch.agent.clock import now, uptime
from netorch.io.netlink.route_socket import family_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional, Tuple

SO_MARK = 36
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("@ll")
_ECHO = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence
_REQUEST_REPLY = {_socket.AF_INET: (8, 0), _socket.AF_INET6: (128, 129)}
_SEQUENCES = 1 << 16
_LONGEST_DELAY_S = 1.0
"""In which a packet is read after it came in; more than that is a clock that was set meanwhile."""


class EchoProbe:
    """Echo requests with one mark. Errors of the socket's are told with each packet that cannot be sent."""

    def __init__(self, destination: str, mark: int, *, source: str) -> None:
        self._destination = destination
        self._family = family_of(destination)
        self._token = os.urandom(16)
        self._identifier = int.from_bytes(self._token[:2], "big")
        self._sequences: List[int] = [-1] * _SEQUENCES
        protocol = _socket.IPPROTO_ICMP if self._family == _socket.AF_INET else _socket.IPPROTO_ICMPV6
        self._socket = _socket.socket(self._family, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, protocol)
        self._socket.setblocking(False)
        self._broken: Optional[OSError] = None
        try:
            self._socket.setsockopt(_socket.SOL_SOCKET, SO_MARK, mark)
            self._socket.setsockopt(_socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            if source:
                self._socket.bind((source, 0))
        except OSError as exc:
            self._broken = exc

    @property
    def token(self) -> bytes:
        """What its packets, and no others, carry."""
        return self._token

    def descriptors(self) -> List[int]:
        """Where answers come in."""
        return [int(self._socket.fileno())]

    def send(self, sequence: int) -> None:
        """Send a packet. Raises OSError where the kernel does not take it."""
        if self._broken is not None:
            raise self._broken
        kind, short = _REQUEST_REPLY[self._family][0], sequence % _SEQUENCES
        packet = _ECHO.pack(kind, 0, 0, self._identifier, short) + self._token
        if self._family == _socket.AF_INET:  # the kernel sums for ICMPv6 only
            packet = _ECHO.pack(kind, 0, _checksum(packet), self._identifier, short) + self._token
        self._sequences[short] = sequence
        self._socket.sendto(packet, (self._destination, 0))

    def receive(self, _: int) -> Optional[Tuple[int, Optional[float]]]:
        """The number of the packet that was answered, and when; None for what is no answer to any of these."""
        try:
            data, control, _, sender = self._socket.recvmsg(2048, 64)
        except OSError:
            return None
        sequence = self._sequence_of(data, sender)
        return None if sequence is None else (sequence, _arrival(control))

    def _sequence_of(self, data: bytes, sender: Tuple[Any, ...]) -> Optional[int]:
        if self._family == _socket.AF_INET:
            data = data[(data[0] & 0x0F) * 4 :]
        if len(data) < _ECHO.size or data[_ECHO.size :] != self._token or sender[0] != self._destination:
            return None
        header: Tuple[int, int, int, int, int] = _ECHO.unpack_from(data)
        kind, _, _, identifier, short = header
        if kind != _REQUEST_REPLY[self._family][1] or identifier != self._identifier:
            return None
        return self._sequences[short]

    def forget(self, _: int) -> None:
        """Nothing is kept of a packet."""

    def end(self, _: int) -> None:
        """Nothing is."""

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()


def _arrival(control: List[Tuple[int, int, bytes]]) -> float:
    """When the packet came in, in ``uptime``: the kernel knows it also where this process had to wait for a processor."""
    for level, kind, data in control:
        if level == _socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) == _TIMESPEC.size:
            stamp: Tuple[int, int] = _TIMESPEC.unpack(data)
            delay_s = now() - (stamp[0] + stamp[1] / 1e9)
            if 0.0 <= delay_s <= _LONGEST_DELAY_S:
                return uptime() - delay_s
    return uptime()


def _checksum(packet: bytes) -> int:
    """RFC 1071, over an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
