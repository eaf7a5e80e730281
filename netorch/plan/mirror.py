"""What the mirror decides: which of a provider's addresses a host may send to, and with which MAC. Pure.

One function decides wherever the mirror runs: in a plan, in ``netorch arp sync`` and in an agent.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from typing import AbstractSet, Dict, FrozenSet, Iterable, List, Mapping, Optional, Tuple

from netorch.model.facts import DeviceFacts, MirrorEntry, Neighbour
from netorch.model.intent import Intent, NextHop
from netorch.model.items import Item, NeighbourItem, PeerItem, RouteItem
from netorch.model.types import Family, Mac

Facts = Mapping[str, DeviceFacts]

USABLE_STATES = frozenset({"reachable", "stale", "delay", "probe", "permanent"})
"""States in which the kernel itself would send to the entry's MAC. A ``noarp`` entry was never resolved."""

_MACS_NAMED = 4
"""In a refusal, which agents send over the wire: it has an end there."""


@dataclass(frozen=True)
class Sighting:
    """What a switch says of one next hop. ``mac`` is None unless it may be mirrored; ``state`` is the kernel's word,
    ``absent`` where there is no entry; ``refusal`` says why a MAC that is there may not be used.
    """

    mac: Optional[Mac]
    state: str
    refusal: str = ""


def sight(next_hop: NextHop, neighbours: Iterable[Neighbour], own_macs: AbstractSet[Mac]) -> Sighting:
    """What the switch's ``neighbours`` say of ``next_hop``. ``own_macs`` are the POP's own, never a provider's."""
    entry = next((entry for entry in neighbours if _is_about(entry, next_hop)), None)
    if entry is None:
        return Sighting(None, "absent")
    return judge(entry.mac, entry.state, own_macs, expected=frozenset(next_hop.macs))


def judge(
    mac: Optional[Mac], state: str, own_macs: AbstractSet[Mac], *, expected: AbstractSet[Mac] = frozenset()
) -> Sighting:
    """The sighting that an entry with ``mac`` in the kernel's ``state`` is; ``expected`` as in ``refusal_of``."""
    if state not in USABLE_STATES or mac is None:
        return Sighting(None, state)
    refusal = refusal_of(mac, own_macs, expected=expected)
    return Sighting(None if refusal else mac, state, refusal)


def refusal_of(mac: Mac, own_macs: AbstractSet[Mac], *, expected: AbstractSet[Mac] = frozenset()) -> str:
    """Why nobody may send to ``mac``, "" if they may. ``expected`` are the MACs that the inventory names for the circuit; none
    named: any will do."""
    if not mac.is_unicast:
        return f"{mac} is not a unicast address"
    if mac in own_macs:
        return f"{mac} belongs to a device of this POP"
    if expected and mac not in expected:
        named = sorted(expected)
        more = f" and {len(named) - _MACS_NAMED} more" if named[_MACS_NAMED:] else ""
        return f"{mac} is not among the circuit's MACs ({', '.join(named[:_MACS_NAMED])}{more})"
    return ""


def sighting_in(facts: Facts, next_hop: NextHop, own_macs: AbstractSet[Mac]) -> Optional[Sighting]:
    """The sighting of ``next_hop`` in its switch's facts; None when the switch gave none."""
    switch = facts.get(next_hop.switch)
    return sight(next_hop, switch.neighbours, own_macs) if switch is not None else None


def own_macs_by_pop(intent: Intent, facts: Facts) -> Mapping[str, FrozenSet[Mac]]:
    """The MACs of each POP's own interfaces, as far as facts tell."""
    macs: Dict[str, FrozenSet[Mac]] = {device.pop: frozenset() for device in intent.devices}
    for device in intent.devices:
        if device.name in facts:
            macs[device.pop] |= {link.mac for link in facts[device.name].links if link.mac is not None}
    return macs


def mirror_items(next_hop: NextHop, sighting: Optional[Sighting], held: Iterable[Item]) -> Tuple[Item, ...]:
    """What the host is to have for ``next_hop``, given what it holds.

    Without a usable sighting (None when the switch cannot be asked) what is there stays: BGP withdraws the routes of a
    dead provider, the mirror never breaks traffic that worked. A next hop whose MAC is not held is not made reachable.
    """
    if sighting is not None and sighting.mac is not None:
        return (NeighbourItem(next_hop.interface, next_hop.address, sighting.mac), reachability(next_hop))
    return held_items(next_hop, held)


def held_items(next_hop: NextHop, held: Iterable[Item]) -> Tuple[Item, ...]:
    """What of ``held`` is the mirror's for ``next_hop``; () where its MAC is not held."""
    items = tuple(held)
    kept: List[Item] = [item for item in items if item.key == neighbour_key(next_hop)]
    if kept:
        kept += [item for item in items if item.key == reachability(next_hop).key]
    return tuple(kept)


def is_followed(host: DeviceFacts, next_hop: NextHop) -> bool:
    """Whether the host's own agent looks after ``next_hop``: it is alive and its switch's feed is up. What it holds is right
    then, whatever facts of two devices say that were taken at two moments."""
    agent = host.agent_of("mirror")
    feed = agent.feed(next_hop.switch) if agent is not None and agent.alive else None
    return feed is not None and feed.up


def uplink_is_down(host: DeviceFacts, next_hop: NextHop) -> bool:
    """Whether the interface of ``host`` to ``next_hop`` is down. Its entries went with it, the kernel takes none for it, and
    nothing is sent there: BGP has seen it as well."""
    return any(link.name == next_hop.interface and not link.up for link in host.links)


