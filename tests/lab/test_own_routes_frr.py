"""Routes of operators' own programs on devices with FRR; and devices whose FRR somebody else configures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from netorch.lab import exec_in
from tests.lab.own_routes import (
    EDGE,
    HOST,
    NEIGHBOUR,
    OTHER_HOST,
    SINGLE,
    SWITCH,
    WANTED,
    kernel,
    known_to,
    listed,
    set_routes,
)
from tests.lab.quick_lab import QuickLab, only_pop2, quick_lab
from tests.waiting import wait_until

pytestmark = pytest.mark.lab


@pytest.fixture(autouse=True)
def clean(quick: QuickLab) -> Iterator[None]:
    """No routes before, and none after."""
    yield
    for owner in {row["owner"] for row in listed(quick.project)}:
        quick.project("routes", "withdraw", owner)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    """A switch with FRR 10.3, a host with FRR 8.4.4, another with BIRD."""
    files = only_pop2()
    releases = (("sw1", "198.18.2.1", "10.3"), ("h1", "198.18.2.11", "8.4.4"))
    for name, address, version in releases:
        found = f"  - name: {name}\n    ssh: {{address: {address}}}\n"
        assert found in files["pops/pop2.yml"]
        files["pops/pop2.yml"] = files["pops/pop2.yml"].replace(
            found, f"{found}    daemon: frr\n    version: '{version}'\n"
        )
    allowed = "  - name: routes\n    settings: {announce: [198.51.100.64/26]}\n"
    files["network.yml"] = files["network.yml"].replace("  - routes\n", allowed)
    with quick_lab(tmp_path_factory.mktemp("routesfrr"), files, name="rfrr") as up:
        up.deploy("pop2")
        yield up


def session_starts(quick: QuickLab, node: str) -> dict[str, int]:
    """How often each BGP session of an FRR has come up."""
    done = exec_in(node, ("vtysh", "-c", "show bgp neighbors json"), quick.lab.settings)
    return {name: found["connectionsEstablished"] for name, found in json.loads(done.stdout).items()}


def test_routes_come_and_go(quick: QuickLab) -> None:
    """In the kernels while they are wanted, told to nobody; saying it again does nothing; no session notices."""
    lab, project = quick.lab, quick.project
    before = {node: session_starts(quick, node) for node in (HOST, SWITCH)}
    set_routes(project, "edge", HOST, SWITCH, routes=EDGE)
    wait_until(lambda: kernel(lab, HOST) == kernel(lab, SWITCH) == WANTED, what="the routes are in the kernels")
    for node in (OTHER_HOST, "northtel", "meadow"):
        assert "198.18.24" not in known_to(lab, node)
    assert set_routes(project, "edge", HOST, SWITCH, routes=EDGE).out.startswith("edge: nothing to change\n")
    project("plan", "pop2", "--detailed-exitcode")
    project("routes", "withdraw", "edge")
    wait_until(lambda: kernel(lab, HOST) == kernel(lab, SWITCH) == {}, what="the routes are gone")
    assert {node: session_starts(quick, node) for node in (HOST, SWITCH)} == before


def test_an_announced_address_stays_in_the_pop(quick: QuickLab) -> None:
    """The switch and the other host learn of it; providers have the POP's prefix and no part of it."""
    lab, project = quick.lab, quick.project
    set_routes(project, "edge", HOST, routes=[{**SINGLE, "via": NEIGHBOUR}])
    wait_until(lambda: kernel(lab, SWITCH).get("198.51.100.70/32") == "10.2.1.11", what="the switch has the address")
    wait_until(lambda: "198.51.100.70/32" in known_to(lab, OTHER_HOST), what="the other host knows of it")
    for provider in ("northtel", "meadow"):
        assert "198.51.100.0/24" in known_to(lab, provider)
        assert "198.51.100.70" not in known_to(lab, provider)
    project("routes", "withdraw", "edge")
    wait_until(lambda: "198.51.100.70/32" not in known_to(lab, OTHER_HOST), what="the other host has forgotten it")


@pytest.mark.parametrize(
    ("script", "way_out"),
    [
        (
            'mkdir -p /etc/sonic && echo \'{"DEVICE_METADATA": {"localhost": {}}}\' > /etc/sonic/config_db.json',
            "docker_routing_config_mode to split-unified",
        ),
        (
            "mkdir -p /etc/systemd/system/multi-user.target.wants"
            " && ln -s /lib/systemd/system/nvued.service /etc/systemd/system/multi-user.target.wants/",
            "systemctl disable --now nvued.service",
        ),
    ],
    ids=["sonic", "cumulus"],
)
def test_somebody_elses_frr_is_left_alone(quick: QuickLab, script: str, way_out: str, tmp_path: Path) -> None:
    """A deploy is refused with the way out, and nothing has changed; with the manager gone it goes through."""
    lab = quick.lab
    checkout = quick.project.copy(tmp_path / "checkout")
    before = lab.run(HOST, "cat", "/etc/frr/frr.conf")
    lab.sh(HOST, script)
    try:
        said = set_routes(checkout, "edge", HOST, routes=EDGE, code=1)
    finally:
        lab.sh(HOST, "rm -rf /etc/sonic /etc/systemd/system/multi-user.target.wants/nvued.service")
    assert way_out in said.err
    assert (lab.run(HOST, "cat", "/etc/frr/frr.conf"), listed(checkout)) == (before, [])
    set_routes(checkout, "edge", HOST, routes=EDGE[:1])
