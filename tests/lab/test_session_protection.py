"""Sessions with providers that outsiders cannot reach: GTSM, BFD, and passwords that are changed, on both daemons."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from netorch.lab import lab_status
from netorch.model.types import Family
from tests.lab.deployed_pop import behind_all, circuits
from tests.lab.quick_lab import QuickLab, quick_example, quick_lab, wait_until_exact
from tests.lab.steady_ping import steady_ping
from tests.unit.inventory_texts import edited

pytestmark = pytest.mark.lab

BIRD = "/etc/bird/bird.conf"
PACKETS = 3
"""With one of them heard, the session would be up; TCP sends what is not heard again and again."""


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    """sw1 runs FRR, sw2 BIRD. northtel is on both: with GTSM and a password at the one, with GTSM and BFD at the other."""
    files = edited(
        quick_example(),
        "pops/pop1.yml",
        ("  - name: sw1\n", "  - name: sw1\n    daemon: frr\n    version: 8.4.4\n"),
        ("  - id: 1\n", "  - id: 1\n    gtsm: true\n    password: file:../.lab/secrets/northtel\n"),
        ("  - id: 2\n", "  - id: 2\n    gtsm: true\n    bfd: true\n"),
        ("  - id: 4\n", "  - id: 4\n    bfd: true\n"),
    )
    del files["pops/pop2.yml"]
    with quick_lab(tmp_path_factory.mktemp("protected"), files, name="guard") as up:
        up.deploy("pop1")
        wait_until_exact(up.lab)
        yield up


def states(quick: QuickLab, provider: str) -> dict[str, str]:
    """The states of a provider's sessions on all switches, by name."""
    listed = quick.project("status", "pop1", "-o", "json").document["devices"]
    sessions = [session for device in listed for session in device["sessions"] if session["peer"] == provider]
    return {session["name"]: session["bgp_state"] for session in sessions}


def neighbors_of(quick: QuickLab, circuit_id: int) -> set[str]:
    """The provider's addresses on a circuit."""
    (circuit,) = [circuit for circuit in circuits(quick.lab.inventory) if circuit.id == circuit_id]
    return {str(addresses.neighbor) for f in Family if (addresses := circuit.addresses(f)) is not None}


def test_second_deploy_changes_nothing(quick: QuickLab) -> None:
    """GTSM and passwords stand in FRR's file as FRR itself shows them."""
    assert quick.project("plan", "pop1", "--detailed-exitcode").code == 0


def test_bfd_with_providers_is_up(quick: QuickLab) -> None:
    """BIRD has it beside GTSM, FRR without."""
    shown = quick.lab.run("sw2.pop1", "birdc", "show", "bfd", "sessions").splitlines()
    up = {line.split()[0] for line in shown if len(line.split()) > 2 and line.split()[2] == "Up"}
    assert neighbors_of(quick, 2) <= up
    peers = json.loads(quick.lab.run("sw1.pop1", "vtysh", "-c", "show bfd peers json"))
    assert neighbors_of(quick, 4) <= {peer["peer"] for peer in peers if peer["status"] == "up"}


def test_passwords_change_without_loss(quick: QuickLab, tmp_path: Path) -> None:
    """Drained, changed at both ends, deployed, brought back, under pings: on FRR (northtel) and on BIRD (southnet)."""
    lab, project = quick.lab, quick.project
    changed = {"northtel": "northtel-pop1-a", "southnet": "southnet-pop1"}
    targets = [behind_all(lab.inventory, family) for family in Family]
    with (
        steady_ping(lab, "h1.pop1", targets[0], folder=tmp_path) as v4,
        steady_ping(lab, "h1.pop1", targets[1], folder=tmp_path) as v6,
    ):
        for provider, circuit in changed.items():
            project("drain", "circuit", circuit, "--reason", "new password", "--wait", "0s")
            secret = project.folder / ".lab" / "secrets" / provider
            reconfigure(quick, provider, secret.read_text().strip(), f"changed-{provider}")
            secret.write_text(f"changed-{provider}\n")
        project("deploy", "pop1", "--yes")
        for circuit in changed.values():
            project("undrain", "circuit", circuit, "--wait", "0s")
        wait_until_exact(lab)
    assert set(states(quick, "northtel").values()) == set(states(quick, "southnet").values()) == {"Established"}
    assert (v4.lost, v6.lost) == ((), ()), (v4.said, v6.said)
    assert min(v4.sent, v6.sent) > 500


def test_neighbour_without_gtsm_is_not_heard(quick: QuickLab) -> None:
    """northtel's packets might come from anywhere now, and reach neither daemon. Recovery takes minutes: the last test."""
    reconfigure(quick, "northtel", "ttl security on;", "")
    for node, neighbor in (("sw1.pop1", "203.0.113.1"), ("sw2.pop1", "203.0.113.5")):
        wait_until_unheard(quick, node, neighbor)
    assert set(states(quick, "northtel").values()).isdisjoint({"Established"})


def reconfigure(quick: QuickLab, provider: str, find: str, put: str) -> None:
    """Replace a text everywhere in a provider's own configuration, and have its daemon read it."""
    text = quick.lab.run(provider, "cat", BIRD)
    assert find in text
    quick.lab.run(provider, "tee", BIRD, stdin=text.replace(find, put))
    assert "Reconfigur" in quick.lab.run(provider, "birdc", "configure")


def wait_until_unheard(quick: QuickLab, node: str, neighbor: str) -> None:
    """Return once PACKETS of BGP that may have come over a router have reached the switch ``node`` from ``neighbor``."""
    netns = next(status.netns for status in lab_status(quick.lab.settings) if status.name == node)
    begins = f"src {neighbor} and tcp port 179 and ip[8] < 255"
    command = ["ip", "netns", "exec", netns, "tcpdump", "-n", "-i", "swp1", "-c", str(PACKETS), begins]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
