"""A change is a success only where what was read back proves it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Callable, Optional

import pytest

from netorch.app.audit import Audit
from netorch.app.deploying import DeviceResult, Options, deploy
from netorch.app.gather import World
from netorch.app.history import Decided, decide
from netorch.errors import Reverted
from netorch.model.facts import ConfirmedFile, Pending
from netorch.model.items import FileItem
from netorch.model.overlay import Overlay
from netorch.model.plan import Check, DevicePlan, Operation, Plan
from netorch.model.request import ApplyRequest, FactsRequest, Proof
from netorch.plan.proof import find_doubt
from netorch.testing import fake_facts, small_intent
from tests.unit.agents import Agent, controller_of

HOST = "h1.pop1"
CONFIGURATION = FileItem("/etc/bird/bird.conf", 'define NETORCH_STAMP = "new";\n', daemon="bird")
SETTINGS = FileItem("/etc/netorch/mirror.json", "{}\n")
PLAN = DevicePlan(HOST, "base", 4, (Operation("add", SETTINGS), Operation("add", CONFIGURATION)))


def held(file: FileItem, stamp: Optional[str] = None, *, text: Optional[str] = None) -> ConfirmedFile:
    """The file as the device reads it back."""
    digest = hashlib.sha256((file.text if text is None else text).encode()).hexdigest()
    return ConfirmedFile(file.path, digest, stamp)


WELL = Proof("new", (held(SETTINGS), held(CONFIGURATION, "new")))


def test_everything_as_planned_leaves_no_doubt() -> None:
    """Generation, files and stamp: live is disk is planned."""
    assert find_doubt(PLAN, generation=5, proof=WELL) == ""


def test_a_change_of_kernel_items_alone_needs_no_stamp() -> None:
    """The device has compared these itself; its generation tells that they are on record."""
    assert find_doubt(replace(PLAN, operations=()), generation=5, proof=Proof()) == ""


@pytest.mark.parametrize(
    ("generation", "proof", "doubt"),
    [
        (6, WELL, "generation 6 was confirmed, expected 5"),
        (5, None, "nothing was read back"),
        (5, replace(WELL, live_stamp="old"), "old is live, expected new"),
        (5, replace(WELL, live_stamp=None), "no configuration of netorch's is live, expected new"),
        (5, replace(WELL, files=WELL.files[:1]), "/etc/bird/bird.conf on disk is not what was planned"),
        (
            5,
            replace(WELL, files=(held(SETTINGS, text="{"), WELL.files[1])),
            "/etc/netorch/mirror.json on disk is not what was planned",
        ),
        (5, Proof(None, (held(SETTINGS), held(CONFIGURATION))), "expected a configuration with a stamp"),
    ],
)
def test_what_is_not_proven_is_named(generation: int, proof: Optional[Proof], doubt: str) -> None:
    """One thing that is not as it was planned is enough."""
    assert doubt in find_doubt(PLAN, generation=generation, proof=proof)


def deployed(proves: Callable[[Proof], Optional[Proof]]) -> DeviceResult:
    """One change of a configuration, of a device that reads back what ``proves`` makes of the truth."""
    world = World({HOST: fake_facts(HOST)}, {}, Overlay(), small_intent())
    agent = Agent(proves=proves)
    plan = Plan((replace(PLAN, generation=1),))
    (result,) = deploy(controller_of(lambda name: agent), world, plan, failures={}, options=Options()).results
    return result


def test_a_success_that_is_not_proven_is_not_reported() -> None:
    """The device says that it is confirmed, and has another configuration live: nobody knows, and that is the result."""
    assert deployed(lambda proof: proof).outcome == "changed"
    result = deployed(lambda proof: replace(proof, live_stamp="somebody's"))
    assert (result.outcome, result.generation) == ("unknown", 2)
    assert "does not prove it: somebody's is live" in result.message
    assert "netorch plan" in result.hint


def test_devices_are_told_how_many_generations_to_keep() -> None:
    """As many as the inventory says."""
    agent = Agent()
    controller = controller_of(lambda name: agent)
    policy = replace(controller.inventory.policy, keep_generations=25)
    controller = replace(controller, inventory=replace(controller.inventory, policy=policy))
    world = World({HOST: fake_facts(HOST)}, {}, Overlay(), small_intent())
    deploy(controller, world, Plan((replace(PLAN, generation=1),)), failures={}, options=Options())
    assert agent.applied is not None
    assert agent.applied.keep_generations == 25


def confirmed_by_hand(
    live: str, *, on_confirm: Optional[Exception] = None, record: Optional[list[str]] = None
) -> Decided:
    """A change that waits, confirmed by hand, of a device that has ``live`` live afterwards; ``record`` gets the audit log."""
    agent = Agent(waits=Pending("c1", "bob", 1.0, 42.0), proves=lambda proof: replace(WELL, live_stamp=live))
    agent.applied = ApplyRequest("c1", FactsRequest(HOST, "bird"), "base", 4, (), (), Check(), 60.0, "bob")
    agent.on_confirm = on_confirm
    controller = controller_of(lambda name: agent)
    lines = [] if record is None else record
    audit = Audit(lines.append, controller.clock, str, "ann", "local", "inventory", "")
    return decide(replace(controller, audit=audit), (HOST,), "confirm")


def test_a_confirmation_by_hand_must_prove_itself_too() -> None:
    """The plan is not known any more; but what is live must be what is on disk."""
    assert confirmed_by_hand("new").answers[HOST].generation == 5
    failed = confirmed_by_hand("somebody's")
    assert failed.answers == {}
    assert "it says that it is confirmed, but somebody's is live, new on disk" in failed.failures[HOST].message


def test_a_decision_by_hand_is_on_record() -> None:
    """The change, what became of it, and its generation: one that went back instead is not told as failed."""
    record: list[str] = []
    confirmed_by_hand("new", record=record)
    confirmed_by_hand("new", on_confirm=Reverted("somebody reloaded BIRD", where=HOST), record=record)
    kept = [{key: json.loads(line)[key] for key in ("result", "generation", "message")} for line in record]
    assert kept == [
        {"result": "confirmed", "generation": 5, "message": "change c1"},
        {"result": "reverted", "generation": None, "message": "change c1: somebody reloaded BIRD"},
    ]
