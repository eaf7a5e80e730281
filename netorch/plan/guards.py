"""Refuses plans that are too dangerous to be carried out unless the operator says so.

Every guard is a pure function of the intent, the facts and the plan. It looks at what the candidate's text says, whatever
template wrote it, and at the sessions that are Established now.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from netorch.errors import GuardRefused
from netorch.model.checks import is_up
from netorch.model.facts import DeviceFacts
from netorch.model.intent import DeviceIntent, Intent
from netorch.model.inventory import Circuit
from netorch.model.items import FileItem
from netorch.model.plan import DevicePlan, Plan
from netorch.model.policy import Guards
from netorch.plan.bgp_text import BgpText, TextSession
from netorch.plan.daemons import configuration_text, language_of

_FAMILY_NAMES = {"ipv4": "IPv4", "ipv6": "IPv6"}
_SHOWN = 4


@dataclass(frozen=True)
class Allowances:
    """What the operator allows: guards by name that do not count, how many sessions or prefixes a POP may lose at once, and
    how many Established sessions may restart in it (None: as many as the plan says)."""

    guards: frozenset[str] = frozenset()
    removals: int = 0
    resets: Optional[int] = 0


NOTHING_ALLOWED = Allowances()


@dataclass(frozen=True)
class Refusal:
    """Why a plan is refused: the guard's name, the device or POP that it is about, what was found, and how to override it."""

    guard: str
    where: str
    pop: str
    finding: str
    hint: str

    def error(self) -> GuardRefused:
        """The refusal as an error."""
        return GuardRefused(f"refused ({self.guard}): {self.finding}", where=self.where, hint=self.hint)


@dataclass(frozen=True)
class _Change:
    """One device's configuration before and after; ``closed`` are the sessions that the plan takes down for good."""

    device: DeviceIntent
    plan: DevicePlan
    facts: Optional[DeviceFacts]
    before: BgpText
    after: Optional[BgpText]
    closed: frozenset[str]

    def is_up(self, session: str) -> bool:
        protocol = self.facts.protocol(session) if self.facts is not None else None
        return is_up(protocol)


@dataclass(frozen=True)
class _Pop:
    """What a plan does to one POP: every device of it, planned or not. ``circuits`` are those of the inventory."""

    name: str
    changes: Tuple[_Change, ...]
    circuits: Tuple[Circuit, ...]
    limits: Guards
    allowed: Allowances

    @property
    def switches(self) -> Tuple[_Change, ...]:
        return tuple(change for change in self.changes if change.device.role == "switch")

    def limit(self, total: int) -> int:
        """How many of ``total`` may be removed at once."""
        return max(int(total * self.limits.removals_percent / 100), self.allowed.removals)

    def refuse(self, guard: str, finding: str, hint: str, *, where: str = "") -> Refusal:
        return Refusal(guard, where or self.name, self.name, finding, hint)


def find_refusals(
    intent: Intent,
    facts: Mapping[str, DeviceFacts],
    plan: Plan,
    *,
    limits: Guards,
    allowed: Allowances = NOTHING_ALLOWED,
) -> Tuple[Refusal, ...]:
    """Everything in ``plan`` that goes beyond ``limits`` and ``allowed``, POP by POP; () when it may be carried out.

    ``facts`` are those of the planned devices and of every switch of their POPs; a switch that is missing counts as down.
    """
    plans = {device.device: device for device in plan.devices if not device.is_empty}
    found: List[Refusal] = []
    for name in dict.fromkeys(device.pop for device in intent.devices if device.name in plans):
        devices = intent.in_pop(name)
        changes = tuple(_change(intent, device, plans.get(device.name), facts.get(device.name)) for device in devices)
        switches = {device.name for device in devices}
        circuits = tuple(circuit for circuit in intent.circuits if circuit.switch in switches)
        pop = _Pop(name, changes, circuits, limits, allowed)
        for guard, check in _GUARDS.items():
            if guard not in allowed.guards:
                found += check(pop)
    return tuple(found)


