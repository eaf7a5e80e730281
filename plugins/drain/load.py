"""Whether what stays in service can carry what is carried now."""

from __future__ import annotations

from typing import Dict, List, Sequence, Tuple

from netorch.api import Circuit, CircuitTraffic, GuardRefused, VerbContext, circuit_traffic, newest, rate_text

from .quiet import History
from .refuse import affected_pops, staying_lines
from .scope import HOST, Line, Scope

LOAD_PERCENT = 90.0
"""How much of what stays in service may be in use once the rest is drained."""


def refuse_overload(
    scope: Scope, drained: Sequence[Line], *, context: VerbContext, history: History, percent: float
) -> None:
    """GuardRefused when the circuits that stay in service have less than the measured traffic needs, in either direction.

    ``history`` begins and ends with facts that have ``links`` and ``protocols``. Where a circuit that stays has no capacity in
    the inventory, or the traffic could not be measured, nobody can tell, and nothing is refused.
    """
    if scope.kind == HOST or not drained:
        return
    pops = affected_pops(scope, context)
    circuits = [circuit for pop in pops for circuit in context.inventory.pop(pop).circuits]
    facts = newest(history)
    staying = {line.session.circuit for line in staying_lines(drained, pops, context=context, facts=facts)}
    left = _capacity([circuit for circuit in circuits if circuit.id in staying])
    if not left:
        return
    traffic = circuit_traffic(circuits, history[0][1], facts)
    for direction, rate_bps in zip(("in", "out"), _carried(traffic)):
        if rate_bps > left * percent / 100.0:
            raise GuardRefused(
                f"draining {scope.title} leaves {rate_text(left)} for the {rate_text(rate_bps)} that go {direction} now"
                f" (limit {percent:g} % of what is left)",
                where=", ".join(pops),
                hint="wait until there is less traffic, or drain it all the same with --allow-capacity",
            )


def _capacity(circuits: Sequence[Circuit]) -> int:
    """In bits per second; 0 where one of them has none in the inventory."""
    capacities = [circuit.capacity_bps for circuit in circuits]
    return sum(capacities) if all(capacities) else 0


def _carried(traffic: Sequence[CircuitTraffic]) -> Tuple[float, float]:
    """What goes in and out of all circuits, in bits per second; counters that several share count once."""
    distinct: Dict[Tuple[str, str], CircuitTraffic] = {(one.circuit.switch, one.interface): one for one in traffic}
    rates: List[Tuple[float, float]] = [
        (t.rates.in_bps, t.rates.out_bps) for t in distinct.values() if t.rates is not None
    ]
    return sum(into for into, _ in rates), sum(out for _, out in rates)
