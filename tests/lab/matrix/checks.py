"""What must hold in the first POP of a cell: its deploys, its tables, its ways, and what becomes of a mistake."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

from netorch.lab import expected_prefixes
from netorch.model.types import Family
from tests.lab.capture import Capture
from tests.lab.deployed_pop import (
    HOSTS,
    POP,
    PROVIDERS,
    SWITCHES,
    Way,
    behind_all,
    bgp_states,
    captured,
    circuits,
    entered_by,
    host_macs,
    is_answered,
    neighbors,
    only_behind,
    provider_macs,
    reconfigurations,
)
from tests.lab.labs import Lab
from tests.lab.matrix.bench import Bench, stamps
from tests.lab.matrix.pop import all_up, devices, moments, restarted
from tests.lab.matrix.tables import provider_table, wait_until_exact
from tests.waiting import wait_until, wait_until_equal

SWITCH_ROUTES = 100
"""The most routes that a switch may have in all of its own kernel's tables."""

MISTAKEN = "southnet"


def check_deploy(bench: Bench) -> None:
    """A fresh POP is deployed, and each device reports the release that the inventory gives it."""
    bench.quick.project("deploy", POP, "--yes", timeout_s=180)
    for device in devices(bench.quick).values():
        wanted = bench.cell.switch if device["role"] == "switch" else bench.cell.host
        assert device["daemon"] == wanted.daemon, device
        assert device["daemon_version"].startswith(wanted.version), device


def check_tables(bench: Bench) -> None:
    """Every session is up at both ends; every host has exactly the routes it is to have, none of the bad ones that are announced
    as well; and no switch has them."""
    lab = bench.quick.lab
    wait_until(lambda: all_up(bench.quick), timeout_s=60, what="every session is up")
    for circuit, family in itertools.product(circuits(lab.inventory), Family):
        name = f"circuit{circuit.id}_{family.number}"
        wait_until_equal(
            lambda node=circuit.provider, name=name: bgp_states(lab, node)[name],  # type: ignore[misc]
            "Established",
            what=f"{name} of {circuit.provider}",
        )
    assert all(expected_prefixes(lab.inventory, *of)[1] for of in itertools.product(PROVIDERS, Family)), "none is bad"
    wait_until_exact(lab)
    for switch in SWITCHES:
        held = sum(
            len(json.loads(lab.run(switch, "ip", "-j", f"-{family.number}", "route", "show", "table", "all")))
            for family in Family
        )
        assert held < SWITCH_ROUTES, f"{switch} has {held} routes"


def check_ways(bench: Bench) -> None:
    """Marked pings and TCP connections from every host through every provider, in both families, are answered and come in there;
    their frames have the provider's own MAC address, for which no host asks."""
    lab = bench.quick.lab
    ways = [Way(*way) for way in itertools.product(HOSTS, PROVIDERS, Family)]
    with captured(lab, bench.folder) as captures, ThreadPoolExecutor(4) as pool:
        for way, is_well in zip(ways, pool.map(lambda way: is_answered(lab, way), ways), strict=True):
            assert is_well, f"{way}: no answer"
        for way, provider in zip(ways, pool.map(lambda way: _entered(lab, way), ways), strict=True):
            assert provider == way.provider, f"{way}: entered by {provider}"
    _check_frames(lab, captures)


def _entered(lab: Lab, way: Way) -> str:
    # Where a host has no table of the provider (docs/frr.md), what that one alone announces goes there.
    has_table = provider_table(lab.inventory, way.host, way.provider, family=way.family)
    if has_table:
        return entered_by(lab, way, behind_all(lab.inventory, way.family))
    return entered_by(lab, way, only_behind(lab.inventory, way.provider, way.family))


def _check_frames(lab: Lab, captures: Mapping[tuple[str, str], Capture]) -> None:
    """What hosts sent to what one provider alone announces went to that one's MAC address; no host asked for a provider's."""
    macs, hosts = provider_macs(lab), host_macs(lab)
    seen: set[Way] = set()
    for (node, interface), capture in captures.items():
        sent = [frame for frame in capture.frames if frame.source in hosts]
        asked = {str(frame.target_ip) for frame in sent if frame.resolves}
        assert not asked & macs.keys(), f"{node} {interface}: hosts ask for {asked}"
        for provider, family in itertools.product(PROVIDERS, Family):
            target = ip_address(only_behind(lab.inventory, provider, family))
            used = {frame.destination for frame in sent if frame.target_ip == target}
            own = {macs[hop] for hop in neighbors(lab.inventory, provider, family)}
            assert used <= own, f"{node} {interface}: {provider} is sent to at {used - own}"
            if used and node in HOSTS:
                seen.add(Way(node, provider, family))
    unseen = {Way(*way) for way in itertools.product(HOSTS, PROVIDERS, Family)} - seen
    assert not unseen, f"no frame was captured of {unseen}"


def check_again(bench: Bench) -> None:
    """A second deploy applies nothing, loads nothing and resets no session."""
    before = _deployed(bench)
    started = moments(bench.quick)
    bench.quick.project("plan", POP, "--detailed-exitcode")
    said = bench.quick.project("deploy", POP, "--yes")
    assert said.out.splitlines()[-1] == f"{len(before)} unchanged", said.out
    assert _deployed(bench) == before
    assert restarted(started, moments(bench.quick)) == []


def _deployed(bench: Bench) -> dict[str, object]:
    """What a deploy that does something would change, by device: BIRD's own word of its loads; FRR's file, and what
    ``frr-reload.py`` finds to do."""
    lab = bench.quick.lab
    found: dict[str, object] = {}
    for name, device in devices(bench.quick).items():
        if device["daemon"] == "bird":
            found[name] = reconfigurations(lab, name), device["generation"]
            continue
        test = lab.sh(name, "/usr/lib/frr/frr-reload.py --test --stdout /etc/frr/frr.conf")
        file = lab.run(name, "stat", "-c", "%i %Y", "/etc/frr/frr.conf")
        assert "Lines To Add" not in test, f"{name}: {test}"
        assert "Lines To Delete" not in test, f"{name}: {test}"
        found[name] = file, device["generation"]
    return found


def check_revert(bench: Bench) -> None:
    """A change that closes sessions is taken back by itself: a wrong password of a provider."""
    before = stamps(bench, POP)
    mistaken = bench.quick.project.copy(bench.folder / "mistaken")
    (mistaken.folder / f".lab/secrets/{MISTAKEN}").write_text("not-what-the-provider-has\n")
    mistaken("deploy", "role:switch", "--yes", "--allow-resets", "99", code=6, timeout_s=180)
    assert stamps(bench, POP) == before
    wait_until(lambda: all_up(bench.quick), timeout_s=60, what="every session is back")
