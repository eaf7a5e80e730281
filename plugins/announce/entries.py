"""Overlay entries of announcements: one for each prefix, POP and provider, kept by the switches of the POP."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, List, Optional, Tuple

from netorch.api import IPNetwork, Overlay, OverlayEntry, PrefixExport, VerbContext, one_line, read_network

NAME = "announce"
REASON_BYTES = 1000


@dataclass(frozen=True)
class Place:
    """What an entry is about: what ``provider`` hears of ``prefix`` in ``pop``."""

    prefix: IPNetwork
    pop: str
    provider: str

    @property
    def entry_id(self) -> str:
        """The overlay entry that holds what was changed about it."""
        return f"{NAME}/{self.prefix}@{self.pop}/{self.provider}"


@dataclass(frozen=True)
class Wish:
    """What a provider is to hear. ``actions`` are the names by which its communities were given, for people."""

    place: Place
    export: PrefixExport
    actions: Tuple[str, ...] = ()

    def __str__(self) -> str:
        """What is otherwise, in words."""
        export, words = self.export, []
        if export.withheld:
            return "withheld"
        if export.prepend:
            words.append(f"prepend {export.prepend}")
        words += [":".join(map(str, one)) for one in (*export.communities, *export.large_communities)]
        words += [f"({', '.join(self.actions)})"] if self.actions else []
        return " ".join(words) or "announced"


def wishes(overlay: Overlay) -> Tuple[Tuple[OverlayEntry, Wish], ...]:
    """Every entry in force, less those that another version of this plugin wrote in a way that is not understood."""
    found = ((entry, _read(entry)) for entry in overlay.active(NAME))
    return tuple((entry, wish) for entry, wish in found if wish is not None)


def new_entry(context: VerbContext, wish: Wish, *, reason: str, until: Optional[float]) -> OverlayEntry:
    """``wish`` as an entry, newer than any that was ever there."""
    place, export = wish.place, wish.export
    former = context.overlay.find(place.entry_id)
    return OverlayEntry(
        id=place.entry_id,
        version=former.version + 1 if former is not None else 1,
        plugin=NAME,
        devices=tuple(switch.name for switch in context.intent.in_pop(place.pop, "switch")),
        author=context.author,
        created=context.now,
        reason=one_line(reason, max_bytes=REASON_BYTES),
        until=until,
        data={
            "prefix": str(place.prefix),
            "pop": place.pop,
            "provider": place.provider,
            "withheld": export.withheld,
            "prepend": export.prepend,
            "communities": [list(community) for community in export.communities],
            "large_communities": [list(community) for community in export.large_communities],
            "actions": list(wish.actions),
        },
    )


def ended(entry: OverlayEntry, context: VerbContext, *, reason: str) -> OverlayEntry:
    """The tombstone of ``entry``."""
    return replace(
        entry,
        version=entry.version + 1,
        removed=True,
        author=context.author,
        created=context.now,
        reason=one_line(reason, max_bytes=REASON_BYTES),
        until=None,
    )


def words(entry: OverlayEntry) -> str:
    """What an entry means."""
    wish = _read(entry)
    return "as the inventory has it" if entry.removed or wish is None else str(wish)


def lapse(overlay: Overlay, now: float) -> Tuple[OverlayEntry, ...]:
    """Entries that are past their time, ended at that time. The same from whatever controller looks."""
    return tuple(
        replace(entry, version=entry.version + 1, removed=True, created=entry.until, until=None)
        for entry in overlay.active(NAME)
        if entry.until is not None and entry.until <= now
    )


def _read(entry: OverlayEntry) -> Optional[Wish]:
    data: Dict[str, Any] = dict(entry.data)
    try:
        place = Place(read_network(data["prefix"]), str(data["pop"]), str(data["provider"]))
        export = PrefixExport(
            place.prefix,
            bool(data["withheld"]),
            int(data["prepend"]),
            tuple((int(a), int(b)) for a, b in _list(data["communities"])),
            tuple((int(a), int(b), int(c)) for a, b, c in _list(data["large_communities"])),
        )
        return Wish(place, export, tuple(map(str, _list(data["actions"]))))
    except (KeyError, TypeError, ValueError):
        return None


def _list(found: Any) -> List[Any]:
    if not isinstance(found, list):
        raise TypeError(found)
    return found
