"""The mirror's agents in a deployed POP: every host follows a provider's MAC without any command, and nothing is ever lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netorch.lab import restart_node, set_mac, set_service
from netorch.model.types import Family
from tests.lab.deployed_pop import (
    HOSTS,
    POP,
    SWITCHES,
    FirstDeploy,
    bgp_states,
    mac,
    mark,
    only_behind,
    provider_macs,
    service,
    wait_until_complete,
)
from tests.lab.labs import ROOT
from tests.lab.operator_shell import cron_environment
from tests.lab.quick_lab import inexact
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

NEW_ROUTER = "02:00:00:00:00:99"
SOUTHNET = {Family.IPV4: "203.0.113.9", Family.IPV6: "2001:db8:c:3::1"}
SERVICES = {**dict.fromkeys(SWITCHES, "feed"), **dict.fromkeys(HOSTS, "mirror")}
FOLLOW_TIMEOUT_S = 20.0
START_TIMEOUT_S = 20.0
UPLINK_TIMEOUT_S = 60.0
"""1 to 5 s (docs/mirror.md); after several failures in a row the switch lets no session come up for up to 30 s."""


def status(pop: FirstDeploy, node: str) -> dict[str, Any]:
    """What the node's agent last wrote of itself; {} before it has."""
    path = f"/run/netorch/{SERVICES[node]}.json"
    found: dict[str, Any] = json.loads(pop.lab.sh(node, f"cat {path} 2>/dev/null || echo '{{}}'"))
    return found


def permanent(pop: FirstDeploy, host: str) -> dict[str, str]:
    """The permanent neighbours of ``host``."""
    shown = json.loads(pop.lab.run(host, "ip", "-j", "neigh", "show", "nud", "permanent"))
    return {entry["dst"]: entry["lladdr"] for entry in shown}


def are_complete(pop: FirstDeploy) -> bool:
    """Whether every host has every provider's MAC."""
    wanted = provider_macs(pop.lab)
    return all(permanent(pop, host) == wanted for host in HOSTS)


def are_fed(pop: FirstDeploy) -> bool:
    """Whether every host's agent hears both of its switches."""
    feeds = [status(pop, host).get("feeds", ()) for host in HOSTS]
    return all(len(one) == len(SWITCHES) and all(feed["up"] for feed in one) for one in feeds)


@pytest.fixture
def calm(pop: FirstDeploy) -> FirstDeploy:
    """The POP with every agent at work and every entry in place."""
    wait_until(lambda: are_complete(pop) and are_fed(pop), what="the mirror is complete", timeout_s=START_TIMEOUT_S)
    return pop


def rows(pop: FirstDeploy) -> list[dict[str, Any]]:
    """The rows of ``netorch arp show``."""
    return [row for report in pop.netorch("arp", "show", POP, "-o", "json").document for row in report["rows"]]


def drift(pop: FirstDeploy) -> list[str]:
    """What a deploy would do, in its own words."""
    plan = pop.netorch("plan", POP, "-o", "json").document
    return [f"{device['device']} {change['summary']}" for device in plan["devices"] for change in device["changes"]]


def test_deploy_installed_and_started_them(calm: FirstDeploy) -> None:
    """Every next hop is mirrored by an agent that hears its switch, both sides with their age; a second plan is empty."""
    found = rows(calm)
    assert len(found) == 24
    assert {(row["verdict"], row["source"]) for row in found} == {("mirrored", "agent")}
    assert all(row["switch_age_s"] is not None and row["host_age_s"] is not None for row in found)
    assert drift(calm) == []


def test_status_and_check_tell_of_them(calm: FirstDeploy) -> None:
    """A column of ``status``, and a line that a monitoring system reads."""
    shown = {line.split()[0]: line for line in reversed(calm.netorch("status", POP).out.splitlines()) if line}
    assert all("mirror, 2/2 feeds" in shown[host] for host in HOSTS)
    assert all("feed, 3 hosts" in shown[switch] for switch in SWITCHES)
    line = calm.netorch("check", POP).out
    assert line.startswith("NETORCH OK - 5 of 5 devices, ")
    assert "mirrored=24;24:;;0;24 agents=5;5:;;0;5 feeds=6;6:;;0;6" in line


# ---- following -----------------------------------------------------------------------------------------------------


