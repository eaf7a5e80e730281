"""When a steer is too dangerous, or would do nothing."""

from __future__ import annotations

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


def provider_state(lines: Sequence[Line], facts: Facts) -> str:
    """``ok``, ``drained`` (every session is closed, or the last choice) or ``down`` (none that is not drained is Established)."""
    usable = [line for line in lines if not _is_drained(line[1])]
    if not usable:
        return DRAINED
    return OK if any(_established(facts, line) for line in usable) else DOWN


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
    """GuardRefused for a provider that could not take the packets now."""
    override = "or --allow-absent: it will be in force once the provider has a route"
    state = provider_state(lines_of(context, steering), facts)
    if state != OK:
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


def refuse_overload(
    context: VerbContext, steering: Steering, before: Facts, *, after: Facts, moved_bps: float, percent: float
) -> Tuple[Optional[float], int]:
    """What the provider's circuits sent from ``before`` to ``after``, facts with ``links``, in bits per second (None: not known),
    and their capacity (0: not known).

    GuardRefused when, with all that goes to the prefix, they would be fuller than ``percent``. Circuits without a capacity in
    the inventory have no limit that anybody knows.
    """
    in_use = {
        s.circuit
        for device, s in lines_of(context, steering)
        if not _is_drained(s) and _established(after, (device, s))
    }
    everything = context.inventory.pop(steering.pop).circuits
    circuits: List[Circuit] = [circuit for circuit in everything if circuit.id in in_use]
    capacity = sum(c.capacity_bps for c in circuits) if all(c.capacity_bps for c in circuits) else 0
    ports: Dict[Tuple[str, str], float] = {}
    for traffic in circuit_traffic(everything, before, after):
        if traffic.circuit.id in in_use and traffic.rates is not None:
            ports[traffic.circuit.switch, traffic.interface] = traffic.rates.out_bps
    now_bps = sum(ports.values()) if ports else None
    after_bps = (now_bps or 0.0) + moved_bps
    if capacity and after_bps > capacity * percent / 100.0:
        raise GuardRefused(
            f"refused (capacity): {steering.provider} sends {rate_text(now_bps or 0.0)} now; with the {rate_text(moved_bps)} to"
            f" {steering.prefix} that is {100.0 * after_bps / capacity:.0f} % of {rate_text(capacity)} (limit {percent:g} %)",
            where=steering.pop,
            hint="a narrower prefix, another --via, or --allow-capacity",
        )
    return now_bps, capacity
