"""A provider is drained while one of the two switches that have its sessions cannot be reached."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from netorch.lab import set_link
from tests.lab.deployed_pop import bgp_states
from tests.lab.drained_pop import quick_drains
from tests.lab.quick_lab import QuickLab, quick_example, quick_lab
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

AWAY, THERE = "sw1.pop1", "sw2.pop1"


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    files = quick_drains(quick_example())
    del files["pops/pop2.yml"]
    with quick_lab(tmp_path_factory.mktemp("away"), files, name="away") as up:
        up.deploy("pop1")
        yield up


def northtel(quick: QuickLab, switch: str) -> set[str]:
    """The states of the switch's sessions with northtel."""
    return {state for name, state in bgp_states(quick.lab, switch).items() if name.startswith("northtel")}


def test_a_drain_is_done_where_it_can_be_and_by_the_next_run_elsewhere(quick: QuickLab) -> None:
    """Exit code 3 and the switch's name; the drain is in force for hosts and switches alike; once the switch is back, a run
    closes its sessions. A list of drains that may not be whole ends with 3 as well."""
    set_link(AWAY, "mgmt0", quick.lab.settings, connected=False)
    try:
        said = quick.project("drain", "northtel", "--pop", "pop1", "--wait", "6s", "--allow-capacity", code=3)
        assert f"{AWAY}: " in said.err
        assert f"drained, its sessions are closed; on {AWAY} they are as they were" in said.out
        assert northtel(quick, THERE).isdisjoint({"Established"})
        assert northtel(quick, AWAY) == {"Established"}
        listed = quick.project("drains", code=3)
        assert "northtel" in listed.out
        planned = quick.project("plan", "h1.pop1", "--detailed-exitcode")
        assert f"warning: {AWAY} could not be asked" in planned.err
    finally:
        set_link(AWAY, "mgmt0", quick.lab.settings, connected=True)
    quick.project("run", "pop1")
    assert northtel(quick, AWAY).isdisjoint({"Established"})
    quick.project("undrain", "northtel", "--pop", "pop1")
    wait_until(
        lambda: northtel(quick, AWAY) | northtel(quick, THERE) == {"Established"}, what="northtel is back", timeout_s=30
    )


def test_a_drain_past_its_time_is_told_and_ended_as_switches_have_it(quick: QuickLab) -> None:
    """Closed, whatever the time is, until a deploy comes. After that of one switch it is returning there, and closed still on the
    other, where nothing but the step in between is planned. One run then ends it on both."""
    project = quick.project
    project("drain", "northtel", "--pop", "pop1", "--wait", "1s", "--allow-capacity")
    project("drain", "northtel", "--pop", "pop1", "--for", "1s")

    def listed() -> list[tuple[str, bool, list[str]]]:
        rows = project("drains", "-o", "json").document[0]["rows"]
        return [(row["stage"], row["expired"], row["behind"]) for row in rows]

    wait_until(lambda: listed() == [("closed", True, [])], what="its time is over", timeout_s=30)
    project("deploy", AWAY, "--yes")
    assert listed() == [("returning", True, [THERE])]
    assert northtel(quick, THERE).isdisjoint({"Established"})
    assert re.search(r"overlay drain/provider/northtel@pop1 version \d+, in force", project("plan", THERE).out)
    project("run", "pop1", timeout_s=120)
    assert listed() == []
    wait_until(
        lambda: northtel(quick, AWAY) | northtel(quick, THERE) == {"Established"}, what="northtel is back", timeout_s=30
    )
    assert project("plan", "pop1", "--detailed-exitcode").code == 0


def test_hosts_are_left_alone_while_no_switch_can_be_asked(quick: QuickLab) -> None:
    """Nobody knows which drains are in force: a deploy of a host fails, and says what to do."""
    for switch in (AWAY, THERE):
        set_link(switch, "mgmt0", quick.lab.settings, connected=False)
    try:
        said = quick.project("deploy", "h1.pop1", "--yes", code=1)
    finally:
        for switch in (AWAY, THERE):
            set_link(switch, "mgmt0", quick.lab.settings, connected=True)
    assert "no switch of pop1 can be asked which drains are in force" in said.out
    assert "hint: bring a switch of pop1 back first: netorch status pop1" in said.out
