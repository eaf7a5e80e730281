"""What the tables of a POP's hosts have too little or too much, whatever daemon fills them (docs/frr.md)."""

from __future__ import annotations

from collections.abc import Iterable
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


def differences(lab: Lab, families: Iterable[Family] = Family) -> list[str]:
    """In words; [] where every host of POP1 holds exactly what it is to hold."""
    found = []
    for family in families:
        wanted = expected_main_table(lab.inventory, family).items()
        for host in HOSTS:
            kernel_name = KERNEL_NAMES[host_of(lab.inventory, host).daemon]
            missing = wanted - kernel_routes(lab, host, family, "main", proto=kernel_name).items()
            if missing:
                examples = sorted(map(str, missing))[:3]
                found.append(f"{host} misses {len(missing)} of {family.value} in main: {examples}")
            for provider in PROVIDERS:
                table = kernel_routes(lab, host, family, mark(lab.inventory, provider))
                wrong = table.items() ^ provider_table(lab.inventory, host, provider, family=family).items()
                if wrong:
                    examples = sorted(map(str, wrong))[:3]
                    found.append(f"{host} differs in {len(wrong)} of {family.value} of {provider}: {examples}")
    return found


def wait_until_exact(lab: Lab, families: Iterable[Family] = Family, *, timeout_s: float = 60) -> None:
    """Return once every host holds what the providers announce, in every table and family, and no more."""
    last: list[str] = []

    def is_exact() -> bool:
        last[:] = differences(lab, families)
        return not last

    try:
        wait_until(is_exact, timeout_s=timeout_s, what="exact tables")
    except AssertionError as error:
        raise AssertionError(f"{error}: {'; '.join(last)}") from None
