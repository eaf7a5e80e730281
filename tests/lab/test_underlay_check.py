"""A change that loses a neighbour of the underlay is found out by the device, and taken back."""

from __future__ import annotations

import pytest

from tests.lab.labs import ROOT
from tests.lab.quick_lab import quick_lab
from tests.unit.inventory_texts import texts
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

SITE = "pops/site1.yml"
LINK = "ospf_v4:eth0"


def test_a_change_that_loses_its_neighbour_is_taken_back(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One end of a link is put into another area: the device misses its neighbour, and has it again after the way back."""
    files = texts(ROOT / "inventory/examples/two-routers-rip")
    files[SITE] = files[SITE].replace("protocol: rip", "protocol: ospf")
    network = files["network.yml"].replace("daemon: frr", "daemon: bird")
    files["network.yml"] = network.replace("version: 8.4.4", "version: 2.0.12")
    with quick_lab(tmp_path_factory.mktemp("ospf"), files, name="ospf") as up:
        up.project("deploy", "site1", "--yes")

        def told(router: str) -> dict[str, str]:
            """The neighbours of a router and their states, as status has them."""
            (device,) = up.project("status", router, "-o", "json").document["devices"]
            assert {row["protocol"] for row in device["sessions"]} == {"ospf"}
            return {row["name"]: row["state"] for row in device["sessions"]}

        wait_until(
            lambda: told("r1.site1") == told("r2.site1") == {LINK: "up"}, timeout_s=60, what="both have a neighbour"
        )
        up.project.patch("bird/underlay_ospf.conf.j2", "area {{ underlay.area|bird_number }}", "area 9")
        said = up.project("deploy", "r1.site1", "--yes", code=6)
        assert f"{LINK}: nobody there, expected a neighbour that is up" in said.out + said.err
        wait_until(lambda: told("r1.site1") == {LINK: "up"}, timeout_s=60, what="r1 has its neighbour back")
