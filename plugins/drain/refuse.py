"""When a drain is too dangerous: what would be left of the POP, and of its announcements."""

from __future__ import annotations

from typing import FrozenSet, Iterable, List, Mapping, Sequence, Set, Tuple

from netorch.api import DeviceIntent, Facts, Family, GuardRefused, IPNetwork, VerbContext, family_of

from .quiet import established
from .scope import HOST, POP, SWITCH, Line, Scope, covered, drains, host_lines, provider_lines

_FAMILY_NAMES = {Family.IPV4: "IPv4", Family.IPV6: "IPv6"}
_LAST = "drain it all the same with --allow-last"


def refuse_dangerous(
    scope: Scope, drained: Sequence[Line], *, context: VerbContext, facts: Facts, arguments: Mapping[str, object]
) -> None:
    """GuardRefused for what ``arguments`` do not allow."""
    if not arguments["allow_last"]:
        refuse_last_of_all(scope, drained, context=context, facts=facts)
    if not arguments["allow_capacity"] and scope.kind != HOST:
        refuse_capacity(scope, drained, context=context, facts=facts)


def refuse_last_of_all(scope: Scope, drained: Sequence[Line], *, context: VerbContext, facts: Facts) -> None:
    """GuardRefused for what is the last that does what it does."""
    if scope.kind == HOST:
        refuse_last_originator(scope, context=context, facts=facts)
    elif scope.kind == POP:
        refuse_last_pop(scope, context=context, facts=facts)
    else:
        refuse_last(scope, drained, context=context, facts=facts)
    if scope.kind == SWITCH:
        refuse_last_uplink(scope, context=context, facts=facts)


def refuse_last(scope: Scope, drained: Sequence[Line], *, context: VerbContext, facts: Facts) -> None:
    """GuardRefused when the POP would be left without an Established provider session that is not drained, or without
    one of a family that the drain takes away, or with a prefix that is withheld from all who stay. A switch without circuits
    takes nothing away."""
    if not drained:
        return
    staying = staying_lines(drained, (scope.pop,), context=context, facts=facts)
    left = {line.session.family for line in staying}
    going = [line for line in drained if line.device.pop == scope.pop and established(facts, line)]
    lost = {line.session.family for line in going} - left
    if not left or lost:
        families = " and ".join(_FAMILY_NAMES[family] for family in Family if family in (lost or set(Family)))
        raise GuardRefused(
            f"draining {scope.title} leaves no other provider session Established for {families}",
            where=scope.pop,
            hint=f"{_beside(scope, context)}bring another provider up first, or {_LAST}",
        )
    heard = {prefix for line in staying for prefix in _heard(line)}
    unheard = {prefix for line in going for prefix in _heard(line) if not _is_within(prefix, heard)}
    if unheard:
        raise GuardRefused(
            f"draining {scope.title} leaves no provider in {scope.pop} that hears {_listed(sorted(unheard, key=_order))}: from"
            " the others it is withheld",
            where=scope.pop,
            hint=f"announce it to another provider first (netorch announcements), or {_LAST}",
        )


def refuse_last_uplink(scope: Scope, *, context: VerbContext, facts: Facts) -> None:
    """GuardRefused when a host would be left without a session with a switch that is not drained."""
    drained = {scope.name, *_drained(context, SWITCH)}
    lines = host_lines(context.intent, scope.pop)
    here = {line.session.peer for line in lines if line.device.name == scope.name and established(facts, line)}
    left = {line.session.peer for line in lines if line.device.name not in drained and established(facts, line)}
    alone = sorted(here - left)
    if alone:
        raise GuardRefused(
            f"draining {scope.title} leaves {', '.join(alone)} without a session with another switch",
            where=scope.pop,
            hint=f"{_beside(scope, context)}bring another switch up first, or {_LAST}",
        )


def refuse_last_originator(scope: Scope, *, context: VerbContext, facts: Facts) -> None:
    """GuardRefused when nobody in the POP would originate one of the host's prefixes."""
    host = context.intent.device(scope.name)
    others = _originated(context, facts, scope.pop, but=frozenset({scope.name}))
    lost = [prefix for prefix in host.originated if prefix not in others]
    if lost:
        raise GuardRefused(
            f"draining {scope.title} leaves nobody in {scope.pop} to originate {_listed(lost)}: it would be announced no more",
            where=scope.pop,
            hint=f"{_beside(scope, context)}bring another originator up first, or {_LAST}",
        )


def refuse_last_pop(scope: Scope, *, context: VerbContext, facts: Facts) -> None:
    """GuardRefused when no other POP announces one of the POP's prefixes to a provider."""
    announced = {prefix for device in context.intent.in_pop(scope.pop, "switch") for prefix in device.originated}
    others = {prefix for pop in announcing_pops(scope, context) for prefix in _announced(pop, context, facts)}
    lost = sorted(announced - others, key=_order)
    if lost:
        raise GuardRefused(
            f"{scope.pop} is the last POP that announces {_listed(lost)}: draining it takes that off the Internet",
            where=scope.pop,
            hint=f"{_beside(scope, context)}{_LAST}",
        )


