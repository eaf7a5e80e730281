"""When a drain is too dangerous: what would be left of the POP."""

from __future__ import annotations

from typing import Mapping, Sequence

from netorch.api import Facts, Family, GuardRefused, VerbContext

from .quiet import established
from .scope import Line, Scope, covered, drains, provider_lines

_FAMILY_NAMES = {Family.IPV4: "IPv4", Family.IPV6: "IPv6"}


def refuse_dangerous(
    scope: Scope, drained: Sequence[Line], *, context: VerbContext, facts: Facts, arguments: Mapping[str, object]
) -> None:
    """GuardRefused for what ``arguments`` do not allow."""
    if not arguments["allow_last"]:
        refuse_last(scope, drained, context=context, facts=facts)
    if not arguments["allow_capacity"]:
        refuse_capacity(scope, drained, context=context, facts=facts)


def refuse_last(scope: Scope, drained: Sequence[Line], *, context: VerbContext, facts: Facts) -> None:
    """GuardRefused when the POP would be left without an Established provider session that is not drained, or without
    one of a family that the drain takes away."""
    in_force = [scope for _, scope in drains(context.overlay)]
    gone = {(line.device.name, line.session.name) for line in (*drained, *covered(in_force, context.intent))}
    lines = provider_lines(context.intent, scope.pop)
    left = {
        line.session.family
        for line in lines
        if (line.device.name, line.session.name) not in gone and established(facts, line)
    }
    lost = {line.session.family for line in drained if line.device.pop == scope.pop and established(facts, line)} - left
    if not left or lost:
        families = " and ".join(_FAMILY_NAMES[family] for family in Family if family in (lost or set(Family)))
        raise GuardRefused(
            f"draining {scope.kind} {scope.name} leaves no other provider session Established for {families}",
            where=scope.pop,
            hint="bring another provider up first, or drain it all the same with --allow-last",
        )


def refuse_capacity(scope: Scope, drained: Sequence[Line], *, context: VerbContext, facts: Facts) -> None:
    """GuardRefused when too little of the POP's capacity would be left in service. Circuits without a capacity in the
    inventory count for nothing."""
    in_force = [scope for _, scope in drains(context.overlay)]
    gone = {(line.device.name, line.session.name) for line in (*drained, *covered(in_force, context.intent))}
    staying = {
        line.session.circuit
        for line in provider_lines(context.intent, scope.pop)
        if (line.device.name, line.session.name) not in gone and established(facts, line)
    }
    circuits = context.inventory.pop(scope.pop).circuits
    total = sum(circuit.capacity_bps for circuit in circuits)
    left = sum(circuit.capacity_bps for circuit in circuits if circuit.id in staying)
    limit = context.inventory.policy.guards.capacity_percent
    if total and staying and 100.0 * left / total < limit:  # nothing at all is a matter of the guard above
        raise GuardRefused(
            f"draining {scope.kind} {scope.name} leaves {100.0 * left / total:.0f} % of the circuits' capacity"
            f" (limit {limit:g} %)",
            where=scope.pop,
            hint="bring other circuits back first, or drain it all the same with --allow-capacity",
        )
