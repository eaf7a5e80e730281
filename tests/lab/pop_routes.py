"""What the routes of a running POP are, and what they ought to be."""

from __future__ import annotations

import re

from netorch.model.types import Family
from tests.lab.bird_pop import PROVIDERS, Pop, circuits
from tests.lab.provider_bird import good_routes

TABLES = {"northtel": "1001", "southnet": "1002", "meadow": "1003"}


def is_complete(pop: Pop, host: str) -> bool:
    """Whether every provider's table of ``host`` has as many routes, with as many next hops, as it is going to have."""
    return all(
        next_hops(pop, host, family, TABLES[provider])
        == {prefix: provider_hops(pop, provider, family) for prefix in good_routes(pop.inventory, provider, family)}
        for provider in PROVIDERS
        for family in Family
    )


def next_hops(pop: Pop, node: str, family: Family, table: str = "main") -> dict[str, set[str]]:
    """The gateways of BIRD's routes in a kernel table, by destination."""
    return {
        destination: {hop["gateway"] for hop in route.get("nexthops", [route])}
        for destination, route in pop.routes(node, family, table).items()
    }


def provider_hops(pop: Pop, provider: str, family: Family) -> set[str]:
    """The provider's addresses on its circuits."""
    found = (circuit.addresses(family) for circuit in circuits(pop.inventory, provider))
    return {str(addresses.neighbor) for addresses in found if addresses is not None}


def announces_own_prefix(pop: Pop, provider: str, family: Family) -> None:
    """Assert that every session to it announces the service prefix alone, with the switch as next hop and no community."""
    prefix = "192.0.2.0/24" if family is Family.IPV4 else "2001:db8:1::/48"
    for circuit in circuits(pop.inventory, provider):
        addresses = circuit.addresses(family)
        assert addresses is not None
        session = f"c{circuit.id}_v{family.number}"
        assert pop.bird_routes(provider, f"protocol {session}") == [prefix]
        shown = pop.birdc(provider, f"show route protocol {session} all")
        assert re.findall(r"BGP.as_path: (.*)", shown) == ["64500"]
        assert re.findall(r"BGP.next_hop: (\S+)", shown) == [str(addresses.local.ip)]
        assert "community" not in shown
