"""ARP/ND mirror: hosts send to providers with the MAC addresses that the switches have learned."""

from __future__ import annotations

from typing import Dict, List, Mapping, Optional, Tuple

from netorch.api import (
    DeviceIntent,
    Facts,
    Intent,
    Item,
    NeighbourItem,
    NextHop,
    PeerItem,
    Plugin,
    RouteItem,
    Session,
    Sighting,
    mirror_items,
    own_macs_by_pop,
    sighting_in,
)

from .verbs import VERBS


def needs(intent: Intent) -> Mapping[str, Tuple[str, ...]]:
    """Neighbours of every switch that a host mirrors, and the MACs of the POP's own interfaces."""
    wants: Dict[str, Tuple[str, ...]] = {}
    for device in intent.devices:
        if device.next_hops:
            wants[device.name] = ("links",)
    for next_hop in (n for device in intent.devices for n in device.next_hops):
        wants[next_hop.switch] = ("neighbours", "links")
    return wants


def propose(intent: Intent, facts: Facts) -> Mapping[str, Tuple[Item, ...]]:
    """The mirror of every host that gave facts; entries of next hops that the intent no longer has are not proposed."""
    proposals: Dict[str, Tuple[Item, ...]] = {}
    macs = own_macs_by_pop(intent, facts)
    for host in _hosts(intent, facts):
        items: List[Item] = []
        for next_hop in host.next_hops:
            items += mirror_items(next_hop, sighting_in(facts, next_hop, macs[host.pop]), facts[host.name].items)
        proposals[host.name] = tuple(dict.fromkeys(items))
    return proposals


def later(intent: Intent, facts: Facts) -> Mapping[str, Tuple[str, ...]]:
    """The next hops whose MAC their switch is about to learn: its session is up, or its configuration not there yet.

    A provider whose session is closed or down is not waited for.
    """
    macs = own_macs_by_pop(intent, facts)
    sessions = {
        (device.name, session.circuit, session.family): session
        for device in intent.devices
        for session in device.sessions
        if session.kind == "provider"
    }
    waits: Dict[str, Tuple[str, ...]] = {}
    for host in _hosts(intent, facts):
        waits[host.name] = tuple(
            f"mirror {next_hop.address} ({next_hop.provider}) once {next_hop.switch} has resolved it"
            for next_hop in host.next_hops
            if _is_unknown(sighting_in(facts, next_hop, macs[host.pop]))
            and _will_resolve(sessions.get((next_hop.switch, next_hop.circuit, next_hop.family)), next_hop, facts)
        )
    return {host: words for host, words in waits.items() if words}


def _hosts(intent: Intent, facts: Facts) -> Tuple[DeviceIntent, ...]:
    return tuple(device for device in intent.devices if device.role == "host" and device.name in facts)


def _is_unknown(sighting: Optional[Sighting]) -> bool:
    return sighting is not None and sighting.mac is None and not sighting.refusal


def _will_resolve(session: Optional[Session], next_hop: NextHop, facts: Facts) -> bool:
    if session is None or not session.enabled:
        return False
    protocol = facts[next_hop.switch].protocol(session.name)
    return protocol is None or protocol.bgp_state == "Established"


PLUGIN = Plugin(
    name="arp_mirror",
    help="providers' MAC addresses, as the switches know them, on every host",
    needs=needs,
    propose=propose,
    later=later,
    kinds=(NeighbourItem, PeerItem, RouteItem),
    verbs=VERBS,
)
