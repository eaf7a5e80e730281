"""What can be drained, and what a drain covers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from netorch.api import (
    Circuit,
    DeviceIntent,
    Intent,
    Inventory,
    Overlay,
    OverlayEntry,
    Session,
    UsageError,
    did_you_mean,
)

KINDS = ("provider", "circuit", "switch")
GRACEFUL = "graceful"
CLOSED = "closed"


@dataclass(frozen=True)
class Scope:
    """One drain: a provider, circuit or switch (by its full name) in one POP."""

    kind: str
    name: str
    pop: str

    @property
    def entry_id(self) -> str:
        """The overlay entry that holds this drain."""
        return f"drain/{self.kind}/{self.name}@{self.pop}"

    def __str__(self) -> str:
        return f"{self.kind} {self.name} in {self.pop}"

    def circuits(self, circuits: Iterable[Circuit]) -> Tuple[Circuit, ...]:
        """Those of one POP's ``circuits`` that this drain covers."""
        return tuple(
            circuit
            for circuit in circuits
            if self.name == {"provider": circuit.provider, "circuit": circuit.name, "switch": circuit.switch}[self.kind]
        )

    def covers(self, device: DeviceIntent, session: Session, names: Mapping[int, str]) -> bool:
        """Whether ``session`` is one that this drain closes; ``names`` are the circuits' by id."""
        if session.kind != "provider" or device.pop != self.pop:
            return False
        if self.kind == "provider":
            return session.peer == self.name
        if self.kind == "switch":
            return device.name == self.name
        return session.circuit is not None and names.get(session.circuit) == self.name


@dataclass(frozen=True)
class Line:
    """A provider session and the switch that holds it."""

    device: DeviceIntent
    session: Session


def provider_lines(intent: Intent, pop: str) -> Tuple[Line, ...]:
    """Every provider session of ``pop``."""
    return tuple(
        Line(device, session)
        for device in intent.in_pop(pop, "switch")
        for session in device.sessions
        if session.kind == "provider"
    )


def covered(scopes: Iterable[Scope], intent: Intent) -> Tuple[Line, ...]:
    """The provider sessions that any of ``scopes`` covers, each once."""
    scopes = tuple(scopes)
    names = circuit_names(intent)
    return tuple(
        line
        for pop in dict.fromkeys(scope.pop for scope in scopes)
        for line in provider_lines(intent, pop)
        if any(scope.covers(line.device, line.session, names) for scope in scopes)
    )


def circuit_names(intent: Intent) -> Dict[int, str]:
    """The circuits' names by id."""
    return {circuit.id: circuit.name for circuit in intent.circuits}


def scope_of(entry: OverlayEntry) -> Optional[Scope]:
    """The scope that an overlay entry is about; None for data that this version does not understand."""
    kind, name, pop = (entry.data.get(key) for key in ("kind", "name", "pop"))
    if kind in KINDS and isinstance(name, str) and isinstance(pop, str):
        return Scope(str(kind), name, pop)
    return None


def drains(overlay: Overlay) -> Tuple[Tuple[OverlayEntry, Scope], ...]:
    """Every drain in force."""
    found = ((entry, scope_of(entry)) for entry in overlay.active("drain"))
    return tuple((entry, scope) for entry, scope in found if scope is not None)


def all_scopes(inventory: Inventory, kind: str) -> Tuple[Scope, ...]:
    """Everything of ``kind`` that can be drained, in the inventory's order."""
    found: List[Scope] = []
    for pop in inventory.pops:
        names = {
            "provider": [circuit.provider for circuit in pop.circuits],
            "circuit": [circuit.name for circuit in pop.circuits],
            "switch": [circuit.switch for circuit in pop.circuits],
        }[kind]
        found += [Scope(kind, name, pop.name) for name in dict.fromkeys(names)]
    return tuple(found)


def resolve(words: Sequence[str], pop: Optional[str], known: Sequence[Scope]) -> Tuple[Scope, ...]:
    """Those of ``known`` that ``[KIND] NAME`` and ``--pop`` mean. A switch may be named without its POP.

    Raises UsageError where they mean nothing, or things of several kinds.
    """
    kind, name = _split(words)
    here = [scope for scope in known if pop in (None, scope.pop) and kind in (None, scope.kind)]
    found = tuple(scope for scope in here if name in _names(scope))
    kinds = sorted({scope.kind for scope in found})
    if len(kinds) > 1:
        raise UsageError(
            f"{name!r} is a {' and a '.join(kinds)}", hint=f"say which: {kinds[0]} {name}, or {kinds[1]} {name}"
        )
    if not found:
        place = f" in {pop}" if pop else ""
        raise UsageError(f"no {kind or 'provider, circuit or switch'} {name!r}{place}", hint=_near(name, here))
    if kinds == ["switch"] and len({scope.name for scope in found}) > 1:
        names = ", ".join(scope.name for scope in found)
        raise UsageError(f"several switches are called {name!r}", hint=f"name one of {names}")
    return found


def _split(words: Sequence[str]) -> Tuple[Optional[str], str]:
    if len(words) == 1:
        return None, words[0]
    if len(words) == 2 and words[0] in KINDS:
        return words[0], words[1]
    if len(words) == 2:
        raise UsageError(f"{words[0]!r} is no kind that can be drained", hint=f"KIND is {', '.join(KINDS)}")
    raise UsageError(f"expected [KIND] NAME, found {' '.join(words)!r}", hint=f"KIND is {', '.join(KINDS)}")


def _names(scope: Scope) -> Tuple[str, ...]:
    short = scope.name[: -len(scope.pop) - 1] if scope.name.endswith(f".{scope.pop}") else scope.name
    return (scope.name, short) if scope.kind == "switch" else (scope.name,)


def _near(name: str, known: Iterable[Scope]) -> str:
    names = list(dict.fromkeys(scope.name for scope in known))
    return did_you_mean(name, names, otherwise="there are ") or "there is nothing of the kind"
