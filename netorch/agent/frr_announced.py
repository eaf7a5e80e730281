"""What bgpd announces of our own prefixes, in the words of the release that runs."""

from __future__ import annotations

from netorch.agent.frr_vty import FrrRefused
from netorch.model.frr_words import FAMILIES
from netorch.parse.frr.announced import RouteMaps, read_announcements, read_brief_announcements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Tuple

    from netorch.model.announced import Announcement
    from netorch.model.types import IPNetwork

MOST = 10000
"""FRR cannot be asked for some of what it announces, and bgpd does nothing else while it tells."""

_PREFIX_LISTS = ("show ip prefix-list json", "show ipv6 prefix-list json")


def announced(
    ask: Callable[[str], str],
    neighbour: Tuple[str, Dict[str, Any]],
    family: str,
    *,
    asn: int,
    own: Tuple[IPNetwork, ...],
) -> Tuple[Announcement, ...]:
    """What ``neighbour``, its address and what ``show bgp neighbors json`` has of it, hears of ``family`` inside ``own``.

    ``ask`` gives bgpd's answer to a command. Raises FrrRefused, and what the parsers raise.
    """
    address, row = neighbour
    word = next(word for word, name in FAMILIES.items() if name == family)
    said = (row.get("addressFamilyInfo") or {}).get(word, {})
    if int(said.get("sentPrefixCounter", 0)) > MOST:
        raise FrrRefused(f"it announces more than {MOST} prefixes, and FRR cannot tell a part of them")
    command = f"show bgp {family} unicast neighbors {address} advertised-routes"
    try:
        return read_announcements(ask(f"{command} detail json"), asn=asn, own=own)
    except FrrRefused:  # 8.4.4
        policy = RouteMaps(ask("show route-map json"), [ask(command) for command in _PREFIX_LISTS])
    route_map = said.get("routeMapForOutgoingAdvertisements")
    return read_brief_announcements(ask(f"{command} json"), asn=asn, own=own, policy=policy, route_map=route_map)
