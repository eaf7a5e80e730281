"""What is known of the packets from one host to one destination through one provider, over time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from netorch.app.ping_figures import Sample, figures
from netorch.model.text import one_line
from netorch.model.types import IPAddress, family_of

OK, DRAINED, DOWN, NO_ROUTE, NO_ANSWER = "ok", "drained", "down", "no route", "no answer"
UNUSABLE = (DRAINED, DOWN, NO_ROUTE)
"""What is not loss: nobody meant packets to go there, or none could."""

KEPT_SAMPLES = 100_000
"""Of one track: the latest. What was sent and lost is counted beyond that."""

LATE_S = 60.0
"""By less than this a packet is known of after one that was sent later."""

_NO_ROUTE_WORDS = ("no route", "unreachable")
_NOTE_BYTES = 1000


@dataclass(frozen=True)
class ProviderState:
    """Of a provider in a POP and family: ``ok``, ``drained`` or ``down``, and who did it and why, or what its sessions say; since
    when, in seconds since the epoch, None where that is not known."""

    state: str = OK
    note: str = ""
    since_s: float | None = None


@dataclass
class Spell:
    """A time in seconds since the epoch in which a track was in one state."""

    start_s: float
    end_s: float
    state: str


@dataclass
class Track:
    """Packets from ``host`` to ``destination`` through ``provider``. ``reason`` is why nothing is sent at the moment, in the
    kernel's words; ``provider_state`` what the POP's switches say. ``spells`` are in order and do not overlap."""

    pop: str
    host: str
    provider: str
    mark: int
    destination: IPAddress
    protocol: str = "icmp"
    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=KEPT_SAMPLES))
    spells: list[Spell] = field(default_factory=list)
    reason: str = ""
    provider_state: ProviderState = field(default_factory=ProviderState)
    sent: int = 0
    received: int = 0

    @property
    def family(self) -> str:
        """``ipv4`` or ``ipv6``."""
        return str(family_of(self.destination).value)

    def add(self, sample: Sample) -> None:
        """One more packet."""
        self.samples.append(sample)
        self.sent += 1
        self.received += sample.rtt_ms is not None

    def state(self, recent: Iterable[Sample] | None = None) -> str:
        """In one word; what the POP's switches say of the provider comes before what the host saw in ``recent`` (all)."""
        if self.provider_state.state != OK:
            return self.provider_state.state
        if self.reason:
            return NO_ROUTE if any(word in self.reason for word in _NO_ROUTE_WORDS) else "not sent"
        samples = self.samples if recent is None else tuple(recent)
        return NO_ANSWER if samples and all(sample.rtt_ms is None for sample in samples) else OK

    def mark_spell(self, now_s: float, *, since_s: float) -> None:
        """The track is now in the state that it has: the last spell goes on, or a new one begins ``since_s``."""
        state = self.state()
        last = self.spells[-1] if self.spells else None
        if last is not None and last.state == state:
            last.end_s = now_s
            return
        if last is not None:
            last.end_s = since_s
        self.spells.append(Spell(since_s, now_s, state))

    def between(self, start_s: float, end_s: float = float("inf")) -> list[Sample]:
        """The packets that were sent from then on, and before ``end_s``; in no order."""
        found = []
        for sample in reversed(self.samples):  # a long watch has many, and is asked for the latest again and again
            if sample.time_s < start_s - LATE_S:
                break
            if start_s <= sample.time_s < end_s:
                found.append(sample)
        return found

    def document(self, start_s: float | None = None, end_s: float = float("inf")) -> dict[str, Any]:
        """Plain JSON; figures of what was sent from ``start_s`` on (None: of everything) and before ``end_s``, null where there
        are none."""
        recent = list(self.samples) if start_s is None else self.between(start_s, end_s)
        seen = figures(recent)
        sent, received = (self.sent, self.received) if start_s is None else (seen.sent, seen.received)
        return {
            "pop": self.pop,
            "host": self.host,
            "provider": self.provider,
            "mark": self.mark,
            "destination": str(self.destination),
            "family": self.family,
            "protocol": self.protocol,
            "state": self.state(recent),
            "note": one_line(self.provider_state.note, max_bytes=_NOTE_BYTES) or None,
            "sent": sent,
            "received": received,
            "loss_percent": round(100.0 * (sent - received) / sent, 1) if sent else None,
            "min_ms": seen.min_ms,
            "median_ms": seen.median_ms,
            "p90_ms": seen.p90_ms,
            "p99_ms": seen.p99_ms,
            "jitter_ms": seen.jitter_ms,
            "error": self.reason or None,
        }
