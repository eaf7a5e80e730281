"""Operational state that is kept on the devices it concerns, apart from the inventory: drains, announcements, steering."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, Mapping, Optional, Tuple


@dataclass(frozen=True)
class OverlayEntry:
    """One operational decision, such as a drain.

    ``id`` starts with the plugin's name (``drain/provider/northtel@pop1``); ``version`` grows with each change; a
    removed entry stays as a tombstone so that a device which missed the removal cannot bring it back. ``devices`` are
    the full names of the devices that keep it. ``data`` is the plugin's own, plain JSON. Times are seconds since the
    epoch.
    """

    id: str
    version: int
    plugin: str
    devices: Tuple[str, ...]
    author: str
    created: float
    reason: str = ""
    until: Optional[float] = None
    removed: bool = False
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Overlay:
    """Every entry that counts, tombstones included, ordered by id."""

    entries: Tuple[OverlayEntry, ...] = ()

    def active(self, plugin: str) -> Tuple[OverlayEntry, ...]:
        """The entries of ``plugin`` that are not removed."""
        return tuple(entry for entry in self.entries if entry.plugin == plugin and not entry.removed)

    def find(self, entry_id: str) -> Optional[OverlayEntry]:
        """The entry with ``entry_id``, tombstones included; None if there never was one."""
        return next((entry for entry in self.entries if entry.id == entry_id), None)

    def kept_by(self, device: str) -> Tuple[OverlayEntry, ...]:
        """The entries that ``device`` must hold."""
        return tuple(entry for entry in self.entries if device in entry.devices)


def merge_overlays(sources: Iterable[Iterable[OverlayEntry]]) -> Overlay:
    """One overlay from what several devices hold: per id the highest version wins, a removal over a change of the same
    version, the later one among equals."""
    best: Dict[str, OverlayEntry] = {}
    for entries in sources:
        for entry in entries:
            held = best.get(entry.id)
            if held is None or _rank(entry) > _rank(held):
                best[entry.id] = entry
    return Overlay(tuple(best[entry_id] for entry_id in sorted(best)))


def overruled(entries: Iterable[OverlayEntry], overlay: Overlay) -> Tuple[OverlayEntry, ...]:
    """What ``overlay``, as devices hold it, has in the place of some of ``entries``, because somebody else was faster: newer
    versions, and others of the same version."""
    pairs = ((entry, overlay.find(entry.id)) for entry in entries)
    return tuple(
        held
        for entry, held in pairs
        if held is not None and held.version >= entry.version and _rank(held) != _rank(entry)
    )


def behind(entries: Iterable[OverlayEntry], held: Mapping[str, Iterable[OverlayEntry]]) -> Tuple[str, ...]:
    """Those of the devices in ``held``, what each has, that are to keep one of ``entries`` and have none of it, or an older
    version."""
    entries = tuple(entries)
    found = []
    for name, mine in held.items():
        versions = {entry.id: entry.version for entry in mine}
        if any(name in entry.devices and versions.get(entry.id, 0) < entry.version for entry in entries):
            found.append(name)
    return tuple(found)


def _rank(entry: OverlayEntry) -> Tuple[int, bool, float, str]:
    return (entry.version, entry.removed, entry.created, entry.author)