@pytest.fixture
def swapped(calm: FirstDeploy) -> Iterator[FirstDeploy]:
    """The POP after southnet has put another router on its circuit, without a word to anybody; its old one comes back."""
    old = mac(calm.lab, "southnet", "circuit3")
    set_mac("southnet", "circuit3", NEW_ROUTER, calm.lab.settings)
    yield calm
    set_mac("southnet", "circuit3", old, calm.lab.settings)
    wait_until(lambda: are_complete(calm), what="hosts follow the old router", timeout_s=FOLLOW_TIMEOUT_S)


def test_every_host_follows_a_swapped_router(swapped: FirstDeploy) -> None:
    """No command is run: the switch notices, the hosts follow in both families, and nobody calls that drift."""
    wait_until(lambda: are_complete(swapped), what="hosts follow the new router", timeout_s=FOLLOW_TIMEOUT_S)
    assert {permanent(swapped, host)[hop] for host in HOSTS for hop in SOUTHNET.values()} == {NEW_ROUTER}
    inventory = swapped.lab.inventory
    for family in Family:
        source, target = service(inventory, "h1.pop1", family), only_behind(inventory, "southnet", family)
        argv = ("-m", mark(inventory, "southnet"), "-I", source)
        wait_until(lambda t=target, a=argv: swapped.lab.ping("h1.pop1", t, *a), what="southnet answers")  # type: ignore[misc]
    assert drift(swapped) == []


@pytest.mark.parametrize(
    "breakage",
    [
        "ip neigh del 203.0.113.1 dev eth0",
        "ip neigh replace 203.0.113.1 lladdr 02:00:00:00:00:66 nud permanent dev eth0",
        "ip neigh del 2001:db8:c:3::1 dev eth1",
        "ip addr del 10.1.1.11 peer 203.0.113.13/32 dev eth0",
        "ip -6 route del 2001:db8:c:1::1/128 dev eth0",
    ],
    ids=["neighbour", "foreign MAC", "IPv6 neighbour", "peer", "IPv6 route"],
)
def test_what_somebody_broke_comes_back(calm: FirstDeploy, breakage: str) -> None:
    """The host's agent puts it back by itself, and counts that."""
    before = status(calm, "h1.pop1")["counters"]["repaired"]
    calm.lab.sh("h1.pop1", breakage)
    wait_until(lambda: are_complete(calm) and drift(calm) == [], what="the entry is back", timeout_s=FOLLOW_TIMEOUT_S)
    wait_until(lambda: status(calm, "h1.pop1")["counters"]["repaired"] > before, what="the repair is counted")


def test_hold_is_overridden_by_force(calm: FirstDeploy) -> None:
    """A MAC that changed too often is held down; who knows that the last change was the right one need not wait."""
    hop, host = SOUTHNET[Family.IPV4], "h1.pop1"
    right, macs = permanent(calm, host)[hop], (f"02:00:00:00:09:{number:02x}" for number in range(256))

    def learn(found: str, state: str) -> None:
        calm.lab.run("sw2.pop1", "ip", "neigh", "replace", hop, "lladdr", found, "dev", "br0", "nud", state)

    def reason() -> str:
        return next(str(one["reason"]) for one in status(calm, host)["entries"] if one["address"] == hop)

    def is_held_after_another() -> bool:
        learn(next(macs), "permanent")
        return any(one["state"] == "held_down" for one in status(calm, host)["entries"])

    wait_until(is_held_after_another, what="the host holds the MAC")
    learn(right, "reachable")
    wait_until(lambda: f"tells {right} now" in reason(), what="the host hears of the right one")
    calm.netorch("arp", "sync", "--force", POP)
    wait_until(lambda: are_complete(calm), what="every host has the right one", timeout_s=10.0)
    assert {row["verdict"] for row in rows(calm)} == {"mirrored"}


# ---- fail static ---------------------------------------------------------------------------------------------------


@pytest.fixture
def without_feed(calm: FirstDeploy) -> Iterator[FirstDeploy]:
    """The POP while the agent of sw1 is kept down."""
    set_service("sw1.pop1", "feed", calm.lab.settings, running=False)
    lost = "hosts have noticed"
    wait_until(
        lambda: not any(status(calm, host)["feeds"][0]["up"] for host in HOSTS), what=lost, timeout_s=FOLLOW_TIMEOUT_S
    )
    yield calm
    set_service("sw1.pop1", "feed", calm.lab.settings, running=True)
    wait_until(lambda: are_fed(calm), what="hosts hear the switch again", timeout_s=START_TIMEOUT_S)


