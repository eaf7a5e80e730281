"""The mirror without agents: ``netorch arp``, and runs that do what agents would have done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from netorch.lab import set_mac
from netorch.model.types import Family
from tests.lab.deployed_pop import HOSTS, POP, FirstDeploy, mac, mark, only_behind, service
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

NEW_ROUTER = "02:00:00:00:00:99"
NEXT_HOPS = {Family.IPV4: "203.0.113.9", Family.IPV6: "2001:db8:c:3::1"}


def _rows(pop: FirstDeploy, *command: str) -> list[dict[str, Any]]:
    reports = pop.netorch("arp", *command, "-o", "json").document
    return [row for report in reports for row in report["rows"]]


def _reaches(pop: FirstDeploy, family: Family) -> bool:
    inventory = pop.lab.inventory
    source, target = service(inventory, "h1.pop1", family), only_behind(inventory, "southnet", family)
    return pop.lab.ping("h1.pop1", target, "-m", mark(inventory, "southnet"), "-I", source)


def _wait_until_mirrored(pop: FirstDeploy) -> None:
    """A router that came back a moment ago may be unresolved on the switch still: a run would have nothing to go by."""
    wait_until(lambda: all(row["ok"] for row in _rows(pop, "show", POP)), what="the switches know every next hop")


def _swap(pop: FirstDeploy, address: str) -> None:
    """Southnet's router gets the MAC ``address``, and the switch learns it."""
    set_mac("southnet", "circuit3", address, pop.lab.settings)
    for hop in NEXT_HOPS.values():
        pop.lab.run("sw2.pop1", "ip", "neigh", "flush", "to", hop)
    learned = "the switch reaches the router"
    wait_until(lambda: all(pop.lab.ping("sw2.pop1", hop) for hop in NEXT_HOPS.values()), timeout_s=10, what=learned)


@pytest.fixture(scope="module")
def pop(pop: FirstDeploy) -> Iterator[FirstDeploy]:
    """The POP of an inventory without ``pki``; afterwards with its agents again."""
    network = pop.netorch.folder / "inventory/network.yml"
    text = network.read_text(encoding="utf-8")
    network.write_text("".join(line for line in text.splitlines(keepends=True) if not line.startswith("pki:")))
    said = pop.netorch("deploy", POP, "--yes")
    assert said.out.count(": stop") == 5
    yield pop
    network.write_text(text, encoding="utf-8")
    pop.netorch("deploy", POP, "--yes")


def test_agents_go_with_the_key_and_their_entries_stay(pop: FirstDeploy) -> None:
    """Without ``pki`` no agent is left, and every entry is the deploy's."""
    assert {row["source"] for row in _rows(pop, "show", POP)} == {"deploy"}
    assert pop.lab.sh("h1.pop1", "pgrep -f 'netorch.* mirror$' || true") == ""
    assert pop.netorch("plan", POP, "--detailed-exitcode").out.splitlines()[-1] == "nothing to do"


@pytest.fixture
def swapped(pop: FirstDeploy) -> Iterator[FirstDeploy]:
    """The POP after southnet has put another router on its circuit; its old one comes back."""
    old = mac(pop.lab, "southnet", "circuit3")
    _swap(pop, NEW_ROUTER)
    yield pop
    _swap(pop, old)
    pop.netorch("arp", "sync", POP)


def test_all_next_hops_are_mirrored(pop: FirstDeploy) -> None:
    """Every host has every provider's address with the MAC that its switch knows."""
    rows = _rows(pop, "show", POP)
    assert {(row["host"], row["verdict"]) for row in rows} == {(host, "mirrored") for host in HOSTS}
    assert len(rows) == 24
    assert pop.netorch("arp", "show", POP).out.splitlines()[0] == "all 24 next hops are mirrored"


def test_router_swap_is_seen_and_repaired(swapped: FirstDeploy) -> None:
    """Packets are lost while hosts hold the old MAC; arp show names them, arp sync repairs them, and nothing else."""
    assert not any(_reaches(swapped, family) for family in Family)
    bad = [row for row in _rows(swapped, "show", POP) if not row["ok"]]
    assert {(row["host"], row["next_hop"]) for row in bad} == {
        (host, hop) for host in HOSTS for hop in NEXT_HOPS.values()
    }
    assert {(row["verdict"], row["switch_mac"]) for row in bad} == {("host has another MAC", NEW_ROUTER)}
    swapped.lab.run("h2.pop1", "ip", "rule", "del", "pref", "10003")
    assert all(row["ok"] for row in _rows(swapped, "sync", POP))
    assert all(_reaches(swapped, family) for family in Family)
    left = swapped.netorch("plan", POP, "-o", "json").document
    assert [change["kind"] for device in left["devices"] for change in device["changes"]] == ["rule"]


def test_run_repairs_the_mirror_too(swapped: FirstDeploy) -> None:
    """The scheduled run finds the new MAC as well, and tells old and new."""
    said = swapped.netorch("run", POP)
    assert said.out.count(f"lladdr {NEW_ROUTER}") == 6
    assert all(_reaches(swapped, family) for family in Family)


@pytest.mark.parametrize(
    ("node", "breakage", "told"),
    [
        ("h1.pop1", "ip neigh del 203.0.113.1 dev eth0", "+ neighbour 203.0.113.1 lladdr"),
        ("h1.pop1", "ip neigh del 2001:db8:c:3::1 dev eth1", "+ neighbour 2001:db8:c:3::1 lladdr"),
        ("h1.pop1", "ip addr del 10.1.1.11 peer 203.0.113.13/32 dev eth0", "+ address 10.1.1.11 peer 203.0.113.13"),
        ("h2.pop1", "ip -6 route del 2001:db8:c:1::1/128 dev eth0", "+ route 2001:db8:c:1::1/128 dev eth0"),
    ],
    ids=["neighbour", "IPv6 neighbour", "peer", "IPv6 route"],
)
def test_run_puts_back_what_somebody_removed(pop: FirstDeploy, node: str, breakage: str, told: str) -> None:
    """Its output names the entry and the result; afterwards nothing is left to do."""
    _wait_until_mirrored(pop)
    pop.lab.sh(node, breakage)
    lines = [line.strip() for line in pop.netorch("run", POP).out.splitlines()]
    assert any(line.startswith(told) and line.endswith("[removed by hand]") for line in lines), lines
    assert sorted(lines[-1].split(", ")) == ["1 changed", "4 unchanged"]
    pop.netorch("plan", POP, "--detailed-exitcode")


def test_traffic_flows_again(pop: FirstDeploy) -> None:
    """A host that lost its entry for a provider does not reach it by itself, and does after the next run."""
    assert _reaches(pop, Family.IPV4)
    pop.lab.run("h1.pop1", "ip", "neigh", "del", "203.0.113.9", "dev", "eth1")
    assert not _reaches(pop, Family.IPV4)
    pop.netorch("run", POP)
    assert _reaches(pop, Family.IPV4)
