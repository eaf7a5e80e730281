"""What can be drained, and what a drain covers."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from netorch.api import (
    Circuit,
    DeviceIntent,
    Intent,
    Inventory,
    Overlay,
    OverlayEntry,
    Pop,
    Session,
    UsageError,
    VerbContext,
    did_you_mean,
    merge_overlays,
)

PROVIDER, CIRCUIT, SWITCH, HOST, POP = KINDS = ("provider", "circuit", "switch", "host", "pop")
GRACEFUL = "graceful"
CLOSED = "closed"

JUDGED = frozenset({"last", "capacity", "empty"})
"""Guards of a deploy that a drain has answered by its own before it begins."""

_ANY_KIND = f"{', '.join(KINDS[:-1])} or {KINDS[-1]}"


@dataclass(frozen=True)
class Scope:
    """One drain: a provider, circuit, switch or host (by its full name) in one POP, or all of the POP."""

    kind: str
    name: str
    pop: str

    @property
    def entry_id(self) -> str:
        """The overlay entry that holds this drain."""
        return f"drain/{self.kind}/{self.name}@{self.pop}"

    @property
    def title(self) -> str:
        """``provider northtel``."""
        return f"{self.kind} {self.name}"

    def __str__(self) -> str:
        return self.title if self.kind == POP else f"{self.title} in {self.pop}"

    def circuits(self, circuits: Iterable[Circuit]) -> Tuple[Circuit, ...]:
        """Those of one POP's ``circuits`` that this drain covers."""
        return tuple(
            circuit
            for circuit in circuits
            if self.kind == POP
            or self.name
            == {PROVIDER: circuit.provider, CIRCUIT: circuit.name, SWITCH: circuit.switch}.get(self.kind, "")
        )

    def covers(self, device: DeviceIntent, session: Session, names: Mapping[int, str]) -> bool:
        """Whether ``session`` is one with a provider that this drain closes; ``names`` are the circuits' by id."""
        if session.kind != "provider" or device.pop != self.pop or self.kind == HOST:
            return False
        if self.kind == POP:
            return True
        if self.kind == PROVIDER:
            return session.peer == self.name
        if self.kind == SWITCH:
            return device.name == self.name
        return session.circuit is not None and names.get(session.circuit) == self.name


@dataclass(frozen=True)
class Line:
    """A session and the switch that holds it."""

    device: DeviceIntent
    session: Session


def provider_lines(intent: Intent, pop: str) -> Tuple[Line, ...]:
    """Every provider session of ``pop``."""
    return _lines(intent, pop, kind="provider")


def host_lines(intent: Intent, pop: str) -> Tuple[Line, ...]:
    """Every session that switches of ``pop`` have with hosts."""
    return _lines(intent, pop, kind="host")


