"""Overlay entries of steers: one for each prefix and POP, kept by the POP's switches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, Optional, Tuple

from netorch.api import IPNetwork, Overlay, OverlayEntry, VerbContext, one_line, read_network, utc_text

NAME = "steer"
REASON_BYTES = 1000


@dataclass(frozen=True)
class Steering:
    """Packets from hosts of ``pop`` to ``prefix`` are to leave through ``provider``."""

    prefix: IPNetwork
    provider: str
    pop: str

    @property
    def entry_id(self) -> str:
        """The overlay entry that holds it: a prefix is steered to one provider at a time."""
        return f"{NAME}/{self.prefix}@{self.pop}"

    def __str__(self) -> str:
        return f"{self.prefix} via {self.provider} in {self.pop}"


def steering_of(entry: OverlayEntry) -> Optional[Steering]:
    """What the entry says; None for data that this version does not understand."""
    prefix, provider, pop = (entry.data.get(key) for key in ("prefix", "via", "pop"))
    if not isinstance(provider, str) or not isinstance(pop, str):
        return None
    try:
        return Steering(read_network(str(prefix)), provider, pop)
    except ValueError:
        return None


def steerings(overlay: Overlay) -> Tuple[Tuple[OverlayEntry, Steering], ...]:
    """Every steer that has not been ended, with its entry."""
    found = ((entry, steering_of(entry)) for entry in overlay.active(NAME))
    return tuple((entry, steering) for entry, steering in found if steering is not None)


def new_entry(context: VerbContext, steering: Steering, *, reason: str, until: Optional[float]) -> OverlayEntry:
    """The steer from now on, newer than any that was ever there for its prefix and POP."""
    former = context.overlay.find(steering.entry_id)
    return OverlayEntry(
        id=steering.entry_id,
        version=former.version + 1 if former is not None else 1,
        plugin=NAME,
        devices=tuple(switch.name for switch in context.intent.in_pop(steering.pop, "switch")),
        author=context.author,
        created=context.now,
        reason=one_line(reason, max_bytes=REASON_BYTES),
        until=until,
        data={"prefix": str(steering.prefix), "via": steering.provider, "pop": steering.pop},
    )


def ended(entry: OverlayEntry, context: VerbContext) -> OverlayEntry:
    """The tombstone of ``entry``."""
    return replace(
        entry, version=entry.version + 1, removed=True, author=context.author, created=context.now, until=None
    )


def words(entry: OverlayEntry) -> str:
    """What an entry means."""
    return "no longer steered" if entry.removed else f"steered via {entry.data.get('via')}"


def lapse(overlay: Overlay, now: float) -> Tuple[OverlayEntry, ...]:
    """Tombstones of what is past its time. The same from whatever controller looks: all times are the entry's own."""
    return tuple(
        replace(entry, version=entry.version + 1, removed=True, created=entry.until, until=None)
        for entry, _ in steerings(overlay)
        if entry.until is not None and entry.until <= now
    )


def steer_row(entry: OverlayEntry, steering: Steering, state: Optional[str]) -> Dict[str, Any]:
    """One line of ``netorch steers``; times in UTC. ``state`` None: nobody could be asked."""
    return {
        "prefix": str(steering.prefix),
        "via": steering.provider,
        "pop": steering.pop,
        "state": state,
        "author": entry.author,
        "since": utc_text(entry.created),
        "until": utc_text(entry.until) if entry.until is not None else None,
        "reason": entry.reason or None,
    }
