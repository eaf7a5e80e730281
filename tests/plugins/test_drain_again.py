"""Drains that meet others, are interrupted and taken up again, on a made-up network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from netorch.api import Deploy, Facts, GuardRefused, Overlay, OverlayEntry, Report, UsageError, Wait, merge_overlays
from netorch.testing import FakeNetwork
from tests.plugins.drain_network import PLUGIN, Traffic, entry, run
from tests.plugins.example import NOW, context

SOUTHNET_AND_MEADOW = frozenset({"southnet_3_v4", "southnet_3_v6", "meadow_4_v4", "meadow_4_v6"})


NORTHTEL = entry("northtel", "closed", until=NOW - 1)
(RETURNING,) = PLUGIN.lapse(Overlay((NORTHTEL,)), NOW)
(ENDED,) = PLUGIN.lapse(Overlay((RETURNING,)), NOW)


@pytest.mark.parametrize(
    ("kept", "stage", "behind"),
    [
        ((NORTHTEL, NORTHTEL), "closed", []),
        ((RETURNING, NORTHTEL), "returning", ["sw2.pop1"]),
        ((ENDED, NORTHTEL), "closed", ["sw2.pop1"]),
        ((RETURNING, RETURNING), "returning", []),
    ],
)
def test_drains_are_listed_as_devices_have_them(
    kept: tuple[OverlayEntry, OverlayEntry], stage: str, behind: list[str]
) -> None:
    """Whatever the time is: closed until a deploy has opened it, on each switch. An undrain opens it before it ends."""
    held = Overlay(PLUGIN.lapse(merge_overlays([kept]), NOW) or (ENDED,))
    known = {"sw1.pop1": kept[:1], "sw2.pop1": kept[1:]}
    done = run("drains", held=held, kept=known)
    (report,) = (step for step in done.steps if isinstance(step, Report))
    assert [(row["stage"], row["behind"]) for row in report.rows] == [(stage, behind)]
    assert ("closed on sw2.pop1 until" in done.text) == bool(behind)
    assert run("undrain", "northtel", held=held, kept=known).stages == ["graceful", "ended"]


@pytest.mark.parametrize(
    ("options", "reason", "until"),
    [
        ({}, "fibre works", NOW + 600),
        ({"reason": "flaps"}, "flaps", NOW + 600),
        ({"for": 60.0}, "fibre works", NOW + 60),
    ],
)
def test_a_drain_taken_up_again_keeps_reason_and_end(options: Any, reason: str, until: float) -> None:
    """What was said when it began holds unless it is said anew."""
    begun = entry("northtel", "graceful", reason="fibre works", until=NOW + 600)
    done = run("drain", "northtel", pop="pop1", held=Overlay((begun,)), **options)
    (held,) = done.network.overlay.entries
    assert (held.reason, held.until, held.data["stage"]) == (reason, until, "closed")


@pytest.mark.parametrize(
    ("verb", "fields", "state"),
    [("drain", {}, "already drained"), ("undrain", {"removed": True}, "not drained")],
)
def test_what_was_interrupted_among_switches_is_brought_to_its_end(verb: str, fields: Any, state: str) -> None:
    """The last step has come to one switch alone: the same command brings it to the other, and names it."""
    held = Overlay((entry("meadow", "closed", **fields),))
    done = run(verb, "meadow", pop="pop1", held=held, traffic=Traffic(behind=frozenset({"sw2.pop1"})))
    assert [step.devices for step in done.steps if isinstance(step, Deploy)] == [("sw1.pop1", "sw2.pop1")]
    words = f"provider meadow in pop1: {state}; now on sw2.pop1 as well"
    assert done.steps[-1] == Report(text=words, changed=True)


def test_an_undrain_that_was_interrupted_waits_again() -> None:
    """Its sessions were opened, and may not be back yet: they are waited for before they carry traffic."""
    begun = entry("northtel", "graceful")
    begun = replace(begun, data={**begun.data, "returning": True})
    done = run("undrain", "northtel", pop="pop1", held=Overlay((begun,)))
    assert done.stages == ["graceful", "ended"]
    assert any(isinstance(step, Wait) for step in done.steps)


def test_a_pop_that_was_never_deployed_is_left_out() -> None:
    """Nothing is there yet to drain: that is said, and the others are drained."""
    network = Traffic()

    def new(seconds: float, overlay: Overlay) -> Facts:
        facts = network(seconds, overlay)
        return {name: replace(held, generation=int(not name.endswith("pop2"))) for name, held in facts.items()}

    fake = FakeNetwork(new)
    steps = fake.run(PLUGIN, "drain", context(PLUGIN), name=("northtel",))
    assert [held.id for held in fake.overlay.entries] == ["drain/provider/northtel@pop1"]
    assert Report(text="pop2: left out, since no switch there was ever deployed") in steps


def test_a_drain_taken_up_again_just_before_its_end_is_refused() -> None:
    """It would close, and open again a moment later; with another end it goes on."""
    begun = entry("northtel", "graceful", until=NOW + 59)
    with pytest.raises(UsageError, match=r"it ends in 59s, at .* expected 60s or more: it would end before") as refusal:
        run("drain", "northtel", pop="pop1", held=Overlay((begun,)))
    assert refusal.value.hint == "give it another end, such as --for 2h"
    options: dict[str, Any] = {"for": 7200.0}
    done = run("drain", "northtel", pop="pop1", held=Overlay((begun,)), **options)
    assert [(one.until, one.data["stage"]) for one in done.network.overlay.entries] == [(NOW + 7200, "closed")]


def test_a_drain_after_an_undrain_has_no_reason_of_before() -> None:
    """What has ended is over, its reason and its time as well."""
    ended = entry("northtel", "closed", reason="fibre works", until=NOW + 600, removed=True)
    (held,) = run("drain", "northtel", pop="pop1", held=Overlay((ended,))).network.overlay.entries
    assert (held.reason, held.until) == ("", None)


def test_what_another_has_drained_meanwhile_is_no_way_out() -> None:
    """Two who begin at the same moment, each counting on the other's provider: the second is refused, and told by whom."""
    (judge, *_) = [step.judge for step in run("drain", "northtel", pop="pop1").steps if isinstance(step, Deploy)]
    held = Overlay((entry("southnet", "graceful"), entry("meadow", "graceful")))
    with pytest.raises(GuardRefused, match="leaves no other provider session Established") as refusal:
        judge(context(PLUGIN, overlay=held))
    assert refusal.value.hint.startswith(
        "drained already: provider southnet in pop1 by bob, provider meadow in pop1 by bob; bring another provider up first"
    )


