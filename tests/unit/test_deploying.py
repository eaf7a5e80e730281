"""What a deploy says of each device, and its exit code."""

from __future__ import annotations

from dataclasses import replace
from threading import Event
from typing import Optional

import pytest

from netorch.app.deploying import DeployResult, DeviceResult, Options, deploy
from netorch.app.gather import World
from netorch.errors import AuthError, DeviceError, Locked, NetorchError, Reverted, TimedOut, Unreachable
from netorch.model.facts import Confirmed
from netorch.model.items import AliasItem
from netorch.model.overlay import Overlay
from netorch.model.plan import DevicePlan, Operation, Plan
from netorch.testing import fake_facts, small_intent
from tests.unit.agents import Agent, controller_of

HOST = "h1.pop1"


def deployed(agent: Agent, *, device: str = HOST) -> DeployResult:
    """One change of the small network's host, deployed to ``agent``."""
    change = Operation("add", AliasItem("eth0", "sw1.pop1 swp11"))
    world = World({device: fake_facts(device)}, {}, Overlay(), small_intent())
    plan = Plan((DevicePlan(device, "base", 1, (change,)),))
    return deploy(controller_of(lambda name: agent), world, plan, failures={}, options=Options())


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Unreachable("nothing answers"), "failed"),
        (AuthError("the host key has changed"), "failed"),
        (Locked("bob is at work here"), "failed"),
        (DeviceError("refused"), "failed"),
        (TimedOut("no answer"), "unknown"),
        (Reverted("the checks failed"), "reverted"),
        (KeyError("a defect"), "unknown"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_what_stops_an_apply_becomes_the_devices_result(error: Exception, outcome: str) -> None:
    """Whatever is raised, the device is among the results, and not as a success."""
    result = deployed(Agent(on_apply=error))
    assert [(one.device, one.outcome) for one in result.results] == [(HOST, outcome)]
    assert result.exit_code != 0


@pytest.mark.parametrize("error", [Unreachable("refused"), AuthError("no key"), TimedOut("no answer"), Locked("busy")])
def test_an_applied_change_that_cannot_be_confirmed_is_unknown(error: NetorchError) -> None:
    """The change is live until the device goes back: to say that nothing was changed would be wrong."""
    (result,) = deployed(Agent(on_confirm=error)).results
    assert (result.outcome, result.message) == ("unknown", f"applied, but not known to be confirmed: {error.message}")
    assert "reverts alone" in result.hint


def test_what_an_agent_remarks_is_told() -> None:
    """An address of somebody else's that netorch took over is no secret."""
    (result,) = deployed(Agent(notes=("it was there already",))).results
    assert (result.outcome, result.generation, result.message) == ("changed", 2, "it was there already")


@pytest.mark.parametrize(
    ("action", "reason", "generation"),
    [
        ("deploy", "rollback to generation 3: flaps", 2),
        ("drain", "rollback to generation 3", 1),
        ("deploy", "CHG-1", 1),
    ],
)
def test_a_deploy_that_finds_nothing_to_change_ends_a_rollback(action: str, reason: str, generation: int) -> None:
    """The inventory was mended: a generation without a change takes the mark from a device that somebody rolled back, and from no
    other; a drain decides nothing about it."""
    agent = Agent()
    facts = replace(fake_facts(HOST), confirmed=Confirmed(author="bob", reason=reason))
    world = World({HOST: facts}, {}, Overlay(), small_intent())
    plan = Plan((DevicePlan(HOST, "base", 1),))
    options = Options(action=action, reason="mended")
    (result,) = deploy(controller_of(lambda name: agent), world, plan, failures={}, options=options).results
    assert (result.outcome, result.generation) == ("unchanged", generation)
    kept = [(one.operations, one.reason) for one in (agent.applied,) if one is not None]
    assert kept == ([((), "mended")] if generation == 2 else [])


def outcomes(*pairs: tuple[str, Optional[NetorchError]]) -> DeployResult:
    """A deploy with these outcomes."""
    return DeployResult(
        tuple(DeviceResult(f"d{at}", outcome, error=error) for at, (outcome, error) in enumerate(pairs))
    )


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (outcomes(), 0),
        (outcomes(("changed", None), ("unchanged", None)), 0),
        (outcomes(("changed", None), ("failed", DeviceError("no"))), 3),
        (outcomes(("failed", Unreachable("no")), ("failed", AuthError("no"))), 4),
        (outcomes(("unknown", TimedOut("no"))), 1),
        (outcomes(("failed", Unreachable("no")), ("failed", DeviceError("no"))), 1),
        (outcomes(("failed", Locked("bob")), ("skipped", None)), 5),
        (outcomes(("reverted", Reverted("no")), ("skipped", None), ("changed", None)), 6),
        (outcomes(("reverted", Reverted("no")), ("failed", DeviceError("no"))), 1),
    ],
)
def test_exit_code(result: DeployResult, code: int) -> None:
    """The worst that a script must know, and never "not reached" of a device that was given the change."""
    assert result.exit_code == code


def test_an_interrupt_starts_nothing_more() -> None:
    """Devices whose turn had not come when the operator pressed Ctrl-C are left alone."""
    started: list[str] = []

    def work(name: str) -> None:
        started.append(name)
        if name == "first":
            raise KeyboardInterrupt
        Event().wait(1.0)  # at work while the interrupt arrives

    one_at_a_time = replace(controller_of(lambda name: Agent()), workers=1)
    with pytest.raises(KeyboardInterrupt):
        one_at_a_time.each(("first", "second", "third"), work)
    assert "third" not in started
