"""Neighbours of OSPF and RIP, told like sessions: ``show ip ospf neighbor json``, ``show ipv6 ospf6 neighbor json``; of RIP,
which has no JSON, ``show ip rip status`` and ``show ipv6 ripng status``."""

from __future__ import annotations

import re
from collections import Counter
from ipaddress import ip_address
from typing import Container, Dict, Iterator, Tuple

from netorch.errors import ParseError
from netorch.model.state import Channel, InterfaceState, Protocol
from netorch.model.types import IPAddress
from netorch.parse.frr.answer import Fields, FrrError, read_json
from netorch.parse.neighbours import RIP_SILENT_S
from netorch.parse.textfsm_rows import refused_values

_ADJACENT = "Full"  # RFC 2328 section 10.1; between routers on a link alone there is no other state to stay in
_SOURCES = "Routing Information Sources:"
_SOURCE = re.compile(
    r"\s+(?P<address>[0-9a-f.:]+)\s+\d+\s+\d+\s+\d+\s+(?P<hours>\d\d):(?P<minutes>\d\d):(?P<seconds>\d\d)"
)
_INTERFACES, _NETWORKS = "    Interface        Send  Recv", "  Routing for Networks:"
_INTERFACE = re.compile(r"^ +(\S+) +\d+ +\d+", re.MULTILINE)
_VIA_RIP = re.compile(r"R\(\w\)\s+\S+\s+[0-9.]+\s+(?P<metric>\d+)\s+(?P<gateway>[0-9.]+)\s")
_VIA_RIPNG = re.compile(r"R\(\w\)\s+\S+\s+(?P<gateway>[0-9a-f:]+)\s+(?P<interface>\S+)\s+(?P<metric>\d+)\s")
_UNREACHABLE = 16  # RFC 2453 section 3.6; such routes are kept for two minutes more


def read_ospf_neighbors(text: str) -> Tuple[Protocol, ...]:
    """Read ``show ip ospf neighbor json``: one Protocol per neighbour, named ``ospf_v4:INTERFACE``.

    ``state`` is ``up`` once the neighbour is adjacent, ``start`` before; ``info`` is OSPF's own word (``Full/-``).

    Raises ParseError for what is not such an answer, or cut; FrrError where FRR complains.

    Source: FRR ospfd/ospf_vty.c show_ip_ospf_neighbour_brief(); samples of 8.4.4 and 10.3 in tests/parse.
    """
    neighbors = Fields(read_json(text), "answer").part("neighbors")
    with refused_values():
        return tuple(
            _ospf("ospf_v4", row, router_id, interface=row.required_text("ifaceName").partition(":")[0], state=state)
            for router_id in neighbors.named()
            for row in neighbors.parts(router_id)
            for state in (row.text("nbrState") or row.required_text("state"),)
        )


def read_ospf6_neighbors(text: str) -> Tuple[Protocol, ...]:
    """Read ``show ipv6 ospf6 neighbor json``: as ``read_ospf_neighbors``, named ``ospf_v6:INTERFACE``. FRR tells no addresses.

    Source: FRR ospf6d/ospf6_neighbor.c ospf6_neighbor_show(); samples of 8.4.4 and 10.3 in tests/parse.
    """
    neighbors = Fields(read_json(text), "answer").parts("neighbors")
    with refused_values():
        return tuple(
            _ospf(
                "ospf_v6",
                row,
                row.required_text("neighborId"),
                interface=row.required_text("interfaceName"),
                state=row.required_text("state"),
            )
            for row in neighbors
        )


def _ospf(instance: str, row: Fields, router_id: str, *, interface: str, state: str) -> Protocol:
    address = row.text("ifaceAddress") or row.text("address")
    return Protocol(
        name=f"{instance}:{interface}",
        protocol="OSPF",
        state="up" if state.partition("/")[0] == _ADJACENT else "start",
        info=state,
        neighbor_address=ip_address(address) if address else None,
        neighbor_id=router_id,
    )


