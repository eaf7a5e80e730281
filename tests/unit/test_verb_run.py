"""A plugin's verb, run against devices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Mapping

import pytest

from netorch.api import ChangeOverlay, Deploy, OverlayEntry, Plugin, Report, Steps, Verb, VerbContext
from netorch.app.verbs import VerbRun
from netorch.errors import Locked, Unreachable
from netorch.testing import RecordingProgress
from tests.unit.agents import Agent, controller_of

SWITCH = "sw1.pop1"
ENTRY = OverlayEntry("try/it", 2, "try", (SWITCH,), "ann", 1_700_000_000.0)


def decide(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
    """Put one entry into force."""
    yield ChangeOverlay((ENTRY,))
    yield Deploy((SWITCH,), why="a trial")
    yield Report(text="it is in force")


VERB = Verb("try", "a trial", decide)
PLUGIN = Plugin("try", "a trial", verbs=(VERB,))


def run(switch: Agent) -> tuple[list[str], RecordingProgress]:
    """What the verb reports where the switch is ``switch``."""
    said: list[str] = []
    controller = controller_of(lambda name: switch if name == SWITCH else Agent(), PLUGIN)
    assert isinstance(controller.progress, RecordingProgress)
    try:
        VerbRun(controller, lambda plan: None, lambda step: said.append(step.text), is_check=True).run(PLUGIN, VERB, {})
    finally:
        said += [f"{name} {outcome}" for name, (outcome, _) in controller.progress.outcomes.items()]
    return said, controller.progress


@pytest.mark.parametrize("held", [(), (ENTRY,), (replace(ENTRY, version=1, removed=True),)])
def test_goes_on_while_its_own_decision_counts(held: tuple[OverlayEntry, ...]) -> None:
    """An entry that the device has already, or an older one, is in nobody's way."""
    assert run(Agent(overlay=held))[0] == ["it is in force"]


@pytest.mark.parametrize(
    "held", [replace(ENTRY, version=3), replace(ENTRY, removed=True, author="bob"), replace(ENTRY, created=1.8e9)]
)
def test_stops_when_somebody_else_decided_meanwhile(held: OverlayEntry) -> None:
    """Two operators at once: the one whose entry lost is told so, not that it is in force."""
    with pytest.raises(Locked, match=f"{held.author} .* meanwhile"):
        run(Agent(overlay=(held,)))


def test_a_switch_that_cannot_be_asked_is_told() -> None:
    """The overlay may be incomplete without it."""
    said, progress = run(Agent(on_facts=Unreachable("nothing answers", where=SWITCH)))
    assert progress.outcomes == {SWITCH: ("failed", "nothing answers")}
    assert said
