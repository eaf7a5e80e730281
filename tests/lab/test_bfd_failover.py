"""BFD with providers: a line that is cut where no carrier tells is noticed, and hosts take the other one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from netorch.lab import expected_prefixes, set_link
from netorch.model.types import Family
from tests.lab.deployed_pop import service
from tests.lab.quick_lab import QuickLab, only_pop2, quick_lab
from tests.lab.steady_ping import INTERVAL_S, Steady, steady_ping
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

POP = "pops/pop2.yml"
MEADOW, NORTHTEL = "203.0.113.21", "203.0.113.17"
TIMERS = "\nbfd:\n  providers: {interval_ms: 50, multiplier: 3}\n"
NOTICED_S = 1.0
"""An idle machine needs 0.15 to 0.17 s (docs/mirror.md); without BFD it would be the hold time of 90 s."""


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    """The second POP with BFD on both circuits, deployed."""
    files = only_pop2()
    files["network.yml"] += TIMERS
    files[POP] = files[POP].replace("    capacity:", "    bfd: true\n    capacity:")
    with quick_lab(tmp_path_factory.mktemp("bfd"), files, name="bfd") as up:
        up.deploy("pop2")
        yield up


def sessions(quick: QuickLab) -> dict[str, str]:
    """BFD sessions of the switch: their state by the neighbour's address."""
    shown = quick.lab.run("sw1.pop2", "birdc", "show", "bfd", "sessions").splitlines()
    return {words[0]: words[2] for words in map(str.split, shown) if len(words) > 5}


def longest_gap_s(steady: Steady) -> float:
    """For how long no packet was answered at most."""
    begun, longest = steady.lost[0], 0.0
    for before, after in pairwise((*steady.lost, float("inf"))):
        if after - before > 2 * INTERVAL_S:
            longest = max(longest, before - begun + INTERVAL_S)
            begun = after
    return longest


def test_providers_speak_bfd(quick: QuickLab) -> None:
    """Both circuits are watched in both families, with the inventory's timers."""
    wanted = {MEADOW, NORTHTEL, "2001:db8:c:5::1", "2001:db8:c:6::1"}
    wait_until(
        lambda: {sessions(quick).get(address) for address in wanted} == {"Up"}, what="sessions are up", timeout_s=10
    )
    shown = quick.lab.run("sw1.pop2", "birdc", "show", "bfd", "sessions").splitlines()
    (line,) = [line for line in shown if line.startswith(f"{MEADOW} ")]
    assert line.split()[-2:] == ["0.050", "0.150"]


def test_cut_line_is_left_at_once(quick: QuickLab, tmp_path: Path) -> None:
    """Traffic of a host through the preferred provider goes on through the other within a fraction of a second."""
    lab, inventory = quick.lab, quick.lab.inventory
    both = (expected_prefixes(inventory, provider, Family.IPV4)[0] for provider in ("meadow", "northtel"))
    target = str(min(frozenset.intersection(*both), key=lambda prefix: int(prefix.network_address)).network_address + 7)

    def goes_via(address: str) -> bool:
        return f"via {address} " in lab.run("h1.pop2", "ip", "route", "get", target)

    wait_until(lambda: goes_via(MEADOW) and sessions(quick).get(MEADOW) == "Up", what="meadow is used", timeout_s=10)
    with steady_ping(
        lab, "h1.pop2", target, "-I", service(inventory, "h1.pop2", Family.IPV4), folder=tmp_path
    ) as steady:
        set_link("meadow", "circuit6", lab.settings, connected=False)
        wait_until(lambda: goes_via(NORTHTEL), what="the host takes the other provider", timeout_s=10)
        wait_until(lambda: lab.ping("h1.pop2", target), what="it is answered", timeout_s=10)
    assert steady.lost, "the line was not cut"
    assert longest_gap_s(steady) < NOTICED_S, steady.said
