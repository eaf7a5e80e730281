"""What the mirror decides: which of a provider's addresses a host may send to, and with which MAC. Pure.

One function decides wherever the mirror runs: in a plan, in ``netorch arp sync`` and in an agent.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from typing import AbstractSet, Dict, FrozenSet, Iterable, List, Mapping, Optional, Tuple

from netorch.model.facts import DeviceFacts, Neighbour
from netorch.model.intent import Intent, NextHop
from netorch.model.items import Item, NeighbourItem, PeerItem, RouteItem
from netorch.model.types import Family, Mac

Facts = Mapping[str, DeviceFacts]

USABLE_STATES = frozenset({"reachable", "stale", "delay", "probe", "permanent"})
"""States in which the kernel itself would send to the entry's MAC. A ``noarp`` entry was never resolved."""


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
    if entry.state not in USABLE_STATES or entry.mac is None:
        return Sighting(None, entry.state)
    refusal = refusal_of(entry.mac, own_macs)
    return Sighting(None if refusal else entry.mac, entry.state, refusal)


def refusal_of(mac: Mac, own_macs: AbstractSet[Mac], *, expected: AbstractSet[Mac] = frozenset()) -> str:
    """Why nobody may send to ``mac``, "" if they may. ``expected`` are the MACs that the inventory names for the circuit; none
    named: any will do."""
    if not mac.is_unicast:
        return f"{mac} is not a unicast address"
    if mac in own_macs:
        return f"{mac} belongs to a device of this POP"
    if expected and mac not in expected:
        return f"{mac} is not among the circuit's MACs ({', '.join(sorted(expected))})"
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
    kept: List[Item] = [item for item in held if item.key == neighbour_key(next_hop)]
    if kept:
        kept += [item for item in held if item.key == reachability(next_hop).key]
    return tuple(kept)


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
