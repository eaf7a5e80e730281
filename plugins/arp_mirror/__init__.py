"""ARP/ND mirror: hosts send to providers with the MAC addresses that the switches have learned."""

from __future__ import annotations

from typing import AbstractSet, Dict, List, Mapping, Optional, Tuple

from netorch.api import (
    DeviceFacts,
    DeviceIntent,
    Facts,
    Intent,
    Item,
    Mac,
    NeighbourItem,
    NextHop,
    PeerItem,
    Plugin,
    RouteItem,
    Session,
    Sighting,
    held_items,
    is_followed,
    mirror_items,
    own_macs_by_pop,
    sighting_in,
    uplink_is_down,
)

from .agents import SETTINGS, agent_items, mistakes, settings_path
from .verbs import FORCED, VERBS

_CONNECTS_WITHIN_S = 5.0
"""After this time an agent that does not hear a switch will not do so soon."""


def needs(intent: Intent) -> Mapping[str, Tuple[str, ...]]:
    """Neighbours of every switch that a host mirrors, MACs of the POP's own interfaces, and the agents with their settings."""
    wants: Dict[str, Tuple[str, ...]] = {}
    for device in intent.devices:
        if device.next_hops:
            wants[device.name] = ("links",)
    for next_hop in (n for device in intent.devices for n in device.next_hops):
        wants[next_hop.switch] = ("neighbours", "links")
    if not intent.certificates:
        return wants
    return {name: (*known, "mirror", settings_path(intent.device(name))) for name, known in wants.items()}


def propose(intent: Intent, facts: Facts) -> Mapping[str, Tuple[Item, ...]]:
    """The mirror of every host that gave facts; entries of next hops that the intent no longer has are not proposed.

    Where certificates can be had, the agents that follow the switches as well. While one does, its entries stay as they are,
    unless ``netorch arp sync --force`` asks for the newest MAC of those that it holds down.
    """
    forced = bool(intent.settings.get("arp_mirror", {}).get(FORCED))
    proposals: Dict[str, Tuple[Item, ...]] = {}
    macs = own_macs_by_pop(intent, facts)
    for device in intent.devices:
        if device.name in facts:
            items = _entries(device, facts, macs[device.pop], forced=forced)
            agents = agent_items(intent, device) if intent.certificates else ()
            if agents:
                items += (*_leaving(device, facts[device.name]), *agents)
            proposals[device.name] = tuple(dict.fromkeys(items))
    return {name: items for name, items in proposals.items() if items or intent.device(name).role == "host"}


def _entries(
    device: DeviceIntent, facts: Facts, own_macs: AbstractSet[Mac], *, forced: bool = False
) -> Tuple[Item, ...]:
    host = facts[device.name]
    items: Tuple[Item, ...] = ()
    for next_hop in device.next_hops:
        if uplink_is_down(host, next_hop):
            items += tuple(item for item in host.items if _place(item) == _place_of(next_hop))
        elif is_followed(host, next_hop) and not (forced and _is_held_down(host, next_hop)):
            items += held_items(next_hop, host.items)
        else:
            items += mirror_items(next_hop, sighting_in(facts, next_hop, own_macs), host.items)
    return items


def _is_held_down(host: DeviceFacts, next_hop: NextHop) -> bool:
    agent = host.agent_of("mirror")
    entry = agent.entry(next_hop.interface, next_hop.address) if agent is not None else None
    return entry is not None and entry.state == "held_down"


def _leaving(device: DeviceIntent, host: DeviceFacts) -> Tuple[Item, ...]:
    """What a living agent keeps of next hops that the intent no longer has. It takes them away itself, with its new settings:
    what a plan took away before, it would put back."""
    agent = host.agent_of("mirror")
    if agent is None or not agent.alive:
        return ()
    wanted = set(map(_place_of, device.next_hops))
    gone = {(entry.interface, str(entry.address)) for entry in agent.entries} - wanted
    return tuple(item for item in host.items if _place(item) in gone)


def _place_of(next_hop: NextHop) -> Tuple[str, str]:
    return (next_hop.interface, str(next_hop.address))


def _place(item: Item) -> Optional[Tuple[str, str]]:
    if isinstance(item, NeighbourItem):
        return (item.interface, str(item.address))
    if isinstance(item, PeerItem):
        return (item.interface, str(item.peer))
    if isinstance(item, RouteItem):
        return (item.interface, str(item.prefix.network_address))
    return None


def later(intent: Intent, facts: Facts) -> Mapping[str, Tuple[str, ...]]:
    """The next hops whose MAC their switch is about to learn: its session is up, or its configuration not there yet; and those
    that a host's agent is about to take over from it.

    A provider whose session is closed or down is not waited for, nor an uplink that is down.
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
        words: List[str] = []
        for next_hop in host.next_hops:
            if uplink_is_down(facts[host.name], next_hop):
                continue
            sighting = sighting_in(facts, next_hop, macs[host.pop])
            session = sessions.get((next_hop.switch, next_hop.circuit, next_hop.family))
            if _is_unknown(sighting) and _will_resolve(session, next_hop, facts):
                words.append(f"mirror {_named(next_hop)} once {next_hop.switch} has resolved it")
            elif _is_known(sighting) and _is_on_its_way(facts[host.name], next_hop):
                words.append(f"mirror {_named(next_hop)} once the host's agent has it from {next_hop.switch}")
        waits[host.name] = tuple(words)
    return {host: words for host, words in waits.items() if words}


def _named(next_hop: NextHop) -> str:
    return f"{next_hop.address} ({next_hop.provider})"


def _is_on_its_way(host: DeviceFacts, next_hop: NextHop) -> bool:
    """Whether the host's agent lives and has not taken the next hop up yet: it needs a second after a deploy. One that is held
    down or refused comes when the provider mends it, one whose feed is away when that is back: until then it is the plan's."""
    agent = host.agent_of("mirror")
    if agent is None or not agent.alive or held_items(next_hop, host.items):
        return False
    feed = agent.feed(next_hop.switch)
    if feed is not None and not feed.up and (feed.age_s or 0.0) > _CONNECTS_WITHIN_S:
        return False
    entry = agent.entry(next_hop.interface, next_hop.address)
    return entry is None or entry.state not in ("held_down", "refused")


def _hosts(intent: Intent, facts: Facts) -> Tuple[DeviceIntent, ...]:
    return tuple(device for device in intent.devices if device.role == "host" and device.name in facts)


def _is_known(sighting: Optional[Sighting]) -> bool:
    return sighting is not None and sighting.mac is not None


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
    settings=SETTINGS,
    mistakes=mistakes,
    verbs=VERBS,
)
