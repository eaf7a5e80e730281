"""Drains while a switch cannot be reached: what can be done is done, and the rest is told."""

from __future__ import annotations

import pytest

from netorch.api import Deploy, NetorchError, Overlay, Report, Wait
from tests.plugins.drain_network import SWITCHES, Traffic, entry, run


def test_the_sessions_within_reach_are_drained_to_the_end() -> None:
    """A dead switch neither stops the drain half-way nor is waited for; it is named, with what brings it there."""
    done = run("drain", "northtel", pop="pop1", traffic=Traffic(silent=frozenset({"sw1.pop1"})), wait=20.0)
    assert done.stages == ["graceful", "closed"]
    assert all(step.devices == SWITCHES and step.goes_on for step in done.steps if isinstance(step, Deploy))
    assert [row["switch"] for row in done.rows] == ["sw2.pop1"]
    assert done.network.clock.monotonic() < 15
    assert {step.devices for step in done.steps if isinstance(step, Wait)} == {("sw2.pop1",)}
    assert done.text.endswith(
        "drained, its sessions are closed; on sw1.pop1 they are as they were, until netorch run or a deploy reaches it"
    )


def test_a_drain_that_nobody_could_see_is_not_begun() -> None:
    """Every switch with sessions of it is away: nothing is decided, so that nothing surprises later."""
    with pytest.raises(NetorchError, match=r"no switch that holds its sessions can be reached: sw1\.pop1") as caught:
        run("drain", "meadow", pop="pop1", traffic=Traffic(silent=frozenset({"sw1.pop1"})), allow_last=True)
    assert "bring the switch back" in caught.value.hint


def test_a_switch_of_the_pop_without_its_sessions_is_in_nobodys_way() -> None:
    """It only keeps the entry, and learns of it later."""
    done = run("drain", "meadow", pop="pop1", traffic=Traffic(silent=frozenset({"sw2.pop1"})))
    assert done.stages == ["graceful", "closed"]
    assert done.text.endswith("drained, its sessions are closed")


def test_an_undrain_waits_for_what_is_within_reach_alone() -> None:
    """The dead switch's sessions cannot come back now; the drain ends all the same."""
    held = Overlay((entry("northtel", "closed"),))
    done = run("undrain", "northtel", traffic=Traffic(silent=frozenset({"sw1.pop1"})), held=held, wait=60.0)
    assert done.stages == ["graceful", "ended"]
    assert done.network.clock.monotonic() < 15
    (wait,) = [step for step in done.steps if isinstance(step, Wait)]
    assert wait.devices == ("sw2.pop1",)
    last = done.steps[-1]
    assert isinstance(last, Report)
    assert last.text.endswith("no longer drained; on sw1.pop1 once netorch run or a deploy reaches it")