def relaxed(plan: Plan, allowed: Allowances) -> Plan:
    """``plan`` whose checks do not ask on the device for what the operator allows to go."""
    devices = []
    for device in plan.devices:
        check = device.check
        if "no-export" in allowed.guards:
            check = replace(check, announce=())
        if "unfiltered" in allowed.guards:
            check = replace(check, announce_most=())
        devices.append(replace(device, check=check))
    return replace(plan, devices=tuple(devices))


def _change(intent: Intent, device: DeviceIntent, plan: Optional[DevicePlan], facts: Optional[DeviceFacts]) -> _Change:
    plan = plan or DevicePlan(device.name, "", 0)
    files = [
        (operation.before, operation.item)
        for operation in plan.operations
        if isinstance(operation.item, FileItem) and operation.item.daemon and operation.action != "remove"
    ]
    read_bgp = language_of(device.daemon).read_bgp
    before, after = "", None
    if files:
        old, new = files[0]
        before = old.text if isinstance(old, FileItem) else ""
        after = read_bgp(new.text, own_asn=intent.asn)
    elif facts is not None:
        before = configuration_text(facts, device.daemon)
    closed = frozenset(reset.session for reset in plan.resets if reset.effect == "close")
    return _Change(device, plan, facts, read_bgp(before, own_asn=intent.asn), after, closed)


def _last(pop: _Pop) -> Iterator[Refusal]:
    """The last provider session of a family, or the last switch that any host has a session with."""
    hint = "bring another one up first, or --allow-last"
    up: Dict[str, Set[bool]] = {}
    for change in pop.switches:
        for session in _provider_sessions(change):
            if change.is_up(session.name):
                for family in session.families:
                    up.setdefault(family, set()).add(session.name not in change.closed)
    for family in sorted(family for family, stays in up.items() if stays == {False}):
        finding = f"the plan closes every provider session for {_FAMILY_NAMES[family]}"
        yield pop.refuse("last", finding, hint)
    stays = {
        name not in change.closed
        for change in pop.switches
        for name in (*change.before.sessions, *(s.name for s in change.device.sessions))
        if change.is_up(name) and not _is_external(change, name)
    }
    if stays == {False}:
        yield pop.refuse("last", "the plan leaves no switch that hosts have a session with", hint)


def _provider_sessions(change: _Change) -> Tuple[TextSession, ...]:
    """Sessions with providers that the device has or is meant to have."""
    meant = {
        session.name: TextSession(session.name, True, False, (session.family.value,), (), (), ())
        for session in change.device.sessions
        if session.kind == "provider"
    }
    return tuple({**meant, **{session.name: session for session in change.before.external}}.values())


def _is_external(change: _Change, name: str) -> bool:
    return any(session.name == name for session in _provider_sessions(change))


def _removals(pop: _Pop) -> Iterator[Refusal]:
    """Too many provider sessions that vanish from the configuration, or own prefixes that are announced no more."""
    before = [(change, session) for change in pop.switches for session in change.before.external]
    gone = [s.name for change, s in before if change.after is not None and s.name not in change.after.sessions]
    limit = pop.limit(len(before))
    if len(gone) > limit:
        finding = f"the plan removes {len(gone)} of {len(before)} provider sessions (limit {limit})"
        yield pop.refuse("removals", finding, f"drain them and remove a few at a time, or --allow-removals {len(gone)}")
    held = {(family, prefix) for c in pop.switches for family, found in c.before.announced.items() for prefix in found}
    kept = {
        (family, prefix)
        for c in pop.switches
        for family, found in (c.before if c.after is None else c.after).announced.items()
        for prefix in found
    }
    lost = sorted(prefix for _, prefix in held - kept)
    limit = pop.limit(len(held))
    if len(lost) > limit:
        finding = f"the plan stops announcing {len(lost)} of {len(held)} own prefixes (limit {limit}): {_listed(lost)}"
        yield pop.refuse("removals", finding, f"remove a few at a time, or --allow-removals {len(lost)}")


def _empty(pop: _Pop) -> Iterator[Refusal]:
    """A device that loses every session that it has."""
    for change in pop.changes:
        names = {*change.before.sessions, *(session.name for session in change.device.sessions)}
        up = {name for name in names if change.is_up(name)}
        if up and up <= change.closed:
            finding = f"the plan closes all of its {len(up)} Established sessions"
            hint = "is the inventory complete? if it is meant: --allow-empty"
            yield pop.refuse("empty", finding, hint, where=change.device.name)


