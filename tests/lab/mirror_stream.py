"""A steady stream of packets from a host through a provider's router, and which of several routers each one came to."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.lab.mirror_bed import V4, V6, Bed
from tests.lab.mirror_routers import Router
from tests.lab.namespaces import inside
from tests.waiting import wait_until

RATE = 1000
TARGET = {4: "198.51.100.1", 6: "2001:db8:99::1"}
PORT = 9
_IN_FLIGHT_S = 0.3
_NUMBER = struct.Struct("!I")


@dataclass(frozen=True)
class Arrival:
    """One packet: its number, the router's MAC, and when (of the monotonic clock)."""

    number: int
    mac: str
    at: float


class Stream:
    """``RATE`` packets a second from the bed's first host to an address behind ``routers``, while the block runs."""

    def __init__(self, bed: Bed, routers: Sequence[Router], *, family: int = 4) -> None:
        self.arrivals: list[Arrival] = []
        self.sent = 0
        self._is_over = threading.Event()
        self._sockets: list[socket.socket] = []
        kind = socket.AF_INET6 if family == 6 else socket.AF_INET
        target = TARGET[family]
        length = 128 if family == 6 else 32
        for router in routers:
            nodad = ["nodad"] if family == 6 else []
            router.space.run("ip", "address", "replace", f"{target}/{length}", "dev", "lo", *nodad)
            taken = inside(router.space.pid, lambda: socket.socket(kind, socket.SOCK_DGRAM))
            taken.bind((target, PORT))
            taken.settimeout(0.1)
            self._sockets.append(taken)
        bed.host.ip(f"-{family} route replace {target}/{length} via {V6 if family == 6 else V4} dev eth0")
        self._sender = inside(bed.host.space.pid, lambda: socket.socket(kind, socket.SOCK_DGRAM))
        self._sender.connect((target, PORT))
        self._threads = [threading.Thread(target=self._send, daemon=True)]
        for router, taken in zip(routers, self._sockets, strict=True):
            self._threads.append(threading.Thread(target=self._take, args=(router.mac, taken), daemon=True))

    def __enter__(self) -> Stream:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(10)
        for one in (self._sender, *self._sockets):
            one.close()

    @property
    def lost(self) -> list[int]:
        """The numbers of packets that came to no router; after the block."""
        arrived = {arrival.number for arrival in self.arrivals}
        return [number for number in range(self.sent) if number not in arrived]

    def arrived_at(self, mac: str) -> list[Arrival]:
        """What came to the router with this MAC."""
        return [arrival for arrival in self.arrivals if arrival.mac == mac]

    def wait_for(self, packets: int, *, mac: str = "") -> None:
        """Until so many have come at all, to the router with this MAC or to any."""
        what = f"{packets} packets have come to {mac or 'a router'}"
        wait_until(lambda: len(self.arrived_at(mac) if mac else self.arrivals) >= packets, what=what)

    def _send(self) -> None:
        began = time.monotonic()  # noqa: TID251 - the packets' own rhythm
        while not self._is_over.is_set():
            due = int((time.monotonic() - began) * RATE)  # noqa: TID251
            while self.sent < due:
                self._sender.send(_NUMBER.pack(self.sent))
                self.sent += 1
            self._is_over.wait(0.5 / RATE)

    def _take(self, mac: str, taken: socket.socket) -> None:
        ends = None
        while ends is None or time.monotonic() < ends:  # noqa: TID251
            try:
                (number,) = _NUMBER.unpack(taken.recv(100))
            except TimeoutError:
                pass
            else:
                self.arrivals.append(Arrival(number, mac, time.monotonic()))  # noqa: TID251
            if ends is None and self._is_over.is_set():
                ends = time.monotonic() + _IN_FLIGHT_S  # noqa: TID251
