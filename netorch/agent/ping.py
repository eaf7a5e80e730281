"""ICMP echo with several marks at once, each mark through the routing table of the same number, and through no other.

Source: RFC 792, RFC 4443 section 4; raw(7), icmp(7), socket(7) on SO_MARK.
"""

from __future__ import annotations

import _socket
import os
import select
import struct

from netorch.agent.clock import uptime
from netorch.agent.outcome import Refused, answer
from netorch.io.netlink.route_socket import RouteSocket, family_of
from netorch.io.netlink.routes import table_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

_SO_MARK = 36
_ECHO = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence
_REQUEST_REPLY = {_socket.AF_INET: (8, 0), _socket.AF_INET6: (128, 129)}
_MOST_PACKETS = 10_000


def ping(request: Dict[str, Any]) -> Dict[str, Any]:
    """The answer to a PingRequest."""
    if not 0 < request["count"] * max(1, len(request["marks"])) <= _MOST_PACKETS:
        raise Refused(f"{request['count']} packets with {len(request['marks'])} marks: at most {_MOST_PACKETS} in all")
    series = [Series(mark, request) for mark in request["marks"]]
    try:
        _exchange(series, request)
    finally:
        for one in series:
            one.close()
    found = [{"mark": one.mark, "rtts_ms": one.rtts_ms, "error": one.error} for one in series]
    return answer("ping", ping={"series": found})


def _exchange(series: List[Series], request: Dict[str, Any]) -> None:
    """Send a packet of every series each interval, and take in what comes back, until all is there or the time is up."""
    poll = select.poll()
    by_descriptor = {one.descriptor: one for one in series if not one.error}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    started = uptime()
    sent = 0
    end = started + (request["count"] - 1) * request["interval_s"] + request["timeout_s"]
    while any(one.is_waiting or (sent < request["count"] and not one.error) for one in by_descriptor.values()):
        now = uptime()
        if sent < request["count"] and now >= started + sent * request["interval_s"]:
            for one in by_descriptor.values():
                one.send()
            sent += 1
            continue
        wake = started + sent * request["interval_s"] if sent < request["count"] else end
        if now >= end:
            return
        for descriptor, _ in poll.poll(max(1, int((wake - now) * 1000))):
            by_descriptor[descriptor].receive()


class Series:
    """The packets of one mark. ``error`` is why none could be sent."""

    def __init__(self, mark: int, request: Dict[str, Any]) -> None:
        self.mark = mark
        self.rtts_ms: List[Optional[float]] = []
        self.error = ""
        self._destination: str = request["destination"]
        self._family = family_of(self._destination)
        self._token = os.urandom(16)
        self._identifier = int.from_bytes(self._token[:2], "big")
        self._sent_at: List[float] = []
        protocol = _socket.IPPROTO_ICMP if self._family == _socket.AF_INET else _socket.IPPROTO_ICMPV6
        self._socket = _socket.socket(self._family, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, protocol)
        self._socket.setblocking(False)
        try:
            self._socket.setsockopt(_socket.SOL_SOCKET, _SO_MARK, mark)
            if request.get("source"):
                self._socket.bind((request["source"], 0))
            self.error = _detour(self._destination, mark)
        except OSError as exc:
            self.error = exc.strerror or str(exc)

    @property
    def descriptor(self) -> int:
        """For poll."""
        return int(self._socket.fileno())

    @property
    def is_waiting(self) -> bool:
        """Whether an answer may still come."""
        return not self.error and None in self.rtts_ms

    def send(self) -> None:
        """Send the next packet."""
        kind = _REQUEST_REPLY[self._family][0]
        sequence = len(self._sent_at)
        packet = _ECHO.pack(kind, 0, 0, self._identifier, sequence) + self._token
        if self._family == _socket.AF_INET:  # the kernel sums for ICMPv6 only
            packet = _ECHO.pack(kind, 0, _checksum(packet), self._identifier, sequence) + self._token
        self._sent_at.append(uptime())
        self.rtts_ms.append(None)
        try:
            self._socket.sendto(packet, (self._destination, 0))
        except OSError as exc:
            if not any(self.rtts_ms):
                self.error = exc.strerror or str(exc)

    def receive(self) -> None:
        """Take in one packet; what is no answer to this series is none of it."""
        try:
            data, sender = self._socket.recvfrom(2048)
        except OSError:
            return
        now = uptime()
        sequence = self._sequence_of(data, sender)
        if sequence is not None and self.rtts_ms[sequence] is None:
            self.rtts_ms[sequence] = round((now - self._sent_at[sequence]) * 1000.0, 3)

    def _sequence_of(self, data: bytes, sender: Tuple[Any, ...]) -> Optional[int]:
        if self._family == _socket.AF_INET:
            data = data[(data[0] & 0x0F) * 4 :]
        if len(data) < _ECHO.size or data[_ECHO.size :] != self._token or sender[0] != self._destination:
            return None
        header: Tuple[int, int, int, int, int] = _ECHO.unpack_from(data)
        kind, _, _, identifier, sequence = header
        if kind != _REQUEST_REPLY[self._family][1] or identifier != self._identifier or sequence >= len(self.rtts_ms):
            return None
        return sequence

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()


def _detour(destination: str, mark: int) -> str:
    """Why a packet with ``mark`` would not leave by that mark's table; "" when it would.

    Where that table has no route, or the rule is gone, the kernel goes on to the main table: echoes would come back by some
    other provider and be told as this one's.
    """
    with RouteSocket() as kernel:
        table = table_for(kernel, destination, mark=mark)
    return "" if table == mark else "no route through this provider"


def _checksum(packet: bytes) -> int:
    """RFC 1071, over an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