def test_nothing_is_closed_once_the_others_have_gone() -> None:
    """The wait is long: a provider that died during it does not carry what the drain counts on."""
    network = Traffic()

    def later(seconds: float, overlay: Overlay) -> Facts:
        is_begun = any(held.id == "drain/provider/northtel@pop1" for held in overlay.entries)
        network.dead = SOUTHNET_AND_MEADOW if is_begun else frozenset()
        return network(seconds, overlay)

    fake = FakeNetwork(later)
    with pytest.raises(GuardRefused, match="it stays the last choice, nothing is closed") as refusal:
        fake.run(PLUGIN, "drain", context(PLUGIN), name=("northtel",), pop="pop1")
    assert "netorch undrain provider northtel --pop pop1 takes it back" in refusal.value.hint
    assert [held.data["stage"] for held in fake.overlay.entries] == ["graceful"]


@pytest.mark.parametrize(
    ("verb", "words", "pop", "expected"),
    [
        ("drain", ("northtel",), "pop1", "netorch undrain northtel --pop pop1"),
        ("drain", ("host", "h1.pop1"), None, "netorch undrain host h1.pop1"),
        ("undrain", ("northtel",), None, "netorch drain northtel"),
    ],
)
def test_the_way_back_is_a_command(verb: str, words: tuple[str, ...], pop: str | None, expected: str) -> None:
    """Whoever interrupts it is told what to type."""
    chosen = next(one for one in PLUGIN.verbs if one.name == verb)
    assert chosen.back({"name": words, "pop": pop}) == expected
