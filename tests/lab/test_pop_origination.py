"""What follows when hosts or providers come and go: announcements and the choice among providers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netorch.lab import set_service
from netorch.model.types import Family
from tests.lab.deployed_pop import (
    HOSTS,
    SERVICE_PREFIX,
    FirstDeploy,
    announced_to,
    circuits,
    expected_main_table,
    kernel_routes,
    neighbors,
    wait_until_complete,
)
from tests.waiting import wait_until

pytestmark = pytest.mark.lab


@pytest.fixture
def silenced(pop: FirstDeploy) -> Iterator[FirstDeploy]:
    """The POP with BIRD stopped on every host."""
    for host in HOSTS:
        set_service(host, "bird", pop.lab.settings, running=False)
    yield pop
    for host in HOSTS:
        set_service(host, "bird", pop.lab.settings, running=True)
    wait_until_complete(pop)


def _announced(pop: FirstDeploy) -> set[tuple[str, ...]]:
    """What each provider has from us, per circuit and family; one element if all is alike."""
    return {
        tuple(announced_to(pop.lab, circuit, family)) for circuit in circuits(pop.lab.inventory) for family in Family
    }


def test_prefixes_are_announced_while_a_host_originates_them(silenced: FirstDeploy) -> None:
    """Without a host that originates them the prefixes are withdrawn from every provider; one host brings them back."""
    wait_until(lambda: _announced(silenced) == {()}, timeout_s=20, what="every provider has lost the prefixes")
    set_service("h2.pop1", "bird", silenced.lab.settings, running=True)
    everywhere = {(prefix,) for prefix in SERVICE_PREFIX.values()}
    wait_until(lambda: _announced(silenced) == everywhere, timeout_s=30, what="every provider has the prefixes again")


@pytest.mark.parametrize("family", list(Family), ids=lambda family: family.value)
def test_next_best_providers_share_the_load(pop: FirstDeploy, family: Family) -> None:
    """Without the peer its prefixes move to the transits: over all three circuits where both have equal paths."""
    inventory = pop.lab.inventory
    wanted = expected_main_table(inventory, family, providers=("northtel", "southnet"))
    all_three = neighbors(inventory, "northtel", family) | neighbors(inventory, "southnet", family)
    assert sum(hops == all_three for hops in wanted.values()) > 20

    def has_moved() -> bool:
        found = kernel_routes(pop.lab, "h1.pop1", family, "main", proto="bird")
        return {prefix: hops for prefix, hops in found.items() if prefix.prefixlen < family.host_length} == wanted

    set_service("meadow", "bird", pop.lab.settings, running=False)
    try:
        wait_until(has_moved, timeout_s=30, what="the routes have moved to the transits")
    finally:
        set_service("meadow", "bird", pop.lab.settings, running=True)
        wait_until_complete(pop)