def reachability(next_hop: NextHop) -> Item:
    """What makes the address directly connected: a peer address for IPv4; for IPv6, where the kernel takes one peer for
    each address only, a device route to the single address."""
    if next_hop.family is Family.IPV4:
        return PeerItem(next_hop.interface, next_hop.local.ip, next_hop.address)
    return RouteItem(ip_network(f"{next_hop.address}/{next_hop.family.host_length}"), next_hop.interface)


def neighbour_key(next_hop: NextHop) -> Tuple[str, ...]:
    """The key of the permanent neighbour entry for ``next_hop``."""
    return ("neighbour", next_hop.interface, str(next_hop.address))


def _is_about(entry: Neighbour, next_hop: NextHop) -> bool:
    return (entry.address, entry.interface) == (next_hop.address, next_hop.switch_interface)


@dataclass(frozen=True)
class MirrorSides:
    """One next hop of one host as both sides have it. Ages tell how long each kernel has had its MAC, in seconds; None where
    no agent tells.

    ``source`` is who looks after the host's entry: ``agent``, ``agent without feed``, ``agent is dead``, or ``deploy`` where
    none is meant to run. ``verdict`` is one for people; ``is_ok`` False where the host may send to a wrong MAC, or to none.
    """

    host: str
    next_hop: NextHop
    switch_mac: Optional[Mac]
    switch_state: Optional[str]
    switch_age_s: Optional[float]
    host_mac: Optional[Mac]
    host_age_s: Optional[float]
    source: str
    verdict: str

    @property
    def is_ok(self) -> bool:
        """Whether packets to this next hop go where they should, or none are to go there."""
        return self.verdict in (MIRRORED, CLOSED)


MIRRORED = "mirrored"
CLOSED = "session closed"
DOWN = " is down"
"""Ends the verdict that names an uplink."""


def compare_sides(intent: Intent, facts: Facts, chosen: Iterable[Tuple[str, NextHop]]) -> Tuple[MirrorSides, ...]:
    """Both sides of ``chosen``, pairs of a host's name and one of its next hops."""
    macs = own_macs_by_pop(intent, facts)
    closed = {
        (device.name, session.circuit, session.family)
        for device in intent.devices
        for session in device.sessions
        if session.kind == "provider" and not session.enabled
    }
    return tuple(
        _sides(
            facts,
            host,
            next_hop,
            sighting=sighting_in(facts, next_hop, macs[intent.device(host).pop]),
            is_closed=(next_hop.switch, next_hop.circuit, next_hop.family) in closed,
        )
        for host, next_hop in chosen
    )


def _sides(facts: Facts, name: str, next_hop: NextHop, *, sighting: Optional[Sighting], is_closed: bool) -> MirrorSides:
    host = facts.get(name)
    entry = _entry(facts, name, "mirror", next_hop.interface, next_hop)
    seen = _entry(facts, next_hop.switch, "feed", next_hop.switch_interface, next_hop)
    mac = _held_mac(host, next_hop)
    switch_mac = sighting.mac if sighting is not None else None
    return MirrorSides(
        host=name,
        next_hop=next_hop,
        switch_mac=switch_mac,
        switch_state=sighting.state if sighting is not None else None,
        switch_age_s=seen.age_s if seen is not None and seen.mac == switch_mac else None,
        host_mac=mac,
        host_age_s=entry.age_s if entry is not None and entry.mac == mac else None,
        source=_source(host, next_hop),
        verdict=_verdict(sighting, host, next_hop, entry=entry, is_closed=is_closed),
    )


def _entry(facts: Facts, device: str, service: str, interface: str, next_hop: NextHop) -> Optional[MirrorEntry]:
    agent = facts[device].agent_of(service) if device in facts else None
    return agent.entry(interface, next_hop.address) if agent is not None else None


def _source(host: Optional[DeviceFacts], next_hop: NextHop) -> str:
    agent = host.agent_of("mirror") if host is not None else None
    if host is None or agent is None:
        return "deploy"
    if not agent.alive:
        return "agent is dead"
    return "agent" if is_followed(host, next_hop) else "agent without feed"


def _verdict(
    sighting: Optional[Sighting],
    host: Optional[DeviceFacts],
    next_hop: NextHop,
    *,
    entry: Optional[MirrorEntry],
    is_closed: bool,
) -> str:
    if host is None:
        return "host cannot be asked"
    mac = _held_mac(host, next_hop)
    if sighting is None:
        return "switch cannot be asked" + (", host keeps its entry" if mac else "")
    if sighting.refusal:
        return f"refused: {sighting.refusal}"
    if sighting.mac is None:
        if is_closed:
            return CLOSED
        return "not resolved" + (", host keeps its entry" if mac else "")
    if uplink_is_down(host, next_hop):
        return f"{next_hop.interface}{DOWN}"
    if mac != sighting.mac and entry is not None and entry.state in ("refused", "held_down"):
        return f"{entry.state.replace('_', ' ')}: {entry.reason}"
    if mac is None:
        return "missing on the host"
    if mac != sighting.mac:
        return "host has another MAC"
    return MIRRORED if any(item == reachability(next_hop) for item in host.items) else "not reachable on the host"


def _held_mac(host: Optional[DeviceFacts], next_hop: NextHop) -> Optional[Mac]:
    items = host.items if host is not None else ()
    key = neighbour_key(next_hop)
    return next((item.mac for item in items if isinstance(item, NeighbourItem) and item.key == key), None)
