"""What ``netorch drain`` refuses, leaves alone, and cannot help: in a POP of one switch and two providers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from netorch.lab import set_service
from netorch.model.types import Family
from tests.lab.deployed_pop import bgp_states, mark, only_behind, service
from tests.lab.quick_lab import QuickLab, bird_file, live_stamp, only_pop2, quick_lab
from tests.lab.steady_ping import steady_ping
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

SWITCH, HOST = "sw1.pop2", "h1.pop2"
NORTHTEL, MEADOW = {"northtel_5_v4", "northtel_5_v6"}, {"meadow_6_v4", "meadow_6_v6"}


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    with quick_lab(tmp_path_factory.mktemp("rules"), only_pop2(), name="rules") as up:
        up.deploy("pop2")
        yield up


@pytest.fixture
def untouched(quick: QuickLab) -> Iterator[QuickLab]:
    """The test must leave the POP's configuration and overlay as they are."""
    before = [bird_file(quick.lab, SWITCH), live_stamp(quick.lab, SWITCH), bgp_states(quick.lab, SWITCH)]
    yield quick
    assert [bird_file(quick.lab, SWITCH), live_stamp(quick.lab, SWITCH), bgp_states(quick.lab, SWITCH)] == before
    assert quick.project("drains").out == "nothing is drained\n"


def closed(quick: QuickLab) -> set[str]:
    """The switch's sessions that are not Established."""
    return {name for name, state in bgp_states(quick.lab, SWITCH).items() if state != "Established"}


def test_a_kind_alone_lists_what_it_means(untouched: QuickLab) -> None:
    """``drain provider`` names the POP's providers, and nothing else."""
    said = untouched.project("drain", "provider", "-o", "json")
    rows = said.document[0]["rows"]
    assert [(row["kind"], row["name"], row["pop"], row["sessions"]) for row in rows] == [
        ("provider", "northtel", "pop2", 2),
        ("provider", "meadow", "pop2", 2),
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("nothrtel",), "did you mean 'northtel'?"),
        (("provider", "northtel-pop2"), "northtel"),
        (("northtel", "--pop", "pop9"), "pop9"),
        (("northtel", "--wait", "soon"), "expected a duration"),
    ],
)
def test_unknown_is_a_usage_error(untouched: QuickLab, arguments: tuple[str, ...], expected: str) -> None:
    """What does not exist, or makes no sense, exits 64 and says what there is."""
    said = untouched.project("drain", *arguments, code=64)
    assert expected in said.err
    assert said.out == ""


def test_check_plans_only(untouched: QuickLab) -> None:
    """``--check`` shows the first step and what would be waited for."""
    said = untouched.project("drain", "northtel", "--check")
    assert "+ overlay drain/provider/northtel@pop2 version 1, in force" in said.out
    assert "next: wait until northtel-pop2 are below 1 % of the former rate" in said.out


def test_undrain_of_what_is_not_drained(untouched: QuickLab) -> None:
    """Nothing to do is said and is no error."""
    assert untouched.project("undrain", "northtel").out == "provider northtel in pop2: not drained\n"


def test_the_last_that_works_is_refused(untouched: QuickLab) -> None:
    """A provider is the POP's last also when the other's sessions are down: exit 7, and the hint names the flag."""
    set_service("meadow", "bird", untouched.lab.settings, running=False)
    try:
        wait_until(lambda: closed(untouched) == MEADOW, timeout_s=20, what="meadow is down")
        said = untouched.project("drain", "northtel", code=7)
    finally:
        set_service("meadow", "bird", untouched.lab.settings, running=True)
    assert "leaves no other provider session Established for IPv4 and IPv6" in said.err
    assert "--allow-last" in said.err
    wait_until(lambda: closed(untouched) == set(), timeout_s=30, what="meadow is back")


def test_a_drain_that_keeps_sessions(quick: QuickLab, tmp_path: Path) -> None:
    """Traffic that ignores the drain keeps the port busy: the time runs out, the row says so, and sessions stay up.

    Then the POP's last provider is refused, and drained all the same with the flag; undrain ends both.
    """
    lab, project = quick.lab, quick.project
    before = bird_file(lab, SWITCH)
    target = only_behind(lab.inventory, "northtel", Family.IPV4)
    options = ("-m", mark(lab.inventory, "northtel"), "-I", service(lab.inventory, HOST, Family.IPV4))
    with steady_ping(lab, HOST, target, *options, folder=tmp_path) as ping:
        said = project("drain", "northtel", "--keep-session", "--wait", "6s", "-o", "json")
    (row,) = said.document[-1]["rows"]
    assert row["quiet"] is False
    # Answers come in by the other provider, what is sent still leaves by this one.
    assert row["rate_after_bps"] > 0.3 * row["rate_before_bps"] > 0.3e6
    assert "not quiet when the time was up" in said.document[1]["text"]
    assert ping.lost == ()
    assert closed(quick) == set()

    refused = project("drain", "meadow", code=7)
    assert "--allow-last" in refused.err
    assert closed(quick) == set()

    project("drain", "meadow", "--allow-last", "--keep-session", "--wait", "0s")
    rows = project("drains", "-o", "json").document[0]["rows"]
    assert {(row["name"], row["stage"], row["keep_session"]) for row in rows} == {
        ("northtel", "graceful", True),
        ("meadow", "graceful", True),
    }
    project("undrain", "meadow")
    project("undrain", "northtel")
    assert bird_file(lab, SWITCH) == before
    assert project("plan", "pop2", "--detailed-exitcode").code == 0
