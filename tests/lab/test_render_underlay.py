"""Rendered underlays on real daemons of both kinds: they speak to each other, and every LAN is reachable from every other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import pytest

from netorch.model.types import Family
from tests.lab.frr_node import canonical
from tests.lab.underlay_bed import STRANGE, Bed, router, underlay_bed
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

RELEASES = {"r1": ("frr", "8.4.4"), "r2": ("bird", "2.0.12"), "r3": ("frr", "10.3")}

FAMILIES = pytest.mark.parametrize("family", list(Family), ids=lambda family: family.value)
UNNUMBERED = ("r1:to3", "r3:to1")


@pytest.fixture(scope="module", params=["rip", "ospf", "bgp"])
def bed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """Routers that have every route; nobody changes them."""
    pop = request.param
    releases = {f"{name}.{pop}": release for name, release in RELEASES.items()}
    unnumbered = UNNUMBERED if pop == "bgp" else ()
    with underlay_bed(tmp_path_factory.mktemp(pop), pop, releases, unnumbered=unnumbered) as running:
        for name in releases:
            for family in Family:
                wait_until(
                    lambda name=name, family=family: lans(running, name, family) <= set(running.routes(name, family)),  # type: ignore[misc]
                    timeout_s=60,
                    what=f"{name} has every {family.value} LAN",
                )
        yield running


def lans(bed: Bed, name: str, family: Family) -> set[str]:
    """The LANs of the others."""
    number = {"rip": 16, "ospf": 17, "bgp": 18}[name.partition(".")[2]]
    others = {1, 2, 3} - {int(name[1])}
    if family is Family.IPV4:
        return {f"172.{number}.{other}.0/24" for other in others}
    return {f"fd00:{number}:{other}::/64" for other in others}


def test_frr_runs_exactly_what_was_rendered(bed: Bed) -> None:
    """The running configuration is the text, and FRR would change nothing."""
    for name, node in bed.frr.items():
        assert node.running() == canonical(bed.text(name)), name
        assert node.differences().strip() == "", name


@FAMILIES
def test_every_lan_reaches_every_other(bed: Bed, family: Family) -> None:
    """Packets between the routers' addresses in their LANs find the way there and back."""
    ends = {name: router(bed, name).interface("lan0").address(family) for name in bed.releases}
    for (name, own), (other, far) in permutations(ends.items(), 2):
        assert own is not None
        assert far is not None
        wait_until(
            lambda name=name, own=own, far=far: bed.reaches(name, own.ip, far.ip),  # type: ignore[misc]
            timeout_s=60,
            what=f"{name} reaches {other}",
        )


@FAMILIES
def test_costs_choose_the_way(bed: Bed, family: Family) -> None:
    """The direct link is taken, but for OSPF, where its cost is set above that of the way around."""
    pop = next(iter(bed.releases)).partition(".")[2]
    lan = router(bed, f"r3.{pop}").interface("lan0").address(family)
    assert lan is not None
    wait_until(
        lambda: bed.routes(f"r1.{pop}", family)[str(lan.network)] == {"to2" if pop == "ospf" else "to3"},
        timeout_s=60,
        what="the last session is up and its way taken",
    )


@FAMILIES
def test_nothing_else_is_learned(bed: Bed, family: Family) -> None:
    """The main tables hold what the inventory has: no other network that a router's LAN has in addition."""
    for name, device in bed.devices.items():
        assert STRANGE[family].format(name[1]) in bed.run(name, "ip", "address", "show", "dev", "lan0")
        assert device.underlay is not None
        known = {str(network) for network in device.underlay.networks if network.version == family.number}
        assert set(bed.routes(name, family)) <= known