def _unfiltered(pop: _Pop) -> Iterator[Refusal]:
    """A session with a provider that would accept whatever it is sent, or announce whatever there is."""
    for change in pop.changes:
        external = change.after.external if change.after is not None else ()
        for direction, names in (
            ("import", [session.name for session in external if session.unfiltered]),
            ("export", [session.name for session in external if session.leaky]),
        ):
            if names:
                finding = f"the new configuration has no {direction} filter for {_listed(names)}"
                hint = "give the session a filter (is a template overridden?), or --allow-unfiltered"
                yield pop.refuse("unfiltered", finding, hint, where=change.device.name)


def _no_export(pop: _Pop) -> Iterator[Refusal]:
    """Own prefixes that would be announced to nobody any more, or sessions that would announce nothing."""
    hint = "--allow-no-export"
    for family in _FAMILY_NAMES:
        before = {p for c in pop.switches for p in c.before.announced.get(family, ())}
        after = {p for c in pop.switches for p in (c.before if c.after is None else c.after).announced.get(family, ())}
        if before and not after:
            finding = f"the plan leaves no {_FAMILY_NAMES[family]} prefix to announce, {_listed(sorted(before))} before"
            yield pop.refuse("no-export", finding, f"is the POP's prefixes list complete? if it is meant: {hint}")
    for change in pop.switches:
        now = {s.name for s in change.before.external if not s.mute}
        after_text = change.after.external if change.after is not None else ()
        mute = [s.name for s in after_text if s.mute and s.name in now]
        if mute:
            finding = f"the new configuration announces nothing to {_listed(mute)}"
            yield pop.refuse("no-export", finding, f"drain it instead, or {hint}", where=change.device.name)


def _resets(pop: _Pop) -> Iterator[Refusal]:
    """Established provider sessions that the plan restarts without having been asked to."""
    if pop.allowed.resets is None:
        return
    restarted = [
        (change.device.name, reset.session)
        for change in pop.switches
        for reset in change.plan.resets
        if reset.effect == "restart" and change.is_up(reset.session) and _is_external(change, reset.session)
    ]
    if len(restarted) > pop.allowed.resets:
        names = _listed([f"{session} on {device}" for device, session in restarted])
        finding = f"the plan restarts {len(restarted)} Established provider sessions"
        finding += f" (limit {pop.allowed.resets}): {names}"
        hint = f"drain them first, answer the question yourself instead of --yes, or --allow-resets {len(restarted)}"
        yield pop.refuse("resets", finding, hint)


def _capacity(pop: _Pop) -> Iterator[Refusal]:
    """Circuits that the plan takes out of service while the others have too little capacity."""
    in_service: Dict[int, bool] = {}
    for change in pop.switches:
        for session in change.device.sessions:
            if session.circuit is not None and change.is_up(session.name):
                stays = session.name not in change.closed
                in_service[session.circuit] = in_service.get(session.circuit, False) or stays
    total = sum(circuit.capacity_bps for circuit in pop.circuits)
    left = sum(circuit.capacity_bps for circuit in pop.circuits if in_service.get(circuit.id))
    lost = [circuit.name for circuit in pop.circuits if in_service.get(circuit.id) is False]
    stays = any(in_service.values())  # nothing at all is a matter of the guard for the last one
    if lost and stays and total and 100.0 * left / total < pop.limits.capacity_percent:
        finding = f"without {_listed(lost)} {100.0 * left / total:.0f} % of the circuits' capacity are left"
        finding += f" (limit {pop.limits.capacity_percent:g} %)"
        yield pop.refuse("capacity", finding, "bring other circuits back first, or --allow-capacity")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


_GUARDS: Mapping[str, Callable[[_Pop], Iterator[Refusal]]] = {
    "last": _last,
    "empty": _empty,
    "removals": _removals,
    "capacity": _capacity,
    "unfiltered": _unfiltered,
    "no-export": _no_export,
    "resets": _resets,
}

GUARDS = tuple(_GUARDS)
"""The names of the guards."""
