"""What the routes of a running POP are, and what they ought to be."""

from __future__ import annotations

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
