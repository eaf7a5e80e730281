"""Delay, jitter and loss for packets that pass TUN interfaces: each is read, held back, and written where it came from.

``delay.py CONFIG.json READY``: a list of {tun, delay_ms, jitter_ms, loss_percent, seed}; the file READY is made once all
interfaces are attached, before which the kernel drops what they are given. Packets of one interface keep their order.
Loss is drawn from a generator seeded by ``seed``, so that the n-th packet meets the same fate in every run.
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
from collections import deque
from time import monotonic  # noqa: TID251
from typing import Any, Deque, Dict, Tuple

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
PACKET_BYTES = 65536
QUEUE_PACKETS = 20_000
BURST = 64  # packets read in a row before others get their turn


class Line:
    """One TUN interface."""

    def __init__(self, settings: Dict[str, Any]) -> None:
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", settings["tun"].encode(), IFF_TUN | IFF_NO_PI))
        self.delay_s = settings["delay_ms"] / 1000
        self.jitter_s = settings["jitter_ms"] / 1000
        self.loss = settings["loss_percent"] / 100
        self.random = random.Random(settings["seed"])  # noqa: S311 - repeatable, not secret
        self.queue: Deque[Tuple[float, bytes]] = deque()

    def receive(self) -> None:
        """Take packets in. Loss and jitter are drawn for every packet, so that settings do not shift each other."""
        for _ in range(BURST):
            try:
                packet = os.read(self.fd, PACKET_BYTES)
            except BlockingIOError:
                return
            lost, late = self.random.random() < self.loss, self.random.random()
            if lost or len(self.queue) >= QUEUE_PACKETS:
                continue
            due = monotonic() + self.delay_s + self.jitter_s * (2 * late - 1)
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