def refuse_capacity(scope: Scope, drained: Sequence[Line], *, context: VerbContext, facts: Facts) -> None:
    """GuardRefused when too little of the capacity would be left in service: of the POP, or of all POPs that announce the same
    where a whole POP is drained. Circuits without a capacity in the inventory count for nothing."""
    pops = affected_pops(scope, context)
    staying = {line.session.circuit for line in staying_lines(drained, pops, context=context, facts=facts)}
    circuits = [circuit for pop in pops for circuit in context.inventory.pop(pop).circuits]
    total = sum(circuit.capacity_bps for circuit in circuits)
    left = sum(circuit.capacity_bps for circuit in circuits if circuit.id in staying)
    limit = context.inventory.policy.guards.capacity_percent
    if drained and total and staying and 100.0 * left / total < limit:  # nothing at all is a matter of the guards above
        raise GuardRefused(
            f"draining {scope.title} leaves {100.0 * left / total:.0f} % of the circuits' capacity (limit {limit:g} %)",
            where=scope.pop,
            hint=f"{_beside(scope, context)}bring other circuits back first, or drain it all the same with --allow-capacity",
        )


def affected_pops(scope: Scope, context: VerbContext) -> Tuple[str, ...]:
    """The POPs whose circuits take the traffic: the drain's own, and those that announce the same where all of it is drained."""
    return (scope.pop, *(announcing_pops(scope, context) if scope.kind == POP else ()))


def announcing_pops(scope: Scope, context: VerbContext) -> Tuple[str, ...]:
    """Other POPs, not drained themselves, with prefixes that ``scope``'s POP announces as well."""
    mine = {prefix for device in context.intent.in_pop(scope.pop, "switch") for prefix in device.originated}
    drained = _drained(context, POP)
    names = dict.fromkeys(device.pop for device in context.intent.devices)
    return tuple(
        name
        for name in names
        if name != scope.pop
        and name not in drained
        and any(mine & set(device.originated) for device in context.intent.in_pop(name, "switch"))
    )


def staying_lines(
    drained: Sequence[Line], pops: Iterable[str], *, context: VerbContext, facts: Facts
) -> Tuple[Line, ...]:
    """The provider sessions of ``pops`` that are Established and neither ``drained`` nor in a drain in force."""
    in_force = [scope for _, scope in drains(context.overlay)]
    gone = {(line.device.name, line.session.name) for line in (*drained, *covered(in_force, context.intent))}
    return tuple(
        line
        for pop in pops
        for line in provider_lines(context.intent, pop)
        if (line.device.name, line.session.name) not in gone and established(facts, line)
    )


def _heard(line: Line) -> Set[IPNetwork]:
    """What the session's neighbour is to hear of our prefixes; nothing where they are all withheld from it."""
    policy = line.session.export_policy
    mine = (prefix for prefix in line.device.originated if family_of(prefix) is line.session.family)
    return {prefix for prefix in mine if policy is None or not policy.of_prefix(prefix).withheld}


def _announced(pop: str, context: VerbContext, facts: Facts) -> Set[IPNetwork]:
    """What ``pop`` announces to some provider, as far as its switches tell."""
    heard = {prefix for line in staying_lines((), (pop,), context=context, facts=facts) for prefix in _heard(line)}
    return heard & _originated(context, facts, pop, but=frozenset())


def _originated(context: VerbContext, facts: Facts, pop: str, *, but: FrozenSet[str]) -> Set[IPNetwork]:
    """The prefixes that hosts of ``pop`` originate which a switch has a session with and no drain silences."""
    silent = {*but, *_drained(context, HOST)}
    present = {line.session.peer for line in host_lines(context.intent, pop) if established(facts, line)}
    hosts: List[DeviceIntent] = [host for host in context.intent.in_pop(pop, "host") if host.name in present - silent]
    return {prefix for host in hosts for prefix in host.originated}


def _beside(scope: Scope, context: VerbContext) -> str:
    """What else is drained now, and by whom: it may have begun a moment ago."""
    others = [f"{one} by {entry.author}" for entry, one in drains(context.overlay) if one != scope]
    return f"drained already: {', '.join(others)}; " if others else ""


def _drained(context: VerbContext, kind: str) -> Set[str]:
    """What of ``kind`` is drained, also where that is not done to its end yet."""
    return {scope.name for _, scope in drains(context.overlay) if scope.kind == kind}


def _is_within(prefix: IPNetwork, others: Iterable[IPNetwork]) -> bool:
    """Whether who hears ``others`` can reach all of ``prefix``."""
    return any(
        one.version == prefix.version and one.prefixlen <= prefix.prefixlen and prefix.overlaps(one) for one in others
    )


def _order(prefix: IPNetwork) -> Tuple[int, int, int]:
    return prefix.version, int(prefix.network_address), prefix.prefixlen


def _listed(prefixes: Iterable[IPNetwork]) -> str:
    return ", ".join(map(str, prefixes))
