"""The step of a deploy that had to wait: what is told where it does not succeed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from netorch.api import Plugin
from netorch.app.audit import Audit
from netorch.app.deploying import DeviceResult, Options, deploy
from netorch.app.gather import World
from netorch.errors import DeviceError, NetorchError, Reverted, TimedOut, Unreachable
from netorch.model.items import AliasItem
from netorch.model.overlay import Overlay
from netorch.model.plan import DevicePlan, Operation, Plan
from netorch.model.request import Answer, ApplyRequest
from netorch.testing import FakeSecrets, fake_facts
from tests.unit.agents import Agent, controller_of
from tests.unit.inventory_texts import example, load

INVENTORY = load(example())
DEVICES = tuple(device.name for device in INVENTORY.devices)
CHANGE = Operation("add", AliasItem("eth0", "another"))


class Once(Agent):
    """A device on which the first change succeeds, and every further one ends with ``then``."""

    then: NetorchError

    def apply(self, request: ApplyRequest) -> Answer:
        self.on_apply = self.then if "confirm" in self.asked else None
        return super().apply(request)


def waited_for(*agents: tuple[str, Agent], written: list[str] | None = None) -> dict[str, DeviceResult]:
    """A deploy of hosts of which a plugin wants something more as soon as the first part is done."""
    wanted = AliasItem("eth1", "at last")
    plugin = Plugin(
        "late", "waits", kinds=(AliasItem,), propose=lambda intent, facts: {name: (wanted,) for name, _ in agents}
    )
    every = {name: Agent() for name in DEVICES} | dict(agents)
    secrets = FakeSecrets({"file:../.lab/secrets/southnet": "hunter2"})
    controller = replace(controller_of(lambda name: every[name], plugin), inventory=INVENTORY, secrets=secrets)
    if written is not None:
        controller = replace(controller, audit=Audit(written.append, controller.clock, str, "ann", "local", "/i", ""))
    plans = tuple(DevicePlan(name, "base", 1, (CHANGE,)) for name, _ in agents)
    world = World({name: fake_facts(name) for name in DEVICES}, {}, Overlay(), controller.intent(Overlay()))
    plan = Plan(plans, later={name: ("the alias",) for name, _ in agents})
    return {one.device: one for one in deploy(controller, world, plan, failures={}, options=Options()).results}


@pytest.mark.parametrize(
    ("error", "outcome", "became"),
    [
        (Reverted("netlink: no such device"), "degraded", "was taken back"),
        (DeviceError("refused"), "degraded", "was not done"),
        (Unreachable("nothing answers"), "degraded", "was not done"),
        (TimedOut("no answer"), "unknown", "ended half-way"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_what_was_confirmed_before_a_failure_is_told(error: NetorchError, outcome: str, became: str) -> None:
    """The first part stays as a generation: to call the device reverted, or failed, would say that it is as it was."""
    agent, written = Once(), list[str]()
    agent.then = error
    result = waited_for(("h1.pop1", agent), written=written)["h1.pop1"]
    message = f"generation 2 stays; the step that had to wait {became}: {error.message}"
    assert (result.outcome, result.generation, result.message) == (outcome, 2, message)
    last = json.loads(written[-1])
    assert (last["result"], last["generation"], last["message"]) == (outcome, 2, message)


def test_whom_the_waiting_step_does_not_come_to_is_told() -> None:
    """The host after the one that failed was changed before, and lacks the rest."""
    first, second = Once(), Agent()
    first.then = Reverted("no")
    result = waited_for(("h1.pop1", first), ("h2.pop1", second))["h2.pop1"]
    rest = "the step that had to wait was not done: not started, since h1.pop1 did not succeed"
    assert (result.outcome, result.message) == ("degraded", f"generation 2 stays; {rest}")
    assert second.asked.count("apply") == 1
