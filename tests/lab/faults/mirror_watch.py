"""Looks at hosts of the mirror all the time, from outside: what each kernel sends to, and what each agent says of itself."""

from __future__ import annotations

import functools
import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Optional, Self

from netorch.agent.clock import uptime
from netorch.agent.services import is_alive
from netorch.io.netlink.events import EventSocket, NeighbourEvent
from netorch.model.conventions import KERNEL_PROTOCOL
from tests.lab.looker import Looker
from tests.lab.mirror_bed import Bed, Node
from tests.lab.namespaces import inside

INTERVAL_S = 0.02
BUFFER_BYTES = 64 << 20
"""More than the agents' own: what they lose the watch still sees."""

LATE_S = 2.5
"""A status is written ten times a second at most, and the watch looks at it 50 times: it may be behind by so much on a machine
that has much to do."""


Place = tuple[str, str]
"""An interface of a host, and an address on it."""


@dataclass
class Span:
    """A MAC of one place of one host, None where there is no permanent entry; times are uptimes, ``until`` None: still."""

    host: str
    place: Place
    mac: Optional[str]
    since: float
    until: Optional[float] = None

    def within(self, end: float) -> float:
        """How long it lasted, in seconds."""
        return (end if self.until is None else self.until) - self.since


class Watch(Looker):
    """Looks at the hosts of a bed; afterwards ``spans`` and the longest false claim tell.

    ``places`` are those that are looked at. A host's agent makes a claim where a reader takes it for alive: that an entry is
    mirrored with the MAC that the kernel has.
    """

    def __init__(self, bed: Bed, places: Iterable[Place]) -> None:
        super().__init__(interval_s=INTERVAL_S)
        self.spans: list[Span] = []
        self.memory: dict[str, list[int]] = {node.name: [] for node in bed.nodes}
        self.longest_false_claim_s = 0.0
        self.false_claim = ""
        self._bed = bed
        self._places = frozenset(places)
        self._current: dict[tuple[str, Place], Span] = {}
        self._claims_since: dict[tuple[str, Place], float] = {}
        self._read: dict[str, str] = {}
        self._statuses: dict[str, dict[str, Any]] = {}
        make = functools.partial(EventSocket, neighbours=True, buffer_bytes=BUFFER_BYTES)
        self._events = {host.name: inside(host.space.pid, make) for host in bed.hosts}
        self._names = {host.name: inside(host.space.pid, lambda: dict(socket.if_nameindex())) for host in bed.hosts}

    def __enter__(self) -> Self:
        for host in self._bed.hosts:
            for interface, address in self._places:
                self._note(host.name, (interface, address), host.mac(address, interface))
        return super().__enter__()

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            for events in self._events.values():
                events.close()

    def changes(self, host: str, place: Place) -> int:
        """How often the kernel's MAC has changed."""
        return sum(span.host == host and span.place == place for span in self.spans) - 1

    def look(self) -> None:
        """What kernels have told since, and what agents say now."""
        for host in self._bed.hosts:
            names = self._names[host.name]
            for event in self._events[host.name].read(limit=100_000):
                if isinstance(event, NeighbourEvent):
                    is_ours = event.state == "permanent" and event.protocol == KERNEL_PROTOCOL and not event.is_gone
                    self._note(host.name, (names.get(event.index, ""), event.address), event.mac if is_ours else None)
        for node in self._bed.nodes:
            status = self._status(node)
            if status is not None:
                self.memory[node.name].append(status["memory_bytes"])
            if node.service == "mirror":
                self._judge_claims(node, [] if status is None else status["entries"])

    def _note(self, host: str, place: Place, mac: Optional[str]) -> None:
        if place not in self._places:
            return
        before = self._current.get((host, place))
        if before is not None:
            if before.mac == mac:
                return
            before.until = uptime()
        span = Span(host, place, mac, uptime())
        self._current[host, place] = span
        self.spans.append(span)

    def _status(self, node: Node) -> Optional[dict[str, Any]]:
        """What the agent has written; None where a reader would take it for dead."""
        try:
            text = node.path(f"/run/netorch/{node.service}.json").read_text()
        except FileNotFoundError:
            return None
        if self._read.get(node.name) != text:
            self._read[node.name], self._statuses[node.name] = text, json.loads(text)
        status = self._statuses[node.name]
        return status if is_alive(status) else None

    def _judge_claims(self, host: Node, entries: Iterable[dict[str, Any]]) -> None:
        claimed = {
            (entry["interface"], entry["address"]): entry["mac"] for entry in entries if entry["state"] == "mirrored"
        }
        for place in self._places:
            key = (host.name, place)
            if place not in claimed or claimed[place] == self._current[key].mac:
                self._claims_since.pop(key, None)
                continue
            false_s = uptime() - self._claims_since.setdefault(key, uptime())
            if false_s > self.longest_false_claim_s:
                self.longest_false_claim_s = false_s
                self.false_claim = f"{host.name} says that {place[1]} is mirrored at {claimed[place]}"


def held_by(host: Node, interface: str = "eth0") -> dict[str, str]:
    """The permanent entries of the host's kernel on one interface, by address."""
    entries = json.loads(host.ip(f"-j neigh show dev {interface} nud permanent"))
    return {entry["dst"]: entry["lladdr"] for entry in entries if "lladdr" in entry}
