"""Routes: zebra's (``show ip route json``) and bgpd's (``show bgp ipv4 unicast json``)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, List, Optional, Tuple

from netorch.errors import ParseError
from netorch.model.state import BgpAttributes, Route, RouteNextHop
from netorch.parse.frr.answer import Fields, moment, read_json
from netorch.parse.textfsm_rows import refused_values

_ORIGINS = {"IGP": "IGP", "EGP": "EGP", "incomplete": "Incomplete"}
_LOCAL = "local"
_SELF = "(unspec)"


def read_routes(text: str) -> Tuple[Route, ...]:
    """Read ``show ip route json`` or ``show ipv6 route json``, also for one prefix: one Route per path, in FRR's order.

    ``protocol`` is zebra's word (``bgp``, ``static``, ``connected``, ``kernel``, ``rip``), ``table`` the kernel's number of it,
    ``best`` what zebra selected. ``since`` is None, since FRR tells a duration.

    Raises ParseError for what is not such an answer, or cut; FrrError where FRR complains.

    Source: FRR zebra/zebra_vty.c vty_show_ip_route(); samples of 8.4.4 and 10.3 in tests/parse.
    """
    found = read_json(text)
    if not isinstance(found, dict):
        raise ParseError(f"expected an object, found {type(found).__name__}", where="answer")
    with refused_values():
        return tuple(_route(row) for prefix in found for row in _rows(found[prefix], prefix))


def _rows(value: Any, prefix: str) -> List[Fields]:
    return Fields({prefix: value}, "answer").parts(prefix)


def _route(row: Fields) -> Route:
    hops = row.parts("nexthops")
    table = row.number("table")
    return Route(
        prefix=row.required_text("prefix"),
        destination=_destination(hops),
        protocol=row.required_text("protocol"),
        since=None,
        table=None if table is None else str(table),
        best=row.flag("selected"),
        preference=row.number("distance"),
        metric=row.number("metric"),
        next_hops=_next_hops(hops),
    )


def _destination(hops: List[Fields]) -> str:
    for hop in hops:
        for flag, word in (("blackhole", "blackhole"), ("reject", "unreachable"), ("adminProhibited", "prohibited")):
            if hop.flag(flag):
                return word
    return "unicast"


def _next_hops(hops: List[Fields]) -> Tuple[RouteNextHop, ...]:
    """Those that packets take: of a recursive one, what it resolves to."""
    taken = [hop for hop in hops if hop.text("interfaceName") and not hop.flag("recursive")]
    return tuple(
        RouteNextHop(
            interface=hop.required_text("interfaceName"),
            address=_address(hop.text("ip")),
            weight=hop.number("weight") if len(taken) > 1 else None,
            onlink=hop.flag("onLink"),
        )
        for hop in taken
    )


def _address(text: Optional[str]) -> Any:
    return ip_address(text) if text else None


def read_bgp_routes(text: str) -> Tuple[Route, ...]:
    """Read ``show bgp FAMILY unicast [detail] json``, also for one prefix: one Route per path, in FRR's order, () also where
    there is none. ``protocol`` is the neighbour's address, as a session has no name; ``local`` for what FRR originates.

    The short form has no communities, and no moment.

    Raises ParseError for what is not such an answer, or cut; FrrError where FRR complains.

    Source: FRR bgpd/bgp_route.c route_vty_out(), route_vty_out_detail(); samples of 8.4.4 and 10.3 in tests/parse.
    """
    found = Fields(read_json(text), "answer")
    with refused_values():
        if found.has("paths"):
            prefix = found.required_text("prefix")
            return tuple(_bgp_route(path, prefix) for path in found.parts("paths"))
        table = found.part("routes")
        return tuple(_bgp_route(path, prefix) for prefix in table.named() for path in _paths(table, prefix))


def _paths(table: Fields, prefix: str) -> List[Fields]:
    """From 10.x on, the detailed form may have an object with the paths in it."""
    return table.part(prefix).parts("paths") if table.is_object(prefix) else table.parts(prefix)


def _bgp_route(row: Fields, prefix: str) -> Route:
    peer = row.text("peerId") or row.part("peer").text("peerId")
    path = _as_path(row)
    best = row.flag("bestpath") or (row.is_object("bestpath") and row.part("bestpath").flag("overall"))
    return Route(
        prefix=prefix,
        destination="unicast",
        protocol=peer if peer and peer != _SELF and not row.flag("local") else _LOCAL,
        since=moment(row.part("lastUpdate").number("epoch")),
        best=best,
        resolvable=row.flag("valid"),
        stale=row.flag("stale"),
        suppressed=row.flag("suppressed"),
        origin_asn=int(path[-1]) if path and path[-1].isdigit() else None,
        source="BGP",
        bgp=_attributes(row, path),
    )


def _as_path(row: Fields) -> Tuple[str, ...]:
    text = row.part("aspath").text("string", unless="Local") if row.is_object("aspath") else row.text("path")
    return tuple((text or "").split())


def _attributes(row: Fields, path: Tuple[str, ...]) -> BgpAttributes:
    origin = row.required_text("origin")
    otc = row.number("otc")
    return BgpAttributes(
        origin=_ORIGINS.get(origin, origin),
        as_path=path,
        next_hops=tuple(ip_address(hop.required_text("ip")) for hop in row.parts("nexthops") if hop.has("ip")),
        med=row.number("metric"),
        local_preference=row.number("locPrf"),
        originator_id=row.text("originatorId"),
        cluster_list=row.part("clusterList").words("list"),
        communities=row.part("community").words("list"),
        extended_communities=tuple((row.part("extendedCommunity").text("string") or "").split()),
        large_communities=row.part("largeCommunity").words("list"),
        other=None if otc is None else {"otc": str(otc)},
    )
