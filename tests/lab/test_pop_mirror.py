"""``netorch arp``: both sides of the mirror, and a provider that swaps its router."""

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


def _swap(pop: FirstDeploy, address: str) -> None:
    """Southnet's router gets the MAC ``address``, and the switch learns it."""
    set_mac("southnet", "circuit3", address, pop.lab.settings)
    for hop in NEXT_HOPS.values():
        pop.lab.run("sw2.pop1", "ip", "neigh", "flush", "to", hop)
    learned = "the switch reaches the router"
    wait_until(lambda: all(pop.lab.ping("sw2.pop1", hop) for hop in NEXT_HOPS.values()), timeout_s=10, what=learned)


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
