"""When a steer is too dangerous, or would do nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from netorch.api import (
    Circuit,
    DeviceIntent,
    Facts,
    GuardRefused,
    RoutesInside,
    Session,
    VerbContext,
    WrongSetting,
    circuit_traffic,
    family_of,
    rate_text,
)

from .entries import Steering

SETTINGS = ("max_load_percent",)
MAX_LOAD_PERCENT = 80.0
"""How much of the provider's capacity in a POP may be in use once the prefix leaves there."""

OK, DRAINED, DOWN, NO_ROUTE = "ok", "drained", "down", "no route"
"""The words of ``netorch ping`` and ``netorch explain``."""

Line = Tuple[DeviceIntent, Session]


def mistakes(settings: Mapping[str, Any]) -> Tuple[WrongSetting, ...]:
    """What is wrong with the plugin's own settings."""
    limit = settings.get("max_load_percent", MAX_LOAD_PERCENT)
    if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not 0 < limit <= 100:
        return (WrongSetting(("max_load_percent",), f"expected a number above 0 and up to 100, found {limit!r}"),)
    return ()


def lines_of(context: VerbContext, steering: Steering) -> List[Line]:
    """The provider's sessions of the prefix's family in the POP."""
    family = family_of(steering.prefix)
    return [
        (switch, session)
        for switch in context.intent.in_pop(steering.pop, "switch")
        for session in switch.sessions
        if session.kind == "provider" and session.peer == steering.provider and family in session.carried
    ]


def provider_state(lines: Sequence[Line], facts: Facts) -> Optional[str]:
    """``ok``, ``drained`` (every session is closed, or the last choice) or ``down`` (none that is not drained is Established);
    ``no route`` where the inventory has no session of it, None where a switch that could have one cannot be asked."""
    usable = [line for line in lines if not _is_drained(line[1])]
    if not usable:
        return DRAINED if lines else NO_ROUTE
    if any(_established(facts, line) for line in usable):
        return OK
    return DOWN if all(switch.name in facts for switch, _ in usable) else None


def _is_drained(session: Session) -> bool:
    policy = session.import_policy
    return not session.enabled or (policy is not None and policy.local_preference == 0)


def _established(facts: Facts, line: Line) -> bool:
    device = facts.get(line[0].name)
    protocol = device.protocol(line[1].name) if device is not None else None
    return protocol is not None and protocol.bgp_state == "Established"


def refuse_absent(
    context: VerbContext, steering: Steering, facts: Facts, *, inside: Mapping[str, RoutesInside]
) -> None:
    """GuardRefused for a provider that could not take the packets now. Where nobody knows, its routes on hosts tell."""
    override = "or --allow-absent: it will be in force once the provider has a route"
    state = provider_state(lines_of(context, steering), facts)
    if state not in (OK, None):
        raise GuardRefused(
            f"refused (absent): {steering.provider} is {state}: packets to {steering.prefix} would go on as they do now",
            where=steering.pop,
            hint=f"another --via, {override}",
        )
    if not any(found.by_provider.get(steering.provider) for found in inside.values()):
        others = sorted({name for found in inside.values() for name, count in found.by_provider.items() if count})
        known = f"{', '.join(others)} {'has' if len(others) == 1 else 'have'} some" if others else "nobody has one"
        raise GuardRefused(
            f"refused (absent): no host has a route of {steering.provider} to {steering.prefix} or inside it; {known}",
            where=steering.pop,
            hint=f"a wider prefix that it announces (netorch explain ADDRESS --from HOST), {override}",
        )


@dataclass(frozen=True)
class Load:
    """What the provider's circuits send now, in bits per second (None: not known), and their capacity (0: not known).
    ``fullest`` is the circuit that would be fullest if all that comes took it alone, ``fullest_percent`` how full."""

    now_bps: Optional[float]
    capacity_bps: int
    fullest: Optional[str]
    fullest_percent: Optional[float]


def load_of(context: VerbContext, steering: Steering, before: Facts, *, after: Facts, coming_bps: float) -> Load:
    """The load of the provider's circuits from ``before`` to ``after``, facts with ``links``; ``coming_bps`` will come."""
    lines = lines_of(context, steering)
    in_use = {s.circuit for device, s in lines if not _is_drained(s) and _established(after, (device, s))}
    in_use = in_use or {session.circuit for _, session in lines}  # what will come once it is back
    everything = context.inventory.pop(steering.pop).circuits
    circuits: List[Circuit] = [circuit for circuit in everything if circuit.id in in_use]
    capacity = sum(c.capacity_bps for c in circuits) if all(c.capacity_bps for c in circuits) else 0
    measured = [one for one in circuit_traffic(everything, before, after) if one.circuit.id in in_use]
    ports: Dict[Tuple[str, str], float] = {
        (one.circuit.switch, one.interface): one.rates.out_bps for one in measured if one.rates is not None
    }
    alone = {
        traffic.circuit.name: 100.0 * (traffic.rates.out_bps + coming_bps) / traffic.circuit.capacity_bps
        for traffic in measured
        if traffic.rates is not None and traffic.circuit.capacity_bps
    }
    fullest = max(alone, key=lambda name: alone[name]) if alone else None
    return Load(sum(ports.values()) if ports else None, capacity, fullest, alone[fullest] if fullest else None)


def refuse_overload(steering: Steering, load: Load, *, coming_bps: float, there_bps: float, percent: float) -> None:
    """GuardRefused when the provider's circuits would be fuller than ``percent`` with ``coming_bps``, all that goes to the
    prefix less ``there_bps``, which leaves by the provider already. Circuits without a capacity in the inventory have no limit
    that anybody knows."""
    after_bps = (load.now_bps or 0.0) + coming_bps
    if load.capacity_bps and after_bps > load.capacity_bps * percent / 100.0:
        there = f" ({rate_text(there_bps)} more go there already)" if there_bps else ""
        raise GuardRefused(
            f"refused (capacity): {steering.provider} sends {rate_text(load.now_bps or 0.0)} now; with the"
            f" {rate_text(coming_bps)} to {steering.prefix} that is {100.0 * after_bps / load.capacity_bps:.0f} % of"
            f" {rate_text(load.capacity_bps)} (limit {percent:g} %){there}{worst_case(load, percent)}",
            where=steering.pop,
            hint="a narrower prefix, another --via, or --allow-capacity",
        )


def worst_case(load: Load, percent: float) -> str:
    """What becomes of one circuit if hosts send all of it there, which depends on the provider's routes: they may prefer one of
    its circuits. "" while that is within ``percent`` as well."""
    if load.fullest is None or (load.fullest_percent or 0.0) <= percent:
        return ""
    return f"; should all of it take {load.fullest}, that circuit would be {load.fullest_percent:.0f} % full"
