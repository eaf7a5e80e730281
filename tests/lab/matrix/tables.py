"""What the tables of a POP's hosts have too little or too much, whatever daemon fills them (docs/frr.md)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from ipaddress import ip_network

from netorch.model.inventory import Inventory
from netorch.model.types import Family
from tests.lab.deployed_pop import (
    HOSTS,
    PROVIDERS,
    Hops,
    expected_main_table,
    expected_provider_table,
    host_of,
    kernel_routes,
    mark,
    neighbors,
    service,
)
from tests.lab.labs import Lab
from tests.waiting import wait_until

KERNEL_NAMES = {"bird": "bird", "frr": "bgp"}
"""How iproute2 calls the routes that a daemon installs."""

DEFAULT = {Family.IPV4: ip_network("0.0.0.0/0"), Family.IPV6: ip_network("::/0")}


def provider_table(inventory: Inventory, host: str, provider: str, *, family: Family) -> Hops:
    """What the host has in the table of a provider: with BIRD what that announces, with FRR a default route to one of transit."""
    if host_of(inventory, host).daemon == "bird":
        return expected_provider_table(inventory, provider, family)
    if inventory.provider(provider).relation != "transit":
        return {}
    return {DEFAULT[family]: neighbors(inventory, provider, family)}


def differences(
    lab: Lab, families: Iterable[Family] = Family, *, providers: tuple[str, ...] = PROVIDERS
) -> Iterator[str]:
    """In words, where a host of POP1 holds too little or too much: ``providers`` announce, those that are left out do not. Of the
    main table what the daemon put there counts, with the other hosts' service addresses."""
    for family, host in itertools.product(families, HOSTS):
        others = {service(lab.inventory, other, family) for other in HOSTS if other != host}
        kernel_name = KERNEL_NAMES[host_of(lab.inventory, host).daemon]
        held = kernel_routes(lab, host, family, "main", proto=kernel_name)
        services = {prefix for prefix in held if prefix.prefixlen == family.host_length}
        if {str(prefix.network_address) for prefix in services} != others:
            yield f"{host} has services of {family.value}: {sorted(map(str, services))}"
        learned = {prefix: hops for prefix, hops in held.items() if prefix not in services}
        wanted = expected_main_table(lab.inventory, family, providers=providers)
        yield from _told(f"{host}: main table of {family.value}", learned, wanted)
        for provider in PROVIDERS:
            table = kernel_routes(lab, host, family, mark(lab.inventory, provider))
            if provider in providers:
                full = provider_table(lab.inventory, host, provider, family=family)
                yield from _told(f"{host}: {family.value} of {provider}", table, full)
            elif host_of(lab.inventory, host).daemon == "bird":
                yield from _told(f"{host}: {family.value} of {provider}", table, {})


def _told(place: str, held: Hops, wanted: Hops) -> Iterator[str]:
    wrong = held.items() ^ wanted.items()
    if wrong:
        yield f"{place} differs in {len(wrong)}: {sorted(map(str, wrong))[:3]}"


def wait_until_exact(
    lab: Lab, families: Iterable[Family] = Family, *, providers: tuple[str, ...] = PROVIDERS, timeout_s: float = 60
) -> None:
    """Return once every host holds what the providers announce, in every table and family, and no more."""
    last: list[str] = []

    def is_exact() -> bool:
        last[:] = itertools.islice(differences(lab, families, providers=providers), 1)  # the next look is not far
        return not last

    try:
        wait_until(is_exact, timeout_s=timeout_s, what="exact tables")
    except AssertionError as error:
        raise AssertionError(f"{error}: {'; '.join(last)}") from None
