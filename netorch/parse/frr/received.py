"""What a neighbour sent to FRR: ``received-routes``, ``filtered-routes`` and ``routes`` of ``show bgp ... neighbors ADDRESS``."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import FrozenSet, Optional, Tuple

from netorch.model.rejected import Received
from netorch.parse.frr.answer import Fields, read_json
from netorch.parse.textfsm_rows import refused_values

_HOPS = ("nextHop", "nextHopGlobal")


def read_received(text: str) -> Optional[Tuple[Received, ...]]:
    """Read ``received-routes json`` or ``filtered-routes json``: a route for every prefix; None where FRR keeps nothing of what
    the neighbour sent (``soft-reconfiguration inbound``).

    Raises ParseError for what is not such an answer, or cut; FrrError where FRR complains.

    Source: FRR bgpd/bgp_route.c show_adj_route(), route_vty_out_tmp(); samples of 8.4.4 and 10.3 in tests/unit/test_rejected.py.
    """
    found = Fields(read_json(text), "answer")
    if not found.is_object("receivedRoutes"):
        return () if found.has("totalPrefixCounter") else None
    table = found.part("receivedRoutes")
    with refused_values():
        return tuple(_received(table.part(prefix), prefix) for prefix in table.named())


def read_accepted(text: str) -> FrozenSet[str]:
    """Read ``show bgp FAMILY unicast neighbors ADDRESS routes json``: the prefixes that were accepted of it.

    Raises as ``read_received``. Source: FRR bgpd/bgp_route.c bgp_show_table().
    """
    return frozenset(Fields(read_json(text), "answer").part("routes").named())


def read_withdrawn(text: str) -> Optional[int]:
    """Read ``show bgp neighbors ADDRESS json``: how many announcements were taken as withdrawals (RFC 7606); None where FRR does
    not count them, as 8.4.4.

    Raises as ``read_received``. Source: FRR bgpd/bgp_vty.c bgp_show_peer() "prefixStats"; samples of both in tests/parse.
    """
    for _, row in Fields(read_json(text), "answer").members():
        if row.is_object("prefixStats"):
            return row.part("prefixStats").number("withdrawn")
    return None


def _received(row: Fields, prefix: str) -> Received:
    hop = next((found for name in _HOPS for found in (row.text(name),) if found), None)
    path = tuple((row.text("path") or "").split())
    return Received(ip_network(prefix), path, ip_address(hop) if hop else None)
