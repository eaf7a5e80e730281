"""What a verb that was stopped half-way leaves behind, in words: what is recorded where, and what to type."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from netorch.app.results import DeployResult
from netorch.model.overlay import OverlayEntry

_IS_THERE = ("changed", "unchanged", "degraded")
_COMES_BACK = "the next netorch run or deploy"


@dataclass
class Trace:
    """What a verb's deploys have brought so far: ``held`` are the entries that each device holds, by their ids; ``changed`` and
    ``unsure`` are devices that were changed, and those that decide alone whether they were."""

    held: dict[str, dict[str, OverlayEntry]] = field(default_factory=dict)
    changed: dict[str, None] = field(default_factory=dict)
    unsure: dict[str, None] = field(default_factory=dict)

    def note(self, result: DeployResult, entries: Iterable[OverlayEntry]) -> None:
        """A deploy that was to bring ``entries`` has come to this result."""
        entries = tuple(entries)
        for one in result.results:
            if one.outcome in _IS_THERE:
                mine = {entry.id: entry for entry in entries if one.device in entry.devices}
                self.held.setdefault(one.device, {}).update(mine)
                self.unsure.pop(one.device, None)
            if one.outcome in ("changed", "degraded"):
                self.changed[one.device] = None
            if one.outcome == "unknown":
                self.unsure[one.device] = None

    def words(self, entries: Iterable[OverlayEntry], tell: Callable[[OverlayEntry], str]) -> str:
        """How far it has come with ``entries``; ``tell`` says what one of them means."""
        entries = tuple(entries)
        parts = [self._of_entry(entry, tell) for entry in entries]
        keepers = {name for entry in entries for name in entry.devices}
        others = [name for name in self.changed if name not in keepers]
        if others:
            undone = "" if self.is_recorded(entries) or not entries else f", and {_COMES_BACK} takes that back"
            parts.append(f"{', '.join(others)}: changed{undone}")
        if self.unsure:
            parts.append(f"{', '.join(self.unsure)}: not known yet, netorch status tells in a minute")
        return "; ".join(parts) or "nothing was changed, nothing is recorded"

    def is_recorded(self, entries: Iterable[OverlayEntry]) -> bool:
        """Whether some device holds one of ``entries``, or a version of it that this verb brought before."""
        return any(entry.id in held for entry in entries for held in self.held.values())

    def _of_entry(self, entry: OverlayEntry, tell: Callable[[OverlayEntry], str]) -> str:
        states: dict[str, list[str]] = {}
        missing = []
        for name in entry.devices:
            found = self.held.get(name, {}).get(entry.id)
            if found is None:
                missing.append(name)
            else:
                states.setdefault(tell(found), []).append(name)
        if not states:
            return f"{entry.id} is recorded nowhere"
        told = "; ".join(f"on {', '.join(names)}: {state}" for state, names in states.items())
        late = f"; not on {', '.join(missing)}, {_COMES_BACK} brings it there" if missing else ""
        return f"{entry.id} is recorded {told}{late}"
