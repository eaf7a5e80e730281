"""One POP of both daemons, five releases in all: told alike, left alone by a second deploy, and without a switch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from netorch.lab import set_service, start_node
from tests.lab.deployed_pop import HOSTS, POP
from tests.lab.matrix.mixed_pop import DAEMONS, FORWARDING, POWER, RELEASES, Death, mixed_pop, play_death
from tests.lab.matrix.pop import all_up, devices, moments, restarted, sessions
from tests.lab.matrix.ways import ON_BOTH
from tests.lab.quick_lab import QuickLab
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

SWITCH = "sw1.pop1"
"""It runs FRR."""

NOTICED_S = 30.0
"""A second or two with BFD (docs/matrix.md); with the hold time it would be 90 s."""


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    with mixed_pop(tmp_path_factory.mktemp("mixed")) as up:
        yield up


def told(session: Mapping[str, Any]) -> tuple[object, ...]:
    """What has to be the same, whichever daemon has the session."""
    return tuple(session[key] for key in ("name", "state", "bgp_state", "family", "routes_imported", "routes_exported"))


def test_every_device_runs_its_release(quick: QuickLab) -> None:
    """Status tells daemon and version of each, as in the inventory."""
    found = {name.partition(".")[0]: device for name, device in devices(quick).items()}
    assert {name: device["daemon"] for name, device in found.items()} == {n: r.daemon for n, r in RELEASES.items()}
    assert all(found[name]["daemon_version"].startswith(release.version) for name, release in RELEASES.items())


def test_second_deploy_resets_nothing(quick: QuickLab) -> None:
    """The plan is empty, and every session is as old as before."""
    before = moments(quick)
    quick.project("plan", POP, "--detailed-exitcode")
    quick.project("deploy", POP, "--yes")
    assert restarted(before, moments(quick)) == []


def test_hosts_are_told_alike(quick: QuickLab) -> None:
    """Hosts of either daemon have the same keys, sessions, states and counts in status."""
    found = devices(quick)
    assert len({tuple(found[host]) for host in HOSTS}) == 1
    assert len({tuple(map(told, found[host]["sessions"])) for host in HOSTS}) == 1


def test_switches_tell_alike_of_their_common_provider(quick: QuickLab) -> None:
    """The same keys, states and accepted counts of the provider that announces the same to both switches."""
    found = [session for session in sessions(quick).values() if session["peer"] == ON_BOTH]
    assert len(found) == 4
    assert len({tuple(session) for session in found}) == 1
    assert len({told(session)[1:] for session in found}) == 2  # one for each family


def test_bgpd_that_was_away_is_met_again(quick: QuickLab) -> None:
    """Hosts of every release come back to an FRR switch whose bgpd alone was away, while BFD was up: nobody waits in vain."""

    def states() -> set[str]:
        document = quick.project("status", POP, "--interval", "0.1", "-o", "json", code=None).document
        hosts = [device for device in document["devices"] if device["device"] in HOSTS]
        return {session["state"] for host in hosts for session in host["sessions"] if session["peer"] == SWITCH}

    def bfd() -> set[str]:
        addresses = {str(address.ip) for address in (device.fabric_ipv4, device.fabric_ipv6)}
        peers = json.loads(quick.lab.run("h2.pop1", "vtysh", "-c", "show bfd peers json"))
        return {peer["status"] for peer in peers if peer["peer"] in addresses}

    device = next(one for one in quick.lab.inventory.pop(POP).switches if one.name == SWITCH)
    set_service(SWITCH, "bgpd", quick.lab.settings, running=False)
    try:
        wait_until(lambda: "up" not in states(), timeout_s=30, what="all hosts have lost the switch")
        wait_until(lambda: bfd() == {"up"}, timeout_s=30, what="BFD of h2 is up without bgpd")
    finally:
        set_service(SWITCH, "bgpd", quick.lab.settings, running=True)
    wait_until(lambda: states() == {"up"} and bfd() == {"up"}, timeout_s=60, what="all hosts have it again")


@pytest.mark.parametrize("death", [Death(SWITCH, what) for what in (DAEMONS, POWER, FORWARDING)], ids=str)
def test_hosts_go_on_through_the_other_switch(quick: QuickLab, death: Death, tmp_path: Path) -> None:
    """An FRR switch is killed, loses its power, or falls silent with its carriers up: hosts of either daemon take the BIRD
    switch, and are answered. Before the next of these it is back, and all use it again."""
    start_node(SWITCH, quick.lab.settings)
    wait_until(lambda: all_up(quick), timeout_s=120, what="every session is up")
    streams = play_death(quick, death, tmp_path)
    assert {host: stream.longest_gap_s < NOTICED_S for host, stream in streams.items()} == dict.fromkeys(HOSTS, True)
