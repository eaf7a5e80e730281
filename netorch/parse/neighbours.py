"""``show ospf neighbors`` and ``show rip neighbors``: a neighbour is told like a session."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Tuple

from netorch.model.state import Channel, Protocol
from netorch.parse.framing import read_reply
from netorch.parse.textfsm_rows import Row, parse_rows, refused_values

RIP_SILENT_S = 90.0
"""A neighbour that has told nothing for so long is not up: two updates were missed, which come every 30 s, 45 s at most (RFC 2453
section 3.8). Daemons forget it after 180 s."""

_ADJACENT = "Full"  # RFC 2328 section 10.1; between routers on a link alone there is no other state to stay in


def parse_ospf_neighbors(text: str) -> Tuple[Protocol, ...]:
    """Parse ``show ospf neighbors NAME``: one Protocol per neighbour, named ``NAME:INTERFACE``; none if NAME is not up.

    ``state`` is ``up`` once the neighbour is adjacent, ``start`` before; ``info`` is OSPF's own word (``Full/PtP``).

    Raises ParseError for a line that no rule matches; ReplyError where BIRD answered with an error.

    Source: BIRD 2.0.12 proto/ospf/neighbor.c ospf_sh_neigh_info().
    """
    rows = parse_rows("bird_show_ospf_neighbors", read_reply(text))
    with refused_values():
        return tuple(_ospf(row) for row in rows)


def _ospf(row: Row) -> Protocol:
    return Protocol(
        name=f"{row['protocol']}:{row['interface']}",
        protocol="OSPF",
        state="up" if row["state"].startswith(f"{_ADJACENT}/") else "start",
        info=row["state"],
        neighbor_address=ip_address(row["address"]),
        neighbor_id=row["router_id"],
    )


def parse_rip_neighbors(text: str) -> Tuple[Protocol, ...]:
    """Parse ``show rip neighbors NAME``: one Protocol per neighbour, named ``NAME:INTERFACE``, with the routes that it announced.
    ``state`` is ``start`` for one that has been silent for ``RIP_SILENT_S``, else ``up``.

    Raises ParseError for a line that no rule matches; ReplyError where BIRD answered with an error.

    Source: BIRD 2.0.12 proto/rip/rip.c rip_show_neighbors().
    """
    rows = parse_rows("bird_show_rip_neighbors", read_reply(text))
    with refused_values():
        return tuple(_rip(row) for row in rows)


def _rip(row: Row) -> Protocol:
    address = ip_address(row["address"])
    return Protocol(
        name=f"{row['protocol']}:{row['interface']}",
        protocol="RIP",
        state="up" if float(row["silent_s"]) < RIP_SILENT_S else "start",
        neighbor_address=address,
        channels=(Channel(f"ipv{address.version}", state="UP", routes_imported=int(row["routes"])),),
    )
