"""Networks that nobody may announce to a POP's switches, beside our own prefixes and special-purpose space."""

from __future__ import annotations

from collections.abc import Iterator

from netorch.model.bogons import BOGON_PREFIXES, GLOBAL_UNICAST
from netorch.model.inventory import Inventory, Pop
from netorch.model.types import Family, IPNetwork, family_of, is_inside


def excluded_networks(inventory: Inventory, pop: Pop) -> tuple[IPNetwork, ...]:
    """The networks of the POP's circuits, fabrics and routers (RFC 7454 section 6.1.5), and what the policy lists, without what
    is refused anyhow. In order, none inside of another."""
    wanted = {*inventory.policy.never_accept, *_links(pop)}
    outer: list[IPNetwork] = []
    for network in sorted(wanted, key=lambda one: (one.version, int(one.network_address), one.prefixlen)):
        refused = (*outer, *inventory.own_prefixes, *(bogon.prefix for bogon in BOGON_PREFIXES[family_of(network)]))
        if _is_global(network) and not any(is_inside(network, other) for other in refused):
            outer.append(network)
    return tuple(outer)


def _links(pop: Pop) -> Iterator[IPNetwork]:
    for circuit in pop.circuits:
        for family in Family:
            addresses = circuit.addresses(family)
            if addresses is not None:
                yield addresses.local.network
    for switch in pop.switches:
        yield switch.fabric_ipv4.network
        yield switch.fabric_ipv6.network
    for router in pop.routers:
        for interface in router.interfaces:
            for own in (interface.ipv4, interface.ipv6):
                if own is not None:
                    yield own.network


def _is_global(network: IPNetwork) -> bool:
    universe = GLOBAL_UNICAST[family_of(network)]
    return universe is None or is_inside(network, universe)