def test_lost_feed_changes_nothing_and_is_told(without_feed: FirstDeploy) -> None:
    """Entries stay; arp show, status, check and plan say what is wrong."""
    assert are_complete(without_feed)
    sources = {(row["switch"], row["source"]) for row in rows(without_feed)}
    assert sources == {("sw1.pop1", "agent without feed"), ("sw2.pop1", "agent")}
    assert "agent: h1.pop1: no feed from sw1.pop1" in without_feed.netorch("status", POP).out
    wait_until(lambda: drift(without_feed) != [], what="the dead agent is drift")
    assert drift(without_feed) == ["sw1.pop1 + service feed: start [it does not run]"]
    line = without_feed.netorch("check", POP, code=1).out
    assert line.startswith("NETORCH WARNING - sw1.pop1: the mirror's agent (feed) does not run; ")
    assert "h1.pop1: no feed from sw1.pop1" in line


def test_mirror_is_repaired_without_the_feed(without_feed: FirstDeploy) -> None:
    """What the agents cannot follow, ``arp sync`` does from the switch's own neighbours."""
    without_feed.lab.run("sw1.pop1", "ping", "-c", "1", "-W", "2", "203.0.113.13")
    old = mac(without_feed.lab, "meadow", "circuit4")
    set_mac("meadow", "circuit4", NEW_ROUTER, without_feed.lab.settings)
    try:
        without_feed.lab.sh(
            "sw1.pop1", "ip neigh flush dev br0; ping -c 1 -W 2 203.0.113.13; ping -c 1 -W 2 2001:db8:c:4::1"
        )
        assert not are_complete(without_feed)
        without_feed.netorch("arp", "sync", POP)
        assert {permanent(without_feed, host)["203.0.113.13"] for host in HOSTS} == {NEW_ROUTER}
    finally:
        set_mac("meadow", "circuit4", old, without_feed.lab.settings)


# ---- coming back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("node", ["sw2.pop1", "h1.pop1"])
def test_killed_agent_is_back_and_nothing_was_lost(calm: FirstDeploy, node: str) -> None:
    """The machine starts it again; hosts have all entries at every moment."""
    pid = status(calm, node)["pid"]
    calm.lab.run(node, "kill", "-9", str(pid))
    assert are_complete(calm)
    wait_until(
        lambda: status(calm, node)["pid"] != pid and are_fed(calm),
        what="it runs and is heard",
        timeout_s=START_TIMEOUT_S,
    )
    assert are_complete(calm)
    assert drift(calm) == []


def test_run_brings_back_an_agent_that_was_removed(calm: FirstDeploy) -> None:
    """Somebody took the service away: ``run`` says so, and starts it again."""
    calm.lab.run("h2.pop1", "rm", "/var/lib/netorch/services/mirror")
    gone = "the machine ends it"
    wait_until(
        lambda: not calm.lab.sh("h2.pop1", "pgrep -f 'netorch.* mirror$' || true").strip(),
        what=gone,
        timeout_s=FOLLOW_TIMEOUT_S,
    )
    assert are_complete(calm)
    said = calm.netorch("run", POP)
    assert "+ service mirror: start [it does not run]" in said.out
    wait_until(lambda: are_fed(calm), what="it is heard again", timeout_s=START_TIMEOUT_S)
    assert calm.netorch("run", POP).out == ""


@pytest.mark.parametrize("node", ["h3.pop1", "sw1.pop1"])
def test_agents_come_back_with_their_machine(calm: FirstDeploy, node: str) -> None:
    """After a power cut the device has its agent and its entries again, without a command; hosts' entries stay meanwhile."""
    restart_node(node, calm.lab.settings)
    others = [host for host in HOSTS if host != node]
    assert all(permanent(calm, host) == provider_macs(calm.lab) for host in others)
    wait_until(lambda: are_complete(calm) and are_fed(calm), what="the mirror is complete", timeout_s=START_TIMEOUT_S)
    wait_until_complete(calm)
    assert drift(calm) == []


