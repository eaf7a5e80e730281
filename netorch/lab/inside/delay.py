"""Delay, jitter and loss for packets that pass TUN interfaces: each is read, held back, and written where it came from.

``delay.py CONFIG.json READY``: a list of {tun, delay_ms, jitter_ms, loss_percent, seed}; the file READY is made once all
interfaces are attached, before which the kernel drops what they are given. Packets of one interface keep their order.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import select
import struct
import sys
from collections import OrderedDict, deque
from time import monotonic  # noqa: TID251
from typing import Any, Deque, Dict, FrozenSet, Tuple

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
PACKET_BYTES = 65536
QUEUE_PACKETS = 20_000
BURST = 64  # packets read in a row before others get their turn
STRATUM = 100  # packets of a flow of which exactly as many are lost as the line loses in percent
FLOWS = 4096
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58  # IANA, protocol numbers
SYN = 2  # RFC 9293 section 3.1
ECHO = {ICMP: (8, 0), ICMPV6: (128, 129)}  # types of request and reply: RFC 792, RFC 4443


class Losses:
    """Which packets of a line are lost. Of each 100 packets of a flow exactly so many as the line loses in percent, at random
    places, so that a measurement finds what is configured, not what chance made of it; fractions add up. The n-th packet of
    the n-th flow meets the same fate in every run with the same seed.
    """

    def __init__(self, share: float, seed: int) -> None:
        self._share = share
        self._seed = seed
        self._seen = 0
        self._flows: OrderedDict[bytes, Flow] = OrderedDict()

    def takes(self, packet: bytes) -> bool:
        """Whether ``packet``, the next one, is lost."""
        if not self._share:
            return False
        key = flow_of(packet)
        flow = self._flows.get(key)
        if flow is None:
            self._seen += 1
            flow = self._flows[key] = Flow(self._share, random.Random(f"{self._seed} {self._seen}"))  # noqa: S311
            if len(self._flows) > FLOWS:
                self._flows.popitem(last=False)
        self._flows.move_to_end(key)
        return flow.loses_next()


class Flow:
    """The packets between two addresses that belong together, a stratum at a time."""

    def __init__(self, share: float, draw: random.Random) -> None:
        self._share = share
        self._draw = draw
        self._at = STRATUM
        self._owed = 0.0
        self._lost: FrozenSet[int] = frozenset()

    def loses_next(self) -> bool:
        """Whether the next packet is lost."""
        if self._at == STRATUM:
            self._at = 0
            self._owed += self._share * STRATUM
            count = int(self._owed + 1e-9)
            self._owed -= count
            self._lost = frozenset(self._draw.sample(range(STRATUM), count))
        self._at += 1
        return self._at - 1 in self._lost


def flow_of(packet: bytes) -> bytes:
    """What packets that belong together have in common: addresses and protocol; of an echo its identifier, so that each ping is
    a flow of its own; of TCP and UDP the port that they go to, so that all connections to one are one, and whether it is a
    connection's first."""
    if packet[0] >> 4 == 4:
        protocol, addresses, head = packet[9], packet[12:20], (packet[0] & 15) * 4
        if packet[6] & 0x1F or packet[7]:  # a fragment that is not the first has no such head
            return addresses + bytes([protocol])
    else:
        protocol, addresses, head = packet[6], packet[8:40], 40
    rest = b""
    if protocol in ECHO and packet[head : head + 1] and packet[head] in ECHO[protocol]:
        rest = packet[head + 4 : head + 6]
    elif protocol == UDP:
        rest = packet[head + 2 : head + 4]
    elif protocol == TCP:
        rest = packet[head + 2 : head + 4] + bytes(flags & SYN for flags in packet[head + 13 : head + 14])
    return addresses + bytes([protocol]) + rest


class Line:
    """One TUN interface."""

    def __init__(self, settings: Dict[str, Any]) -> None:
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", settings["tun"].encode(), IFF_TUN | IFF_NO_PI))
        self.delay_s = settings["delay_ms"] / 1000
        self.jitter_s = settings["jitter_ms"] / 1000
        self.losses = Losses(settings["loss_percent"] / 100, settings["seed"])
        self.random = random.Random(settings["seed"])  # noqa: S311 - repeatable, not secret
        self.queue: Deque[Tuple[float, bytes]] = deque()

    def receive(self) -> None:
        """Take packets in."""
        for _ in range(BURST):
            try:
                packet = os.read(self.fd, PACKET_BYTES)
            except BlockingIOError:
                return
            if self.losses.takes(packet) or len(self.queue) >= QUEUE_PACKETS:
                continue
            due = monotonic() + self.delay_s + self.jitter_s * (2 * self.random.random() - 1)
            self.queue.append((max(due, self.queue[-1][0]) if self.queue else due, packet))

    def send(self, now: float) -> None:
        """Let go what is due."""
        queue = self.queue
        while queue and queue[0][0] <= now:
            with contextlib.suppress(OSError):  # refused, or the interface is down: lost, as on a real line
                os.write(self.fd, queue[0][1])
            queue.popleft()


def main() -> int:
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = {line.fd: line for line in map(Line, json.load(file))}
    with open(sys.argv[2], "w", encoding="ascii"):
        pass
    while True:
        heads = [line.queue[0][0] for line in lines.values() if line.queue]
        wait_s = max(0.0, min(heads) - monotonic()) if heads else None
        for fd in select.select(list(lines), [], [], wait_s)[0]:
            lines[fd].receive()
        now = monotonic()
        for line in lines.values():
            line.send(now)


if __name__ == "__main__":
    raise SystemExit(main())
