"""Traffic of circuits, and the picture of a POP: on BIRD and FRR switches, two circuits in VLANs of one port, and in trouble."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from netorch.lab import lab_status
from netorch.model.types import Family
from tests.lab.deployed_pop import behind_all, mark
from tests.lab.drained_pop import quick_drains
from tests.lab.labs import Lab
from tests.lab.operator_shell import Said
from tests.lab.quick_lab import QuickLab, quick_example, quick_lab
from tests.unit.inventory_texts import edited
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

POP, HOST = "pop1", "h1.pop1"
ON_BIRD, ON_FRR, BESIDE = "meadow-pop1", "southnet-pop1", "northtel-pop1-b"
"""Circuits: on the switch with BIRD, on the one with FRR, and in another VLAN of the same port as that."""

STALE, WRONG_MAC = "203.0.113.1", "02:00:00:00:00:99"
PACKETS_PER_S, PACKET_BYTES = 50.0, 14 + 20 + 8 + 1200
RATE_BPS = PACKETS_PER_S * PACKET_BYTES * 8
QUIET_BPS = 40_000.0
"""More than sessions, BFD and ARP take on an idle circuit, far less than the packets."""


@dataclass
class Told:
    """What netorch said: of the traffic, and once a provider is drained, a session and a host are gone, a MAC is wrong."""

    flowing: dict[str, Any]
    metrics: str
    table: Said
    troubled: Said
    picture: str
    graph: dict[str, Any]
    dot: str
    errors: dict[str, Said]


def files() -> dict[str, str]:
    """The example with FRR on its second switch, whose circuits are in VLANs of one port."""
    return edited(
        quick_drains(quick_example()),
        "pops/pop1.yml",
        ("    ssh: {address: 198.18.1.2}\n", "    ssh: {address: 198.18.1.2}\n    daemon: frr\n    version: 8.4.4\n"),
        ("    switch: sw2\n    port: swp1\n    ipv4", "    switch: sw2\n    port: swp1\n    vlan: 100\n    ipv4"),
        ("    switch: sw2\n    port: swp2\n    ipv4", "    switch: sw2\n    port: swp1\n    vlan: 200\n    ipv4"),
    )


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("traffic")
    with quick_lab(folder / "project", files(), name="traffic") as quick:
        quick.deploy(POP)
        return _tell(quick, folder)


def _tell(quick: QuickLab, folder: Path) -> Told:
    target, lab = behind_all(quick.lab.inventory, Family.IPV4), quick.lab
    marks = [str(mark(lab.inventory, provider)) for provider in ("meadow", "southnet")]
    wait_until(lambda: all(lab.ping(HOST, target, "-m", number) for number in marks), timeout_s=60, what="both ways")
    metrics, svg = folder / "status.prom", folder / "pop.svg"
    with ExitStack() as stack:
        for number in marks:
            stack.enter_context(_packets(lab, target, number))
        flowing = quick.project("status", POP, "--interval", "3", "--metrics", str(metrics), "-o", "json").document
        table = quick.project("status", POP)
    quick.project("drain", "provider", "meadow", "--pop", POP, "--reason", "fibre <works>", "--wait", "1s")
    lab.run("sw2.pop1", "vtysh", "-c", "configure", "-c", "router bgp 64500", "-c", "neighbor 203.0.113.9 shutdown")
    lab.run("h2.pop1", "ip", "neigh", "replace", STALE, "lladdr", WRONG_MAC, "dev", "eth0", "nud", "permanent")
    graph = quick.project("graph", POP, "-o", "json").document
    dot = quick.project("graph", POP, "-o", "dot").out
    errors = {
        "pop": quick.project("graph", "pop11", code=64),
        "name": quick.project("graph", POP, "--out", str(folder / "pop.gif"), code=64),
        "place": quick.project("graph", POP, "--out", str(folder / "typo/pop.svg"), code=64),
    }
    lab.run("h3.pop1", "ip", "link", "set", "mgmt0", "down")
    troubled = quick.project("graph", POP, "--out", str(svg), code=3)
    return Told(flowing, metrics.read_text(), table, troubled, svg.read_text(), graph, dot, errors)


@contextmanager
def _packets(lab: Lab, target: str, number: str) -> Iterator[None]:
    """Packets of ``PACKET_BYTES`` with a mark, ``PACKETS_PER_S`` of them, and their answers."""
    netns = next(status.netns for status in lab_status(lab.settings) if status.name == HOST)
    ping = ["ping", "-q", "-n", "-m", number, "-i", str(1 / PACKETS_PER_S), "-s", "1200", target]
    with subprocess.Popen(["nsenter", f"--net=/run/netns/{netns}", *ping], stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


def circuit(document: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (row for row in document["circuits"] if row["circuit"] == name)
    return dict(found)


# ---- traffic -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [ON_BIRD, ON_FRR])
def test_what_is_sent_is_told(told: Told, name: str) -> None:
    """A stream of known size leaves by the circuit: rate, packets and share of capacity are those, whichever daemon."""
    row = circuit(told.flowing, name)
    assert RATE_BPS / 3 < row["out_bps"] < RATE_BPS * 2
    assert row["out_packets_per_s"] == pytest.approx(row["out_bps"] / 8 / PACKET_BYTES, rel=0.3)
    assert row["out_share_percent"] == pytest.approx(100 * row["out_bps"] / row["capacity_bps"], abs=0.01)
    assert 3 <= row["interval_s"] < 60
    assert (row["state"], row["problem"]) == ("up", None)


def test_vlans_of_one_port_are_told_apart(told: Told) -> None:
    """The stream is counted for the circuit in its VLAN, and not for the other behind the same port."""
    busy, idle = circuit(told.flowing, ON_FRR), circuit(told.flowing, BESIDE)
    assert (busy["port"], busy["interface"], idle["port"], idle["interface"]) == (
        "swp1",
        "swp1.200",
        "swp1",
        "swp1.100",
    )
    assert idle["out_bps"] < QUIET_BPS < busy["out_bps"]


def test_answers_are_counted_where_they_come_in(told: Told) -> None:
    """The other direction is counted too: all circuits together bring back what was sent."""
    rows = told.flowing["circuits"]
    assert sum(row["in_bps"] for row in rows) > sum(row["out_bps"] for row in rows) / 2


def test_provider_is_the_sum_of_its_circuits(told: Told) -> None:
    """Rates, capacities and counters of both circuits to one provider are added."""
    (row,) = (row for row in told.flowing["providers"] if row["provider"] == "northtel")
    parts = [circuit(told.flowing, name) for name in row["circuits"]]
    assert len(parts) == 2
    for key in ("capacity_bps", "in_bytes", "out_bytes"):
        assert row[key] == sum(part[key] for part in parts)
    assert row["in_bps"] == pytest.approx(sum(part["in_bps"] for part in parts), abs=2)


def test_metrics_have_the_counters(told: Told) -> None:
    """Prometheus gets the bytes of each circuit, with the interface that counted them."""
    row = circuit(told.flowing, ON_FRR)
    labels = 'circuit="southnet-pop1",interface="swp1.200",pop="pop1",provider="southnet",switch="sw2.pop1"'
    assert f"netorch_circuit_transmit_bytes_total{{{labels}}} {float(row['out_bytes'])}" in told.metrics.splitlines()
    assert (
        'netorch_circuit_state{circuit="southnet-pop1",pop="pop1",provider="southnet",state="up"} 1.0' in told.metrics
    )


def test_table_has_a_row_for_each_circuit_and_sum(told: Told) -> None:
    """People get units; a provider with two circuits has their sum below them."""
    rows = [line.split() for line in told.table.out.splitlines()]
    assert [row[0] for row in rows if row[1:2] == ["northtel"]] == ["northtel-pop1-a", "northtel-pop1-b"]
    assert ["all", "2", "circuits", "northtel", "pop1", "up"] in [row[:6] for row in rows]
    assert "Gbit/s" in told.table.out


# ---- the picture -------------------------------------------------------------------------------------------------


def test_picture_says_what_is_not_well(told: Told) -> None:
    """Drained, partly up, stale and unreachable each stand in the picture, with who did it and why."""
    shown = {element.text for element in ET.fromstring(told.picture).iter("{http://www.w3.org/2000/svg}text")}
    assert {"drained", "partly up", "unreachable"} <= shown
    assert any(text is not None and text.startswith("7/8 stale") for text in shown)
    assert any("203.0.113.1: host has another MAC" in (text or "") for text in shown)
    assert any(": fibre <works>" in (text or "") for text in shown)


def test_graph_agrees_with_status(told: Told) -> None:
    """The same states, as data: of providers and circuits, and of each host's sessions with each switch."""
    states = {one["name"]: one["state"] for one in told.graph["providers"]}
    assert states == {"northtel": "up", "southnet": "partly up", "meadow": "drained"}
    families = {c["name"]: dict(c["families"]) for p in told.graph["providers"] for c in p["circuits"]}
    assert families[ON_FRR] == {"v4": "down", "v6": "up"}
    hosts = {host["name"]: host for host in told.graph["hosts"]}
    assert dict(hosts["h1"]["links"]) == {"sw1": "up", "sw2": "up"}
    assert [host["is_well"] for host in hosts.values()] == [True, False, True]


def test_device_that_does_not_answer_is_told_beside_the_picture(told: Told) -> None:
    """The error names it; its sessions are drawn as the switches tell them."""
    assert "h3.pop1: " in told.troubled.err
    assert told.troubled.out == ""
    assert "h3: sessions with" not in told.picture


def test_dot_has_every_circuit(told: Told) -> None:
    """An edge from provider to switch for each, with its state in words."""
    assert '"provider southnet" -- "switch sw2" [label="southnet-pop1\\npartly up: v4 down, v6 up' in told.dot
    assert '"provider meadow" -- "switch sw1" [label="meadow-pop1\\ndrained: v4 drained, v6 drained' in told.dot


def test_mistakes_are_told(told: Told) -> None:
    """A POP that is not there, a format that is not known, a folder that is not there: what was found, what is expected."""
    assert "no POP 'pop11'" in told.errors["pop"].err
    assert "expected a name that ends in .svg, .dot or .json" in told.errors["name"].err
    assert "typo/pop.svg: there is no folder " in told.errors["place"].err
    assert "make it first: mkdir -p " in told.errors["place"].err