@pytest.mark.parametrize("noticed", ["by both ends", "when it is over"])
def test_uplink_set_down_and_up_is_whole_again(calm: FirstDeploy, noticed: str) -> None:
    """What the kernel drops with an uplink is back without a command: neighbours, next hops, and every route, exactly."""
    lab, host = calm.lab, "h2.pop1"

    def are_closed() -> bool:
        ends = ((host, "sw1_v4"), (host, "sw1_v6"), ("sw1.pop1", "h2_v4"), ("sw1.pop1", "h2_v6"))
        return all(bgp_states(lab, node)[session] != "Established" for node, session in ends)

    if noticed == "by both ends":
        lab.run(host, "ip", "link", "set", "eth0", "down")
        try:
            wait_until(are_closed, what="both ends have noticed")
        finally:
            lab.run(host, "ip", "link", "set", "eth0", "up")
    else:  # BIRD reads of both at once
        lab.sh(host, "pid=$(pidof bird); kill -STOP $pid; ip link set eth0 down; ip link set eth0 up; kill -CONT $pid")
    wait_until(lambda: not inexact(lab, host), what=f"{host} has every route", timeout_s=UPLINK_TIMEOUT_S)
    wait_until(lambda: permanent(calm, host) == provider_macs(lab), what=f"{host} has every MAC")


def test_entries_come_back_at_boot_without_a_feed(calm: FirstDeploy) -> None:
    """A host that restarts while no feed can be heard has what its agent had last, which no deploy has ever seen."""
    kept = "the agent has kept what it has"

    def has_kept() -> bool:
        text = calm.lab.sh("h3.pop1", "cat /var/lib/netorch/mirrored.json 2>/dev/null || true")
        return all(mac in text for mac in provider_macs(calm.lab).values())

    wait_until(has_kept, what=kept)
    for switch in SWITCHES:
        set_service(switch, "feed", calm.lab.settings, running=False)
    try:
        restart_node("h3.pop1", calm.lab.settings)
        assert permanent(calm, "h3.pop1") == provider_macs(calm.lab)
    finally:
        for switch in SWITCHES:
            set_service(switch, "feed", calm.lab.settings, running=True)
    wait_until(lambda: are_fed(calm), what="hosts hear the switches", timeout_s=START_TIMEOUT_S)


# ---- upgrades ------------------------------------------------------------------------------------------------------


@pytest.fixture
def newer(tmp_path: Path) -> dict[str, str]:
    """The environment of a controller that has another version of netorch."""
    for folder in ("netorch", "plugins", "templates"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "netorch/agent/__init__.py").open("a", encoding="utf-8") as file:
        file.write("# the next version\n")
    return {**cron_environment(), "PYTHONPATH": str(tmp_path)}


def test_upgrade_loses_no_entry(calm: FirstDeploy, newer: dict[str, str]) -> None:
    """Another netorch on the controller is a plan of one operation per device; no host's kernel is told to forget anything."""
    before = {node: status(calm, node) for node in SERVICES}
    for host in HOSTS:
        calm.lab.sh(host, "ip monitor neigh >/run/monitor 2>&1 & echo $! >/run/monitor.pid")
    said = calm.netorch("deploy", POP, "--yes", environment=newer)
    assert [line for line in said.out.splitlines() if "service" in line] == [
        *["  + service feed: start"] * 2,
        *["  + service mirror: start"] * 3,
    ]
    assert said.out.splitlines()[-1] == "5 changed"
    wait_until(lambda: are_fed(calm), what="hosts hear their switches", timeout_s=START_TIMEOUT_S)
    for host in HOSTS:
        heard = calm.lab.sh(host, "kill $(cat /run/monitor.pid); cat /run/monitor")
        assert not [line for line in heard.splitlines() if line.startswith("Deleted") and "PERMANENT" in line]
    after = {node: status(calm, node) for node in SERVICES}
    assert all(after[node]["agent"] != before[node]["agent"] for node in SERVICES)
    assert {node: _times(found) for node, found in after.items()} == {
        node: _times(found) for node, found in before.items()
    }
    calm.netorch("deploy", POP, "--yes")
    assert {status(calm, node)["agent"] for node in SERVICES} == {before["h1.pop1"]["agent"]}


def _times(found: dict[str, Any]) -> dict[str, float]:
    """Since when each entry has its MAC."""
    return {entry["address"]: entry["since"] for entry in found["entries"]}