def read_rip_neighbors(status: str, table: str, interfaces: Tuple[InterfaceState, ...]) -> Tuple[Protocol, ...]:
    """Read ``show ip rip status``: one Protocol per neighbour, named ``rip_v4:INTERFACE`` by the subnet of ``interfaces`` that
    it is in, with the routes that ``table``, ``show ip rip``, has of it. ``state`` is ``start`` for one that has been silent
    for ``RIP_SILENT_S``, else ``up``. One at an interface that is down is left out, as BIRD does.

    Raises ParseError for what is not such an answer, or cut; FrrError where FRR complains.

    Source: FRR ripd/ripd.c show_ip_rip_status(), ripd/rip_peer.c rip_peer_display(); samples of 8.4.4 and 10.3 in tests/parse.
    """
    routes = Counter(found["gateway"] for found in _VIA_RIP.finditer(table) if int(found["metric"]) < _UNREACHABLE)
    subnets = [(one.name, own.address.network) for one in interfaces if one.up for own in one.addresses]
    with refused_values():
        return tuple(
            _rip("rip_v4", address, interface, routes=routes[str(address)], silent_s=silent_s)
            for address, silent_s in _sources(status)
            for interface in (next((name for name, subnet in subnets if address in subnet), None),)
            if interface is not None
        )


def read_ripng_neighbors(
    status: str, table: str, interfaces: Tuple[InterfaceState, ...], passive: Container[str] = ()
) -> Tuple[Protocol, ...]:
    """Read ``show ipv6 ripng status``: as ``read_rip_neighbors``, named ``rip_v6:INTERFACE``. Only ``table``, which is
    ``show ipv6 ripng``, tells at which interface a neighbour is, by its routes. One that has announced none is at the interface
    that is left, where there is one such neighbour and one interface that speaks, is not ``passive``, and has no neighbour yet;
    else it is left out.

    Source: FRR ripngd/ripngd.c show_ipv6_ripng_status(), ripngd/ripng_peer.c; samples of 8.4.4 and 10.3 in tests/parse.
    """
    places: Dict[str, str] = {}
    routes: Counter[str] = Counter()
    for found in _VIA_RIPNG.finditer(table):
        places[found["gateway"]] = found["interface"]
        routes[found["gateway"]] += int(found["metric"]) < _UNREACHABLE
    up = {one.name for one in interfaces if one.up}
    with refused_values():
        sources = tuple(_sources(status))
        strangers = [str(address) for address, silent_s in sources if silent_s < RIP_SILENT_S]
        strangers = [address for address in strangers if address not in places]
        free = [
            name for name in _speaking(status) if name in up and name not in passive and name not in places.values()
        ]
        if len(strangers) == len(free) == 1:
            places[strangers[0]] = free[0]
        return tuple(
            _rip("rip_v6", address, places[str(address)], routes=routes[str(address)], silent_s=silent_s)
            for address, silent_s in sources
            if places.get(str(address)) in up
        )


def _speaking(status: str) -> Iterator[str]:
    """The interfaces that it speaks on, passive ones among them."""
    _, _, rest = status.partition(_INTERFACES)
    yield from _INTERFACE.findall(rest.partition(_NETWORKS)[0])


def _sources(status: str) -> Iterator[Tuple[IPAddress, int]]:
    """Addresses of neighbours, and for how long each has been silent."""
    if status.lstrip().startswith("%"):
        raise FrrError(status.strip())
    _, heading, rest = status.partition(_SOURCES)
    if not heading:
        raise ParseError(f"expected {_SOURCES!r}, found another answer, or one that was cut", where="answer")
    for found in _SOURCE.finditer(rest):
        hours, minutes, seconds = (int(found[name]) for name in ("hours", "minutes", "seconds"))
        yield ip_address(found["address"]), (hours * 60 + minutes) * 60 + seconds


def _rip(instance: str, address: IPAddress, interface: str, *, routes: int, silent_s: int) -> Protocol:
    return Protocol(
        name=f"{instance}:{interface}",
        protocol="RIP",
        state="up" if silent_s < RIP_SILENT_S else "start",
        neighbor_address=address,
        channels=(Channel(f"ipv{address.version}", state="UP", routes_imported=routes),),
    )
