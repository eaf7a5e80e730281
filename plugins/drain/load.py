"""Whether what stays in service can carry what is carried now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, FrozenSet, List, Mapping, Sequence, Tuple

from netorch.api import Circuit, CircuitTraffic, GuardRefused, VerbContext, circuit_traffic, newest, rate_text

from .quiet import History
from .refuse import affected_pops, staying_lines
from .scope import HOST, POP, Line, Scope

LOAD_PERCENT = 90.0
"""How much of what stays in service may be in use once the rest is drained."""

_HINT = "wait until there is less traffic, or drain it all the same with --allow-capacity"


def refuse_overload(
    scope: Scope, drained: Sequence[Line], *, context: VerbContext, history: History, percent: float
) -> str:
    """GuardRefused when the circuits that stay in service have less than the measured traffic needs, in either direction: all of
    them together, and those that it goes to by preference. Returns what the worst case is, where one of these alone could not
    take all that may come to it; "" where it could.

    ``history`` begins and ends with facts that have ``links`` and ``protocols``. Where a circuit that stays has no capacity in
    the inventory, or the traffic could not be measured, nobody can tell, and nothing is refused.
    """
    if scope.kind == HOST or not drained:
        return ""
    pops = affected_pops(scope, context)
    circuits = [circuit for pop in pops for circuit in context.inventory.pop(pop).circuits]
    facts = newest(history)
    staying = staying_lines(drained, pops, context=context, facts=facts)
    ids = {line.session.circuit for line in staying}
    left = _capacity([circuit for circuit in circuits if circuit.id in ids])
    if not left:
        return ""
    traffic = circuit_traffic(circuits, history[0][1], facts)
    for direction, rate_bps in zip(("in", "out"), _carried(traffic)):
        if rate_bps > left * percent / 100.0:
            raise GuardRefused(
                f"draining {scope.title} leaves {rate_text(left)} for the {rate_text(rate_bps)} that go {direction} now"
                f" (limit {percent:g} % of what is left)",
                where=", ".join(pops),
                hint=_HINT,
            )
    if scope.kind == POP or any(one.shared_with for one in traffic):
        # What comes in goes to another POP, and nobody says which circuit; or nobody counts the circuits apart.
        return ""
    worst = [
        _refuse_narrow(scope, narrow, direction, percent=percent)
        for direction in ("in", "out")
        for narrow in _narrows(drained, staying, traffic, direction)
    ]
    return max(worst, default=(0.0, ""))[1]


@dataclass(frozen=True)
class _Narrow:
    """``takers`` are the circuits that what leaves ``givers`` goes to; ``rates`` what goes over each circuit now, in bits per
    second, by its name."""

    givers: Tuple[Circuit, ...]
    takers: Tuple[Circuit, ...]
    rates: Mapping[str, float]

    @property
    def coming_bps(self) -> float:
        """What comes to the takers."""
        return sum(self.rates[circuit.name] for circuit in self.givers)


def _narrows(
    drained: Sequence[Line], staying: Sequence[Line], traffic: Sequence[CircuitTraffic], direction: str
) -> Tuple[_Narrow, ...]:
    """Where the traffic of each drained circuit goes; circuits that give to the same ones are taken together. Unknown rates are
    none."""
    rates = {
        one.circuit.name: (one.rates.in_bps if direction == "in" else one.rates.out_bps)
        if one.rates is not None
        else 0.0
        for one in traffic
    }
    by_id = {one.circuit.id: one.circuit for one in traffic}
    givers: Dict[FrozenSet[int], List[Circuit]] = {}
    for circuit in dict.fromkeys(line.session.circuit for line in drained):
        mine = [line for line in drained if line.session.circuit == circuit]
        takers = frozenset(line.session.circuit for line in _takers(mine, staying, direction) if line.session.circuit)
        if circuit in by_id and takers <= set(by_id):
            givers.setdefault(takers, []).append(by_id[circuit])
    return tuple(
        _Narrow(tuple(found), tuple(by_id[one] for one in sorted(ids)), rates) for ids, found in givers.items()
    )


def _takers(drained: Sequence[Line], staying: Sequence[Line], direction: str) -> Sequence[Line]:
    """The sessions that get what these have: another circuit of the same provider has the same routes. Otherwise packets leave by
    the providers that are preferred next, and come in by any."""
    same = [line for line in staying if line.session.peer == drained[0].session.peer]
    if same or direction == "in":
        return same or staying
    highest = max(map(_preference, drained))
    lower = [line for line in staying if _preference(line) <= highest]
    best = max(map(_preference, lower), default=0)
    return [line for line in lower if _preference(line) == best] or staying


def _preference(line: Line) -> int:
    policy = line.session.import_policy
    return policy.local_preference if policy is not None else 0


def _refuse_narrow(scope: Scope, narrow: _Narrow, direction: str, *, percent: float) -> Tuple[float, str]:
    """GuardRefused where the takers cannot take it together. Returns how full one of them may become at most, in percent, and the
    words for that where it is too much."""
    there = sum(narrow.rates[circuit.name] for circuit in narrow.takers)
    left, coming = _capacity(narrow.takers), narrow.coming_bps
    names = ", ".join(circuit.name for circuit in narrow.takers)
    if coming and there + coming > left * percent / 100.0:
        raise GuardRefused(
            f"draining {scope.title}: what goes {direction} by {', '.join(circuit.name for circuit in narrow.givers)}"
            f" ({rate_text(coming)}) goes to {names} by preference, which has {rate_text(left)} and carries {rate_text(there)}"
            f" now (limit {percent:g} %)",
            where=scope.pop,
            hint=_HINT,
        )
    full, name = max(
        (100.0 * (narrow.rates[circuit.name] + coming) / circuit.capacity_bps, circuit.name)
        for circuit in narrow.takers
    )
    if not coming or full <= percent:
        return 0.0, ""
    return (
        full,
        f"should all that goes {direction} ({rate_text(coming)}) come to {name} alone, that would be {full:.0f} % full",
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
