"""inventory/examples/clos-bgp, as its README has it typed."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import permutations

import pytest

from tests.lab.example_terminal import NETORCH, Terminal, terminal
from tests.lab.operator_shell import Said
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

# The stations' addresses, IPv4 and IPv6.
STATIONS = {
    "rack1a": ("10.101.0.10", "fd00:101::10"),
    "rack1b": ("10.101.0.11", "fd00:101::11"),
    "rack2": ("10.102.0.10", "fd00:102::10"),
    "rack3": ("10.103.0.10", "fd00:103::10"),
    "rack4": ("10.104.0.10", "fd00:104::10"),
}
SPINES = ("spine1", "spine2")
LEAVES = ("leaf1", "leaf2", "leaf3", "leaf4")
PAIRS = [(station, address) for station, other in permutations(STATIONS, 2) for address in STATIONS[other]]
INTERVAL_S = 0.05
LOST_S = 1.0
"""Without power: the carrier tells, in some hundredths of a second on an idle machine. By the hold time it would be 90 s."""
FROZEN_LOST_S = 6.0
"""Without a carrier's word it is BFD: 1.5 s with the default timers."""


@dataclass(frozen=True)
class Story:
    """The example after its deploy."""

    terminal: Terminal
    deploy: Said


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Booted and deployed; every route is in place."""
    with terminal("clos-bgp", tmp_path_factory.mktemp("clos")) as typed:
        typed.type(f"sudo {typed.netorch} lab up")
        deploy = typed.type(f"{typed.netorch} deploy fabric1 --yes", code=None, timeout_s=120)
        if deploy.code == 0:
            wait_until_complete(typed)
        yield Story(typed, deploy)


def next_hops(typed: Terminal, leaf: str, destination: str) -> set[str]:
    """Through which interfaces a leaf sends what goes to ``destination``, a prefix."""
    version = "-6" if ":" in destination else "-4"
    (route, *_) = json.loads(
        typed.inside(f"{leaf}.fabric1", "ip", "-j", version, "route", "show", destination).out or "[]"
    ) or [{}]
    return {hop["dev"] for hop in route.get("nexthops", [route]) if "dev" in hop}


def others(leaf: str) -> list[str]:
    """The prefixes behind the other leaves."""
    numbers = [other.removeprefix("leaf") for other in LEAVES if other != leaf]
    return [prefix for number in numbers for prefix in (f"10.10{number}.0.0/24", f"fd00:10{number}::/64")]


def wait_until_complete(typed: Terminal, *, spines: AbstractSet[str] = frozenset(("up1", "up2"))) -> None:
    """Return once every leaf uses both spines, or those that are given, for everything."""
    for leaf in LEAVES:
        for prefix in others(leaf):
            wait_until(
                lambda leaf=leaf, prefix=prefix: next_hops(typed, leaf, prefix) == spines,  # type: ignore[misc]
                what=f"{leaf} uses {sorted(spines)} to {prefix}",
                timeout_s=30,
            )


@contextmanager
def pings(typed: Terminal) -> Iterator[dict[tuple[str, str], int]]:
    """A ping from every station to every other rack but the first, in both families, while the block runs; between them they take
    both spines.

    Yields how many packets each lost, but for those on their way at the end; filled when the block ends.
    """
    argv = ("ping", "-n", "-i", str(INTERVAL_S))
    before = {spine: sent(typed, spine) for spine in SPINES}
    apart = [
        (station, address) for station, address in PAIRS if address not in (*STATIONS["rack1a"], *STATIONS["rack1b"])
    ]
    running = {pair: typed.start_inside(pair[0], *argv, pair[1]) for pair in apart}
    lost: dict[tuple[str, str], int] = {}
    try:
        for spine, packets in before.items():
            # BFD alone sends some 30 packets a second.
            wait_until(lambda s=spine, p=packets: sent(typed, s) > p + 1000, what=f"pings take {spine}", timeout_s=15)  # type: ignore[misc]
        yield lost
    finally:
        for ping in running.values():
            ping.send_signal(signal.SIGINT)
        for pair, ping in running.items():
            answered = {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", ping.communicate(timeout=10)[0])}
            lost[pair] = max(answered, default=0) - len(answered)


def sent(typed: Terminal, spine: str) -> int:
    """How many packets a spine sent to the leaves."""
    links = json.loads(typed.inside(f"{spine}.fabric1", "ip", "-j", "-s", "link", "show").out)
    return sum(int(link["stats64"]["tx"]["packets"]) for link in links if link["ifname"].startswith("down"))


def test_racks_reach_each_other(story: Story) -> None:
    """Every station reaches every other one in both families, over one spine and two leaves."""
    assert story.deploy.code == 0, story.deploy.out + story.deploy.err
    with ThreadPoolExecutor(max_workers=4) as pool:
        answered = dict(zip(PAIRS, pool.map(lambda pair: story.terminal.ping(*pair), PAIRS), strict=True))
    assert not [pair for pair, good in answered.items() if not good]
    for option in ("-4", "-6"):
        said = story.terminal.type(f"sudo {NETORCH} lab exec rack1a ping {option} -c 1 rack4")
        assert "ttl=61" in said.out


def test_leaves_use_both_spines(story: Story) -> None:
    """Kernels of leaves with FRR and of leaves with BIRD have two next hops for every other rack; those without addresses on
    their links have IPv4 routes over IPv6 next hops."""
    frr = story.terminal.type(f"sudo {NETORCH} lab exec leaf1.fabric1 ip route show 10.104.0.0/24").out
    assert re.findall(r"dev (\S+)", frr) == ["up1", "up2"]
    bird = story.terminal.type(f"sudo {NETORCH} lab exec leaf4.fabric1 ip route show 10.101.0.0/24").out
    assert re.findall(r"nexthop via (\S+) dev (\S+)", bird) == [("172.20.1.8", "up1"), ("172.20.2.8", "up2")]


def test_second_deploy_applies_nothing(story: Story) -> None:
    """What was deployed is what is wanted."""
    typed = story.terminal
    said = typed.type(f"{typed.netorch} plan fabric1 --detailed-exitcode")
    assert said.code == 0


def test_spine_without_power_is_left(story: Story) -> None:
    """Traffic between the racks goes on through the other spine, and through both when it is back."""
    typed = story.terminal
    with pings(typed) as lost:
        typed.type(f"sudo {NETORCH} lab stop spine1.fabric1")
        wait_until_complete(typed, spines={"up2"})
        wait_until(lambda: all(typed.ping(*pair) for pair in PAIRS), what="all are answered")
    assert max(lost.values()) * INTERVAL_S < LOST_S, lost
    typed.type(f"sudo {NETORCH} lab start spine1.fabric1")
    wait_until_complete(typed)


def test_spine_that_says_nothing_is_left(story: Story) -> None:
    """A spine that stops forwarding while its links stay up is noticed by BFD."""
    typed = story.terminal
    spine = ("spine2.fabric1", "sh", "-c")
    forwarding = "sysctl -qw net.ipv4.ip_forward={0} net.ipv6.conf.all.forwarding={0}"
    with pings(typed) as lost:
        typed.lab_exec(*spine, f"kill -STOP $(pidof bfdd bgpd); {forwarding.format(0)}")
        try:
            wait_until_complete(typed, spines={"up1"})
            wait_until(lambda: all(typed.ping(*pair) for pair in PAIRS), what="all are answered")
        finally:
            typed.lab_exec(*spine, f"{forwarding.format(1)}; kill -CONT $(pidof bfdd bgpd)")
    assert INTERVAL_S < max(lost.values()) * INTERVAL_S < FROZEN_LOST_S, lost
    wait_until_complete(typed)
