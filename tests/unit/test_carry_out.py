"""What a person is asked before anything changes, and which guards that answers."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

from netorch.app.gather import World
from netorch.app.transaction import Options
from netorch.cli.carry_out import question, show_plan, summary
from netorch.cli.guard_options import FLAGS, allowances, guard_options
from netorch.errors import RenderError
from netorch.model.overlay import Overlay
from netorch.model.plan import DevicePlan, Plan
from netorch.plan.guards import GUARDS, Allowances
from tests.unit.agents import Agent, controller_of
from tests.unit.inventory_texts import example
from tests.unit.planned import Planned, planned


def restarting() -> tuple[World, Planned]:
    """A first POP whose switches restart every session, one of which is down anyway."""
    found = planned(
        example(),
        example(),
        targets=["sw1.pop1", "sw2.pop1", "h1.pop1"],
        down=[("sw1.pop1", "meadow_4_v4")],
        rewrite=lambda text: text.replace("hold time 90", "hold time 60"),
    )
    return World(found.facts, {}, Overlay(), found.intent), found


def test_the_question_counts_devices_batches_and_sessions() -> None:
    """So that a person knows what is agreed to."""
    world, found = restarting()
    assert question(world, found.plan, Options()) == ("Change 3 devices of pop1 in 3 batches; sessions: 24 restart?")
    quiet = Plan(tuple(DevicePlan(d.device, d.base, 1, d.operations) for d in found.plan.devices[:1]))
    assert question(world, quiet, Options()) == "Change 1 device of pop1; sessions: none resets?"


def test_a_plan_that_failed_in_part_says_where(capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON: the device, the place beyond it, such as a template's line, what is wrong, and what to do."""
    error = RenderError("'rack' is undefined", where="templates/bird/host.conf.j2:14", hint="add it")
    show_plan(controller_of(lambda name: Agent()), Plan(()), {"h1.pop1": error}, refused=(), diff=False, output="json")
    assert json.loads(capsys.readouterr().out)["failures"] == [
        {
            "device": "h1.pop1",
            "where": "templates/bird/host.conf.j2:14",
            "message": "'rack' is undefined",
            "hint": "add it",
        }
    ]


def test_established_sessions_that_restart_are_named() -> None:
    """The first few by name and device, the others counted; one that is down loses nothing."""
    world, found = restarting()
    (line,) = summary(world, found.plan)
    assert line.startswith("Established sessions that restart: ")
    assert "northtel_1_v4 on sw1.pop1" in line
    assert line.endswith(" and 17 more")
    assert "meadow_4_v4" not in line


def given(*arguments: str, asks: bool = False) -> Allowances:
    """What a command line allows."""
    seen: list[Allowances] = []

    @click.command()
    @guard_options
    def command(**parameters: object) -> None:
        seen.append(allowances(parameters, asks=asks))

    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    return seen[0]


def test_each_override_allows_its_guard_alone() -> None:
    """Nothing is allowed by default."""
    assert given() == Allowances()
    for guard in FLAGS:
        assert given(f"--allow-{guard}") == Allowances(frozenset({guard}))
    assert given("--allow-removals", "6", "--allow-resets", "2") == Allowances(removals=6, resets=2)


def test_every_guard_has_an_override() -> None:
    """An option that means no guard would allow nothing."""
    assert {*FLAGS, "removals", "resets"} == set(GUARDS)


def test_a_question_answers_restarts_and_nothing_else() -> None:
    """It shows them; a missing filter it does not show."""
    assert given(asks=True) == Allowances(resets=None)
