"""``show route``, ``show route all`` and ``show route count``."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Dict, Optional, Tuple

from netorch.errors import ParseError
from netorch.model.state import BgpAttributes, Route, RouteNextHop, TableCount
from netorch.parse.framing import ReplyError, read_reply
from netorch.parse.textfsm_rows import Row, elements, parse_rows, refused_values

_NOT_FOUND_CODE = 8001
_NOT_FOUND_LINE = "Network not found"
_PREFERENCE = re.compile(r"(?P<preference>\d+)(?P<suppressed>-)?(?P<stale>s)?(?:/(?P<metric>\d+|-|\?)(?:/\d+)?)?$")
_NEXT_HOP = re.compile(
    r"(?:via (?P<address>\S+) on|dev) (?P<interface>\S+)(?: mpls (?P<labels>[\d/]+))?"
    r"(?P<onlink> onlink)?(?: weight (?P<weight>\d+))?$"
)
_ORIGIN_ASN = re.compile(r"AS(\d+)[ie?]?$")
_AS_PATH = re.compile(r"\{[^}]*\}|\([^)]*\)|\S+")
_COMMUNITY = re.compile(r"\(([^)]*)\)")

# BIRD 3 writes ospf_metric1 for the OSPF.metric1 of BIRD 2, bgp_path for its BGP.as_path, and lists among the attributes what
# a route's first line says, too.
_OWNERS = {"bgp": "BGP", "ospf": "OSPF", "rip": "RIP"}
_RENAMED = {"bgp_path": "BGP.as_path"}
_SAID_BEFORE = {"preference", "igp_metric", "from", "source", "hostentry", "Internal route handling values"}


def parse_routes(text: str, *, details: bool = False) -> Tuple[Route, ...]:
    """Parse ``show route`` or ``show route all`` (``details``), also for one prefix or table.

    Returns one Route per path in the daemon's order, () also where the daemon says that the network was not found.

    Plain text (without reply codes) that ends inside a route raises only if its next hop, its type or, of BGP, its mandatory
    attributes are missing: nothing tells how many optional attributes follow.

    Raises ParseError for a line that no rule matches or an incomplete route; ReplyError where BIRD answered with an error.

    Source: BIRD nest/rt-show.c rt_show_rte(); samples of 2.0.12, 2.17.5 and 3.1.7 in tests/parse.
    """
    try:
        reply = read_reply(text)
    except ReplyError as error:
        if error.code == _NOT_FOUND_CODE:
            return ()
        raise
    if reply.lines == (_NOT_FOUND_LINE,):
        return ()
    rows = parse_rows("bird_show_route", reply)
    with refused_values():
        return tuple(_route(row, details=details) for row in rows)


def _route(row: Row, *, details: bool) -> Route:
    prefix = row["prefix"]
    where = f"route {prefix} of {row['protocol']}"
    matched = _PREFERENCE.match(row["preference"])
    if not matched:
        raise ParseError(f"expected preference and metric, found ({row['preference']})", where=where)
    hops = tuple(_next_hop(hop, where) for hop in elements(row, "next_hops"))
    destination = row.get("destination")
    attributes = _attributes(elements(row, "attributes"))
    bgp = _bgp(attributes)
    source = row.get("source") or attributes.get("source")
    _require_whole_route(row, where, source=source, hops=hops, bgp=bgp, details=details)
    primary, learned_from, metric = row.get("primary"), row.get("learned_from"), matched["metric"]
    origin = _ORIGIN_ASN.match(row.get("origin") or "")
    return Route(
        prefix=prefix,
        destination=destination,
        protocol=row["protocol"],
        since=row["since"],
        table=row.get("table"),
        best=primary is not None,
        sync_error=primary == "!",
        learned_from=ip_address(learned_from) if learned_from else None,
        preference=int(matched["preference"]),
        metric=int(metric) if metric and metric.isdigit() else None,
        resolvable=(metric != "-") if metric else None,
        stale=bool(matched["stale"]),
        suppressed=bool(matched["suppressed"]),
        origin_asn=int(origin[1]) if origin else None,
        next_hops=hops,
        source=source,
        scope=row.get("scope"),
        bgp=bgp,
        attributes={name: value for name, value in attributes.items() if _is_other(name)} or None,
    )


def _require_whole_route(
    row: Row,
    where: str,
    *,
    source: Optional[str],
    hops: Tuple[RouteNextHop, ...],
    bgp: Optional[BgpAttributes],
    details: bool,
) -> None:
    missing = None
    if row.get("destination") == "unicast" and not hops:
        missing = "next hop"
    elif len(hops) == 1 and hops[0].weight is not None:  # printed where there are several
        missing = "second next hop"
    elif details and source is None:
        missing = "type"
    elif source == "BGP" and (bgp is None or bgp.origin is None or bgp.local_preference is None):
        missing = "mandatory BGP attributes"
    if missing:
        raise ParseError(f"its {missing} is missing: the output ends inside the route", where=where)


def _next_hop(text: str, where: str) -> RouteNextHop:
    matched = _NEXT_HOP.match(text)
    if not matched:
        raise ParseError(f"expected a next hop, found {text!r}", where=where)
    address, weight, labels = matched["address"], matched["weight"], matched["labels"]
    return RouteNextHop(
        interface=matched["interface"],
        address=ip_address(address) if address else None,
        weight=int(weight) if weight else None,
        onlink=bool(matched["onlink"]),
        mpls_labels=tuple(int(label) for label in labels.split("/")) if labels else (),
    )


def _attributes(lines: Tuple[str, ...]) -> Dict[str, str]:
    """``BGP.origin: IGP`` or ``bgp_origin: IGP`` lines, by BIRD 2's name; lines that begin with a tab continue the one before.
    Undefined ones are left out.
    """
    found: Dict[str, str] = {}
    name = ""
    for line in lines:
        if line.startswith("\t"):
            found[name] = f"{found.get(name, '')} {line.strip()}"
        else:
            name, _, value = line.partition(":")
            owner, _, rest = name.partition("_")
            if owner in _OWNERS:
                name = _RENAMED.get(name, f"{_OWNERS[owner]}.{rest}")
            found[name] = value.strip()
    return {name: value for name, value in found.items() if value != "undefined"}


def _is_other(name: str) -> bool:
    """Whether it belongs to neither BGP nor the route itself."""
    return not name.startswith("BGP.") and name not in _SAID_BEFORE


def _bgp(attributes: Dict[str, str]) -> Optional[BgpAttributes]:
    found = {name[4:]: value for name, value in attributes.items() if name.startswith("BGP.")}
    if not found:
        return None
    med, local_preference = found.pop("med", None), found.pop("local_pref", None)
    return BgpAttributes(
        origin=found.pop("origin", None),
        as_path=tuple(_AS_PATH.findall(found.pop("as_path", ""))),
        next_hops=tuple(ip_address(hop) for hop in found.pop("next_hop", "").split()),
        med=int(med) if med else None,
        local_preference=int(local_preference) if local_preference else None,
        originator_id=found.pop("originator_id", None),
        cluster_list=tuple(found.pop("cluster_list", "").split()),
        communities=_communities(found.pop("community", "")),
        extended_communities=_communities(found.pop("ext_community", "")),
        large_communities=_communities(found.pop("large_community", "")),
        other=found or None,
    )


def _communities(text: str) -> Tuple[str, ...]:
    """``(65000, 1, 7) (rt, 65001, 99)`` as ("65000:1:7", "rt:65001:99")."""
    return tuple(":".join(part.strip() for part in community.split(",")) for community in _COMMUNITY.findall(text))


def parse_route_counts(text: str) -> Tuple[TableCount, ...]:
    """Parse ``show route count``: one TableCount per table, in the daemon's order.

    Raises ParseError where the total does not match the tables (a cut inside plain text that left no second table goes
    unnoticed); ReplyError where BIRD answered with an error.

    Source: BIRD 2.0.12 nest/rt-show.c rt_show_cont().
    """
    rows = parse_rows("bird_show_route_count", read_reply(text))
    counts = tuple(
        TableCount(
            table=row["table"], shown=int(row["shown"]), routes=int(row["routes"]), networks=int(row["networks"])
        )
        for row in rows
        if "table" in row
    )
    totals = [row for row in rows if "tables" in row]
    found = (len(counts), sum(c.shown for c in counts), sum(c.routes for c in counts), sum(c.networks for c in counts))
    expected = [tuple(int(row[key]) for key in ("tables", "shown", "routes", "networks")) for row in totals]
    if expected != ([found] if len(counts) > 1 else []):
        raise ParseError(
            f"expected {'a total of' if totals else 'no total for'} {found[0]} tables with {found[1]} of {found[2]} routes "
            f"for {found[3]} networks, found {expected}: the output was cut or changed"
        )
    return counts
