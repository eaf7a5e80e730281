"""The routing daemon's own routes to single addresses, in its own words."""

from __future__ import annotations

import ipaddress
import json
import re

from netorch.agent.outcome import Refused, Stop
from netorch.model.types import read_address, read_network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List

    from netorch.model.types import IPAddress, IPNetwork

_SHORTEST = {4: 1, 6: 1}


def routes_of(daemon: str, queries: List[Dict[str, Any]], *, wider: bool) -> Iterator[Dict[str, Any]]:
    """For each of ``queries`` the members ``daemon`` and ``wider`` of a TraceFinding. A daemon that does not answer is told with
    each of them."""
    if daemon not in ("bird", "frr"):
        raise Refused(f"this agent cannot ask the daemon {daemon!r}", hint="supported: bird, frr")
    reader = _read_bird if daemon == "bird" else _read_frr
    try:
        yield from reader(queries, wider=wider)
    except Stop as exc:
        for query in queries:
            yield {"daemon": [{"table": table, "error": exc.message} for table in query["tables"]]}


def _read_bird(queries: List[Dict[str, Any]], *, wider: bool) -> Iterator[Dict[str, Any]]:
    from netorch.agent.bird import Bird

    found: List[Dict[str, Any]] = []
    with Bird() as control:
        for query in queries:
            address = checked_address(query["destination"])
            texts = []
            for table in query["tables"]:
                reply = control.try_ask(f"show route for {address} table {_symbol(table)} all")
                is_error = reply.code >= 8000 and reply.code != _NOT_FOUND
                texts.append({"table": table, **({"error": reply.lines[-1]} if is_error else {"text": reply.text})})
            found.append({"daemon": texts})
    yield from found


_NOT_FOUND = 8001


def checked_address(text: str) -> IPAddress:
    """What goes into a daemon's command is an address and nothing else, whoever asks."""
    try:
        return read_address(text)
    except ValueError as exc:
        raise Refused(f"destination: {exc}") from None


def _symbol(table: str) -> str:
    if not table.replace("_", "").isalnum():
        raise Refused(f"{table!r} cannot be the name of a table")
    return f"'{table}'"


def count_inside(request: Dict[str, Any]) -> Dict[str, Any]:
    """An InsideAnswer."""
    try:
        network = read_network(request["prefix"])
    except ValueError as exc:
        raise Refused(f"prefix: {exc}") from None
    if request["daemon"] == "frr":
        return _count_frr(network, request["views"])
    from netorch.agent.bird import Bird

    with Bird() as control:
        where = f"where net ~ [ {network}+ ] && source = RTS_BGP && dest = RTD_UNICAST"

        def count(table: str) -> int:
            said = control.ask(f"show route table {_symbol(table)} primary {where} count").text
            found = re.search(r"(\d+) of \d+ routes for \d+ networks", said)
            if found is None:
                raise Refused(f"BIRD counts in another way than expected: {said[:200]!r}")
            return int(found.group(1))

        every = count(f"master{network.version}")
        return {"all": every, "of_views": [count(view["table"]) for view in request["views"]]}


def _count_frr(network: IPNetwork, views: List[Dict[str, Any]]) -> Dict[str, Any]:
    from netorch.agent.frr_vty import Vty

    bgpd = Vty("bgpd")
    try:
        text = bgpd.ask(f"show bgp ipv{network.version} unicast {network} longer-prefixes json")
    finally:
        bgpd.close()
    routes = json.loads(text or "{}").get("routes", {})
    reached = [
        {hop.get("ip") for path in paths if path.get("valid") for hop in path.get("nexthops", ())}
        for paths in routes.values()
    ]
    known = {address for view in views for address in view["next_hops"]}
    of_views = [sum(bool(hops & set(view["next_hops"])) for hops in reached) for view in views]
    return {"all": sum(bool(hops & known) for hops in reached), "of_views": of_views}


def _read_frr(queries: List[Dict[str, Any]], *, wider: bool) -> Iterator[Dict[str, Any]]:
    from netorch.agent.frr_vty import Vty

    found: List[Dict[str, Any]] = []
    bgpd = Vty("bgpd")
    try:
        for query in queries:
            address = checked_address(query["destination"])
            head = f"show bgp ipv{address.version} unicast"
            texts = [{"table": table, "text": bgpd.ask(f"{head} {address} json")} for table in query["tables"]]
            more = []
            if wider and query["tables"]:
                for length in range(address.max_prefixlen - 1, _SHORTEST[address.version] - 1, -1):
                    network = ipaddress.ip_network(f"{address}/{length}", strict=False)
                    text = bgpd.ask(f"{head} {network} json")
                    if '"paths"' in text:
                        more.append(text)
            found.append({"daemon": texts, "wider": more})
    finally:
        bgpd.close()
    yield from found
