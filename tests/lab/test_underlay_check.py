"""Two routers with OSPF, one of either daemon: what loses the neighbour is taken back; a program's routes stay where they are."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.lab.labs import ROOT
from tests.lab.quick_lab import QuickLab, quick_lab
from tests.unit.inventory_texts import edited, texts
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

SITE, NETWORK = "pops/site1.yml", "network.yml"
ROUTERS = ("r1.site1", "r2.site1")
LINK = "ospf_v4:eth0"
ROUTE = {"prefix": "10.99.0.0/16", "type": "blackhole"}


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    files = texts(ROOT / "inventory/examples/two-routers-rip")
    files[SITE] = files[SITE].replace("protocol: rip", "protocol: ospf")
    files = edited(files, SITE, ("  - name: r1\n", "  - name: r1\n    daemon: bird\n    version: 2.0.12\n"))
    files = edited(files, NETWORK, ("plugins: []", "plugins: [routes]"))
    with quick_lab(tmp_path_factory.mktemp("ospf"), files, name="ospf") as up:
        up.project("deploy", "site1", "--yes")
        wait_until(
            lambda: all(told(up, name) == {LINK: "up"} for name in ROUTERS), timeout_s=60, what="both have a neighbour"
        )
        yield up


def told(quick: QuickLab, router: str) -> dict[str, str]:
    """The neighbours of a router and their states, as status has them."""
    (device,) = quick.project("status", router, "-o", "json").document["devices"]
    assert {row["protocol"] for row in device["sessions"]} == {"ospf"}
    return {row["name"]: row["state"] for row in device["sessions"]}


def routed(quick: QuickLab, router: str) -> bool:
    """Whether the router's kernel has the program's route."""
    return bool(json.loads(quick.lab.run(router, "ip", "-j", "route", "show", ROUTE["prefix"])))


@pytest.mark.parametrize(("own", "other"), [ROUTERS, ROUTERS[::-1]])
def test_routes_of_a_program_are_its_routers_alone(quick: QuickLab, own: str, other: str) -> None:
    """A router of either daemon has what a program sets, until that withdraws it; the underlay tells nobody."""
    file = quick.project.folder / "routes.json"
    file.write_text(json.dumps(ROUTE))
    quick.project("routes", "set", "prog", own, "--file", str(file))
    assert (routed(quick, own), routed(quick, other)) == (True, False)
    assert quick.project("routes", "list").out.startswith("1 route of 1 owner\n")
    assert told(quick, other) == {LINK: "up"}
    quick.project("routes", "withdraw", "prog")
    assert not routed(quick, own)
    assert quick.project("routes", "list").out == "no routes\n"


def test_a_change_that_loses_its_neighbour_is_taken_back(quick: QuickLab) -> None:
    """One end of a link is put into another area: the device misses its neighbour, and has it again after the way back."""
    quick.project.patch("bird/underlay_ospf.conf.j2", "area {{ underlay.area|bird_number }}", "area 9")
    said = quick.project("deploy", "r1.site1", "--yes", code=6)
    assert f"{LINK}: nobody there, expected a neighbour that is up" in said.out + said.err
    wait_until(lambda: told(quick, "r1.site1") == {LINK: "up"}, timeout_s=60, what="r1 has its neighbour back")
