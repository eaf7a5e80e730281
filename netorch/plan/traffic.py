"""How much goes over circuits, from two readings of their switches' counters. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from netorch.model.facts import DeviceFacts, Link
from netorch.model.inventory import Circuit

Facts = Mapping[str, DeviceFacts]

RESET = "its counters were reset"
UNREAD = "its switch cannot be asked"


@dataclass(frozen=True)
class Counters:
    """Bytes and packets, ``in`` from the provider, ``out`` to it."""

    in_bytes: int
    out_bytes: int
    in_packets: int
    out_packets: int

    def __sub__(self, other: Counters) -> Counters:
        return Counters(
            self.in_bytes - other.in_bytes,
            self.out_bytes - other.out_bytes,
            self.in_packets - other.in_packets,
            self.out_packets - other.out_packets,
        )

    def rates(self, interval_s: float) -> Rates:
        """As so much a second. What is less than nothing is nothing: a port may count fewer bytes of a frame than its VLAN."""
        return Rates(
            interval_s,
            max(0, self.in_bytes) * 8 / interval_s,
            max(0, self.out_bytes) * 8 / interval_s,
            max(0, self.in_packets) / interval_s,
            max(0, self.out_packets) / interval_s,
        )


@dataclass(frozen=True)
class Rates:
    """What passed in ``interval_s``: bits and packets per second, ``in`` from the provider, ``out`` to it."""

    interval_s: float
    in_bps: float
    out_bps: float
    in_packets_per_s: float
    out_packets_per_s: float


@dataclass(frozen=True)
class CircuitTraffic:
    """What goes over a circuit. ``interface`` is the switch's whose counters these are, "" where there is none; ``counters`` the
    latest. ``shared_with`` names the circuits that the same counters count as well. ``problem`` says why there are no rates."""

    circuit: Circuit
    interface: str
    counters: Optional[Counters] = None
    rates: Optional[Rates] = None
    shared_with: Tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class ProviderTraffic:
    """What goes over all circuits to one provider. ``capacity_bps`` 0: of one of them it is not known. ``problem`` says why there
    are no rates, or no counters: a sum without one of its parts would be a lie."""

    provider: str
    circuits: Tuple[str, ...]
    capacity_bps: int
    counters: Optional[Counters] = None
    rates: Optional[Rates] = None
    problem: str = ""


def circuit_traffic(circuits: Sequence[Circuit], before: Facts, after: Facts) -> Tuple[CircuitTraffic, ...]:
    """The traffic of each of ``circuits`` between two gatherings with ``links``. ``circuits`` are all of their switches'.

    A circuit in a VLAN has the counters of the interface that is this VLAN of the port, or is called PORT.VLAN. What such
    interfaces of a port counted is taken off the port's own. Circuits without one share what is left of the port.
    """
    return tuple(_traffic(circuit, circuits, before, after=after) for circuit in circuits)


def provider_traffic(traffic: Sequence[CircuitTraffic]) -> Tuple[ProviderTraffic, ...]:
    """The sums by provider, in the order in which providers first occur."""
    by_provider: Dict[str, List[CircuitTraffic]] = {}
    for one in traffic:
        by_provider.setdefault(one.circuit.provider, []).append(one)
    return tuple(_sum(provider, found) for provider, found in by_provider.items())


def _traffic(circuit: Circuit, circuits: Sequence[Circuit], before: Facts, *, after: Facts) -> CircuitTraffic:
    last = after.get(circuit.switch)
    if last is None or last.links_at_s is None:
        return CircuitTraffic(circuit, "", problem=UNREAD)
    link = _link(circuit, last)
    if link is None:
        return CircuitTraffic(circuit, "", problem=f"{circuit.switch} has no interface {circuit.port}")
    others = [c for c in circuits if (c.switch, c.port) == (circuit.switch, circuit.port) and c.id != circuit.id]
    shared = tuple(other.name for other in others if _link(other, last) == link)
    counters = _counters(link, last)
    first = before.get(circuit.switch)
    rates = _rates(link, first, last) if first is not None else None
    problem = "" if rates is not None else UNREAD if first is None else RESET
    return CircuitTraffic(circuit, link.name, counters, rates, shared, problem)


def _link(circuit: Circuit, facts: DeviceFacts) -> Optional[Link]:
    """The interface that counts the circuit: that of its VLAN, or its port."""
    if circuit.vlan is not None:
        for link in facts.links:
            if (link.vlan_on, link.vlan) == (circuit.port, circuit.vlan):
                return link
        named = facts.link(f"{circuit.port}.{circuit.vlan}")
        if named is not None:
            return named
    return facts.link(circuit.port)


def _counters(link: Link, facts: DeviceFacts) -> Counters:
    """What passed ``link`` outside of the VLANs that have an interface of their own on it."""
    counted = _of(link)
    for vlan in _vlans(link, facts):
        counted -= _of(vlan)
    return counted


def _vlans(link: Link, facts: DeviceFacts) -> Tuple[Link, ...]:
    return tuple(other for other in facts.links if other.vlan is not None and other.vlan_on == link.name)


def _of(link: Link) -> Counters:
    return Counters(link.rx_bytes, link.tx_bytes, link.rx_packets, link.tx_packets)


def _rates(link: Link, first: DeviceFacts, last: DeviceFacts) -> Optional[Rates]:
    """None where the counters, or the clock beside them, began anew in between."""
    former = first.link(link.name)
    if former is None or first.links_at_s is None or last.links_at_s is None:
        return None
    interval_s = last.links_at_s - first.links_at_s
    if interval_s <= 0:
        return None
    earlier = {one.name: one for one in (former, *_vlans(former, first))}
    later = {one.name: one for one in (link, *_vlans(link, last))}
    if earlier.keys() != later.keys() or any(_is_less(_of(later[name]), _of(earlier[name])) for name in later):
        return None
    return (_counters(link, last) - _counters(former, first)).rates(interval_s)


def _is_less(now: Counters, then: Counters) -> bool:
    passed = now - then
    return min(passed.in_bytes, passed.out_bytes, passed.in_packets, passed.out_packets) < 0


def _sum(provider: str, found: Sequence[CircuitTraffic]) -> ProviderTraffic:
    names = tuple(one.circuit.name for one in found)
    capacities = [one.circuit.capacity_bps for one in found]
    capacity_bps = sum(capacities) if all(capacities) else 0
    foreign = next((one for one in found if set(one.shared_with) - set(names)), None)
    if foreign is not None:
        others = ", ".join(sorted(set(foreign.shared_with) - set(names)))
        problem = f"{foreign.circuit.name} is counted together with {others}"
        return ProviderTraffic(provider, names, capacity_bps, problem=problem)
    # Circuits of one provider that share counters are counted once.
    distinct = list({(one.circuit.switch, one.interface or one.circuit.name): one for one in found}.values())
    unread = next((one for one in distinct if one.counters is None), None)
    if unread is not None:
        return ProviderTraffic(provider, names, capacity_bps, problem=f"{unread.circuit.name}: {unread.problem}")
    counters = _total([one.counters for one in distinct if one.counters is not None])
    measured = [one.rates for one in distinct if one.rates is not None]
    if len(measured) < len(distinct):
        lost = next(one for one in distinct if one.rates is None)
        return ProviderTraffic(provider, names, capacity_bps, counters, problem=f"{lost.circuit.name}: {lost.problem}")
    rates = Rates(
        max(one.interval_s for one in measured),
        sum(one.in_bps for one in measured),
        sum(one.out_bps for one in measured),
        sum(one.in_packets_per_s for one in measured),
        sum(one.out_packets_per_s for one in measured),
    )
    return ProviderTraffic(provider, names, capacity_bps, counters, rates)


def _total(counters: Sequence[Counters]) -> Counters:
    return Counters(
        sum(one.in_bytes for one in counters),
        sum(one.out_bytes for one in counters),
        sum(one.in_packets for one in counters),
        sum(one.out_packets for one in counters),
    )
