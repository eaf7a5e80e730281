"""Rounds of packets: one by every way each interval; what was answered in time, what was lost, what could not be sent."""

from __future__ import annotations

import select
from collections import deque

from netorch.agent.clock import uptime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Deque, Dict, Iterable, List, Optional, Tuple

    from netorch.agent.ping_echo import EchoProbe
    from netorch.agent.ping_tcp import TcpProbe

    Sample = Tuple[float, Optional[float]]

CHECK_S = 0.1
"""How often the kernel is asked whether a way's packets still leave by its own table."""

TELL_S = 0.25
HEARTBEAT_S = 1.0
"""Told at least this often, also when nothing happened: so it is found out early that nobody listens any more."""


class Poller:
    """Which way a descriptor belongs to, and which have something to say."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._ways: Dict[int, Way] = {}

    def add(self, descriptor: int, events: int, way: Way) -> None:
        """Look at ``descriptor`` from now on."""
        self._poll.register(descriptor, events)
        self._ways[descriptor] = way

    def drop(self, descriptor: int) -> None:
        """Do so no more."""
        if self._ways.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def wait(self, seconds: float) -> None:
        """Hand every descriptor that has something to its way, after at most ``seconds``."""
        for descriptor, _ in self._poll.poll(max(0.0, seconds * 1000.0)):
            way = self._ways.get(descriptor)
            if way is not None:
                way.receive(descriptor)


class Way:
    """The packets to one destination through one table. ``detour`` tells why they would not leave by it, "" if they would.

    Packets count only where they are known to have left by that table: what was sent since the last time that it was asked
    for is held back until it is asked again, and forgotten where it turns out to have had no route.
    """

    def __init__(self, probe: EchoProbe | TcpProbe, poller: Poller, *, detour: Callable[[], str]) -> None:
        self._probe, self._poller, self._detour = probe, poller, detour
        self._sequence = 0
        self._pending: Dict[int, float] = {}
        self._held: Deque[Sample] = deque()
        self._proven = self._checked = float("-inf")
        self._no_route = self._unsent = ""
        self._said = ""
        self._changes: List[Tuple[float, str]] = []
        for descriptor in probe.descriptors():
            poller.add(descriptor, select.POLLIN, self)

    @property
    def is_waiting(self) -> bool:
        """Whether an answer may still come."""
        return bool(self._pending)

    def send(self) -> None:
        """Send the next packet, if it would leave by the way's own table."""
        if self._no_route or uptime() >= self._checked + CHECK_S:
            self.check()
        if self._no_route:
            return
        sequence, self._sequence = self._sequence, self._sequence + 1
        sent_at = uptime()
        self._pending[sequence] = sent_at
        try:
            descriptor = self._probe.send(sequence)
        except OSError as exc:
            del self._pending[sequence]
            self._unsent = exc.strerror or str(exc)
        else:
            self._unsent = ""
            if descriptor is not None:
                self._poller.add(descriptor, select.POLLOUT, self)
        self._say(sent_at)

    def check(self) -> None:
        """Ask the kernel for the table, and judge by its answer what was sent since the last one."""
        self._checked = uptime()
        self._no_route = self._detour()
        if not self._no_route:
            self._proven = self._checked
            return
        for sequence in [number for number, sent_at in self._pending.items() if sent_at > self._proven]:
            self._forget(sequence)
        self._held = deque(sample for sample in self._held if sample[0] <= self._proven)
        self._say(self._checked)

    def _say(self, now: float) -> None:
        reason = self._no_route or self._unsent
        if reason != self._said:
            self._said = reason
            self._changes.append((now, reason))

    def receive(self, descriptor: int) -> None:
        """Take in what ``descriptor`` has."""
        received = self._probe.receive(descriptor)
        if received is None:
            return
        sequence, received_at = received
        sent_at = self._pending.get(sequence)
        if sent_at is not None:
            self._forget(sequence)
            self._held.append((sent_at, None if received_at is None else max(0.0, received_at - sent_at) * 1000.0))

    def expire(self, before: float) -> None:
        """What was sent before then and is not answered is lost."""
        for sequence in [number for number, sent_at in self._pending.items() if sent_at < before]:
            self._held.append((self._pending[sequence], None))
            self._forget(sequence)

    def _forget(self, sequence: int) -> None:
        del self._pending[sequence]
        descriptor = self._probe.forget(sequence)
        if descriptor is not None:
            self._poller.drop(descriptor)
            self._probe.end(descriptor)

    def first_pending(self) -> float:
        """When the oldest packet that is waited for was sent."""
        return next(iter(self._pending.values()), float("inf"))

    def take(self) -> Tuple[List[Sample], List[Tuple[float, str]]]:
        """What has become known: samples (sent at, round trip in milliseconds or None), and why nothing is sent ("": it is)."""
        if any(sample[0] > self._proven for sample in self._held):
            self.check()
        samples, changes = list(self._held), self._changes
        self._held, self._changes = deque(), []
        return samples, changes

    def close(self) -> None:
        """Give everything back."""
        for sequence in list(self._pending):
            self._forget(sequence)
        self._probe.close()


def run_rounds(
    ways: List[Way],
    poller: Poller,
    *,
    count: int,
    interval_s: float,
    timeout_s: float,
    tell: Callable[[Dict[str, Any]], None],
) -> None:
    """``count`` rounds (0: without end), until all is answered or lost. ``tell`` is given batches as in ``model.request``."""
    started = due = uptime()
    rounds, told = 0, float("-inf")
    while True:
        now = uptime()
        if (not count or rounds < count) and now >= due:
            for way in ways:
                way.send()
            rounds += 1
            due = max(due + interval_s, now)  # who was late does not send everything at once
        is_sending = not count or rounds < count
        for way in ways:
            way.expire(now - timeout_s)
        if not is_sending and not any(way.is_waiting for way in ways):
            tell(_batch(ways, started))
            return
        if now >= told + TELL_S:
            batch = _batch(ways, started)
            if batch["samples"] or batch["changes"] or now >= told + HEARTBEAT_S:
                tell(batch)
                told = now
        wake = min([told + TELL_S, *([due] if is_sending else []), *(way.first_pending() + timeout_s for way in ways)])
        poller.wait(min(wake - uptime(), TELL_S))


def _batch(ways: Iterable[Way], started: float) -> Dict[str, Any]:
    samples: List[Any] = []
    changes: List[Any] = []
    for number, way in enumerate(ways):
        known, changed = way.take()
        for sent_at, rtt_ms in known:
            samples.append([number, _ms(sent_at - started), None if rtt_ms is None else round(rtt_ms, 3)])
        changes += [[number, _ms(at - started), reason] for at, reason in changed]
    return {"at_ms": _ms(uptime() - started), "samples": samples, "changes": changes}


def _ms(seconds: float) -> float:
    return round(seconds * 1000.0, 1)
