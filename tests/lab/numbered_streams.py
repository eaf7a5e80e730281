"""Streams of 1,000 numbered packets a second between nodes of a lab, and which of them never came."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from netorch.lab import lab_status
from tests.lab.labs import Lab
from tests.lab.namespaces import inside_file
from tests.waiting import wait_until

RATE = 1000
FLOWS = 16
"""Source ports of a stream, used in turn: enough that every one of several equal ways is used all the time."""

BURST = 25
"""How many packets may follow each other at once where the sender had to wait for the processor."""

SIZE = 200
BUFFER = 32 << 20
LATE_S = 10.0
"""How long the last packets may take on a busy machine."""

LOSSES_TOLD = 20

BEHIND_S = 1.0
"""How long a packet may come after later ones of its flow: what is missing then is lost."""

_NUMBER = struct.Struct("!I")
_RCVBUFFORCE = 33  # asm-generic/socket.h


@dataclass(frozen=True)
class Way:
    """From an address of one node to an address that one or more others have."""

    name: str
    source_node: str
    source: str
    target_nodes: tuple[str, ...]
    target: str


@dataclass
class Stream:
    """What was sent on a way, and by which node each number was taken."""

    way: Way
    sent: int = 0
    taken: dict[str, bytearray] = field(default_factory=dict)
    unsent: dict[int, str] = field(default_factory=dict)
    """Why the kernel did not take a number from the sender, or what it told of an earlier one in its place."""

    def lost(self) -> list[int]:
        """The numbers that came nowhere."""
        every = [taken[: self.sent].ljust(self.sent, b"\0") for taken in self.taken.values()]
        return [number for number in range(self.sent) if not any(one[number] for one in every)]

    def taken_by(self, node: str, numbers: range) -> int:
        """How many of these packets came to ``node``."""
        return sum(self.taken[node][numbers.start : numbers.stop])

    def keep(self, node: str, number: int) -> None:
        """``number`` came to ``node``."""
        taken = self.taken[node]
        if number >= len(taken):
            taken.extend(bytes(number + 60_000 - len(taken)))
        taken[number] = 1


class NumberedStreams:
    """All of ``ways`` at once, while the block runs: from when every way has brought something until nothing is on its way."""

    def __init__(self, lab: Lab, ways: Sequence[Way], *, first_port: int = 4000) -> None:
        files = {status.name: f"/run/netns/{status.netns}" for status in lab_status(lab.settings)}
        self.streams = {way.name: Stream(way, taken={node: bytearray() for node in way.target_nodes}) for way in ways}
        self.lasted_s = 0.0
        self._begun: list[tuple[str, dict[str, int]]] = []
        self._selector = selectors.DefaultSelector()
        self._senders: dict[str, list[socket.socket]] = {}
        for port, way in enumerate(ways, first_port):
            for node in way.target_nodes:
                taker = inside_file(files[node], lambda way=way, port=port: _taker(way, port))  # type: ignore[misc]
                self._selector.register(taker, selectors.EVENT_READ, (self.streams[way.name], node))
            self._senders[way.name] = [
                inside_file(files[way.source_node], lambda way=way, port=port: _sender(way, port))  # type: ignore[misc]
                for _ in range(FLOWS)
            ]
        self._stop_sending, self._stop_taking = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._send, self._take)]

    def __enter__(self) -> NumberedStreams:
        for thread in self._threads:
            thread.start()
        wait_until(
            lambda: all(any(map(any, one.taken.values())) for one in self.streams.values()),
            what="every stream has come",
        )
        return self

    def __exit__(self, *_: object) -> None:
        sender, taker = self._threads
        self._stop_sending.set()
        sender.join(10)
        self.losses_so_far()  # so that what is on its way may come
        self._stop_taking.set()
        taker.join(10)
        for one in [*self._selector.get_map().values()]:
            one.fileobj.close()  # type: ignore[union-attr]
        for sockets in self._senders.values():
            for one_socket in sockets:
                one_socket.close()

    def losses_so_far(self) -> dict[str, list[int]]:
        """The numbers that were sent until now and never come, of streams with any."""
        sent = {name: stream.sent for name, stream in self.streams.items()}
        ends = time.monotonic() + LATE_S  # noqa: TID251 - the packets' own time
        while True:
            lost = {name: [n for n in stream.lost() if n < sent[name]] for name, stream in self.streams.items()}
            now = time.monotonic()  # noqa: TID251
            if not any(lost.values()) or now > ends:
                return {name: found for name, found in lost.items() if found}
            if all(found[-1:] < [sent[name] - FLOWS] for name, found in lost.items()):  # each flow has brought its last
                ends = min(ends, now + BEHIND_S)
            self._stop_taking.wait(0.1)

    def __getitem__(self, name: str) -> Stream:
        return self.streams[name]

    def begins(self, what: str) -> None:
        """What is sent from now on is sent during ``what``; told of numbers that are lost."""
        self._begun.append((what, {name: stream.sent for name, stream in self.streams.items()}))

    def told_of_lost(self) -> list[str]:
        """A line for each of the first losses of each stream: number, during what, how far into it, what the kernel said."""
        return [
            f"{name}: {len(numbers)} lost, {number} {self._when(name, number)} {self.streams[name].unsent.get(number, '')}"
            for name, numbers in self.lost.items()
            for number in numbers[:LOSSES_TOLD]
        ]

    def _when(self, name: str, number: int) -> str:
        what, first = next(
            ((what, sent[name]) for what, sent in reversed(self._begun) if sent[name] <= number), ("the beginning", 0)
        )
        return f"({number - first} ms into: {what})"

    @property
    def rates(self) -> dict[str, float]:
        """Packets per second of each stream; after the block."""
        return {name: stream.sent / self.lasted_s for name, stream in self.streams.items()}

    @property
    def lost(self) -> dict[str, list[int]]:
        """The numbers that never came, of streams with any; after the block."""
        return {name: found for name, stream in self.streams.items() if (found := stream.lost())}

    def _send(self) -> None:
        began = time.monotonic()  # noqa: TID251 - the packets' own rhythm
        while not self._stop_sending.wait(0.001):
            self.lasted_s = time.monotonic() - began  # noqa: TID251
            due = int(self.lasted_s * RATE)
            for stream in self.streams.values():
                senders = self._senders[stream.way.name]
                for _ in range(min(BURST, due - stream.sent)):
                    try:
                        senders[stream.sent % FLOWS].send(_NUMBER.pack(stream.sent).ljust(SIZE, b"."))
                    except OSError as error:  # no way to send it by, or word that the last one was in vain: it is lost
                        stream.unsent[stream.sent] = str(error)
                    stream.sent += 1

    def _take(self) -> None:
        while not self._stop_taking.is_set():
            for key, _ in self._selector.select(0.1):
                stream, node = key.data
                while True:
                    try:
                        data = key.fileobj.recv(SIZE)  # type: ignore[union-attr]
                    except BlockingIOError:
                        break
                    stream.keep(node, _NUMBER.unpack_from(data)[0])


def _taker(way: Way, port: int) -> socket.socket:
    taker = socket.socket(_family(way), socket.SOCK_DGRAM)
    taker.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, BUFFER)
    taker.bind((way.target, port))
    taker.setblocking(False)
    return taker


def _sender(way: Way, port: int) -> socket.socket:
    sender = socket.socket(_family(way), socket.SOCK_DGRAM)
    sender.bind((way.source, 0))
    sender.connect((way.target, port))
    return sender


def _family(way: Way) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in way.target else socket.AF_INET