def _lines(intent: Intent, pop: str, *, kind: str) -> Tuple[Line, ...]:
    return tuple(
        Line(device, session)
        for device in intent.in_pop(pop, "switch")
        for session in device.sessions
        if session.kind == kind
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


def concerned(scopes: Iterable[Scope], intent: Intent) -> Tuple[Line, ...]:
    """The same, and the sessions with hosts that are drained: what has to be seen."""
    scopes = tuple(scopes)
    hosts = {scope.name for scope in scopes if scope.kind == HOST}
    pops = dict.fromkeys(scope.pop for scope in scopes if scope.kind == HOST)
    with_hosts = (line for pop in pops for line in host_lines(intent, pop) if line.session.peer in hosts)
    return (*covered(scopes, intent), *with_hosts)


def keepers(scopes: Iterable[Scope], intent: Intent) -> Tuple[str, ...]:
    """The devices that a drain of ``scopes`` changes: the switches of their POPs, which keep it, and hosts that are drained."""
    scopes = tuple(scopes)
    pops = dict.fromkeys(scope.pop for scope in scopes)
    switches = (switch.name for pop in pops for switch in intent.in_pop(pop, "switch"))
    known = {device.name for device in intent.devices}
    return (*switches, *(scope.name for scope in scopes if scope.kind == HOST and scope.name in known))


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


def as_held(context: VerbContext) -> Overlay:
    """The overlay as devices have it, what is past its time too: it is in force until a deploy has ended it."""
    return merge_overlays(context.held.values()) if context.held else context.overlay


def holdouts(context: VerbContext) -> Dict[Scope, Dict[str, OverlayEntry]]:
    """The drains of which a device has an older version than others, by scope and device: there they are as that version says,
    ended or not elsewhere."""
    newest = as_held(context)
    found: Dict[Scope, Dict[str, OverlayEntry]] = {}
    for device, entries in context.held.items():
        for entry, scope in drains(Overlay(tuple(entries))):
            known = newest.find(entry.id)
            if known is not None and known.version > entry.version:
                found.setdefault(scope, {})[device] = entry
    return found


def all_scopes(inventory: Inventory, kind: str) -> Tuple[Scope, ...]:
    """Everything of ``kind`` that can be drained, in the inventory's order."""
    found: List[Scope] = []
    for pop in inventory.pops:
        found += [Scope(kind, name, pop.name) for name in dict.fromkeys(_names_of(kind, pop))]
    return tuple(found)


def _names_of(kind: str, pop: Pop) -> Tuple[str, ...]:
    if kind == SWITCH:
        return tuple(switch.name for switch in pop.switches)
    if kind == HOST:
        return tuple(host.name for host in pop.hosts)
    if kind == POP:
        return (pop.name,) if pop.circuits else ()
    return tuple(circuit.provider if kind == PROVIDER else circuit.name for circuit in pop.circuits)


def resolve(words: Sequence[str], pop: Optional[str], known: Sequence[Scope]) -> Tuple[Scope, ...]:
    """Those of ``known`` that ``[KIND] NAME`` and ``--pop`` mean. Switches and hosts may be named without their POP.

    Raises UsageError where they mean nothing, or things of several kinds.
    """
    kind, name = _split(words)
    pops = list(dict.fromkeys(scope.pop for scope in known))
    if pop is not None and pop not in pops:
        raise UsageError(f"no POP {pop!r}", hint=did_you_mean(pop, pops, otherwise="POPs are "))
    here = [scope for scope in known if pop in (None, scope.pop) and kind in (None, scope.kind)]
    found = tuple(scope for scope in here if name in _names(scope))
    kinds = sorted({scope.kind for scope in found})
    if len(kinds) > 1:
        raise UsageError(
            f"{name!r} is a {' and a '.join(kinds)}", hint=f"say which: {kinds[0]} {name}, or {kinds[1]} {name}"
        )
    if not found:
        place = f" in {pop}" if pop else ""
        raise UsageError(f"no {kind or _ANY_KIND} {name!r}{place}", hint=_near(name, here))
    if kinds[0] in (SWITCH, HOST) and len({scope.name for scope in found}) > 1:
        names = ", ".join(scope.name for scope in found)
        plural = {SWITCH: "switches", HOST: "hosts"}[kinds[0]]
        raise UsageError(f"several {plural} are called {name!r}", hint=f"name one of {names}")
    return found


def typed(verb: str, words: Sequence[str], pop: Optional[str]) -> str:
    """A command about ``words``, as it is typed."""
    return " ".join(("netorch", verb, *map(quote, words), *(("--pop", quote(pop)) if pop else ())))


def _split(words: Sequence[str]) -> Tuple[Optional[str], str]:
    if len(words) == 1:
        return None, words[0]
    if len(words) == 2 and words[0] in KINDS:
        return words[0], words[1]
    if len(words) == 2:
        raise UsageError(f"{words[0]!r} is no kind that can be drained", hint=f"KIND is {_ANY_KIND}")
    raise UsageError(f"expected [KIND] NAME, found {' '.join(words)!r}", hint=f"KIND is {_ANY_KIND}")


def _names(scope: Scope) -> Tuple[str, ...]:
    short = scope.name[: -len(scope.pop) - 1] if scope.name.endswith(f".{scope.pop}") else scope.name
    return (scope.name, short) if scope.kind in (SWITCH, HOST) else (scope.name,)


def _near(name: str, known: Iterable[Scope]) -> str:
    names = list(dict.fromkeys(scope.name for scope in known))
    return did_you_mean(name, names, otherwise="there are ") or "there is nothing of the kind"
