"""A roll-out on its way: where it stops, what it looks at again, and what it puts on record."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from threading import Event

import pytest

from netorch.api import Facts, Intent, Plugin
from netorch.app.audit import Audit
from netorch.app.controller import Controller
from netorch.app.deploying import DeployResult, Options, deploy
from netorch.app.gather import World
from netorch.errors import Reverted, TimedOut, TransportError
from netorch.model.facts import DeviceFacts, Pending
from netorch.model.items import AliasItem
from netorch.model.overlay import Overlay
from netorch.model.plan import DevicePlan, Operation, Plan, Reset
from netorch.model.request import Answer, ApplyRequest
from netorch.model.state import Channel, Protocol
from netorch.plan.rollout import BatchSize
from netorch.testing import FakeClock, FakeSecrets, RecordingProgress, fake_facts
from tests.unit.agents import Agent, controller_of
from tests.unit.inventory_texts import example, load

INVENTORY = load(example())
DEVICES = tuple(device.name for device in INVENTORY.devices)
CHANGE = Operation("add", AliasItem("eth0", "another"))


def network(agents: dict[str, Agent], *plugins: Plugin) -> Controller:
    """The example network with these agents; all others are well."""
    every = {name: agents.get(name) or Agent() for name in DEVICES}
    return replace(controller_of(lambda name: every[name], *plugins), inventory=INVENTORY)


def rolled_out(
    controller: Controller, *names: str, options: Options | None = None, resets: tuple[Reset, ...] = ()
) -> DeployResult:
    """One change of each of ``names`` (all), by this controller."""
    chosen = names or DEVICES
    plans = tuple(DevicePlan(name, "base", 1, (CHANGE,) if name in chosen else (), resets) for name in DEVICES)
    world = World({name: fake_facts(name) for name in DEVICES}, {}, Overlay(), controller.intent(Overlay()))
    options = replace(options or Options(), follows_up=False)
    return deploy(controller, world, Plan(plans), failures={}, options=options)


def outcomes(result: DeployResult) -> dict[str, str]:
    """Outcome by device."""
    return {one.device: one.outcome for one in result.results}


def test_a_failure_stops_the_rest_and_undoes_nothing() -> None:
    """What is confirmed stays, what comes later is not begun and says why, in this POP and the next."""
    result = rolled_out(network({"sw2.pop1": Agent(on_apply=Reverted("the checks failed"))}))
    found = outcomes(result)
    assert [found.pop(name) for name in ("sw1.pop1", "sw2.pop1")] == ["changed", "reverted"]
    assert set(found.values()) == {"skipped"}
    assert {one.message for one in result.results if one.outcome == "skipped"} == {
        "not started, since sw2.pop1 did not succeed"
    }
    assert result.exit_code == 6


def test_devices_without_changes_need_no_turn() -> None:
    """They are unchanged, even where something before them failed."""
    found = outcomes(rolled_out(network({"sw1.pop1": Agent(on_apply=TimedOut("no"))}), "sw1.pop1", "sw1.pop2"))
    assert found["h1.pop1"] == found["h1.pop2"] == "unchanged"
    assert (found["sw1.pop1"], found["sw1.pop2"]) == ("unknown", "skipped")


def test_progress_counts_batches_and_devices() -> None:
    """A person sees which batch of how many, and how many devices are done."""
    controller = network({})
    rolled_out(controller, options=Options(sizes=(BatchSize(1), BatchSize(100, is_percent=True))))
    assert isinstance(controller.progress, RecordingProgress)
    assert [text for device, text in controller.progress.steps if not device] == [
        "batch 1 of 6: sw1.pop1 (0 of 8 devices done)",
        "batch 2 of 6: sw2.pop1 (1 of 8 devices done)",
        "batch 3 of 6: h1.pop1 (2 of 8 devices done)",
        "batch 4 of 6: 2 hosts from h2.pop1 (3 of 8 devices done)",
        "batch 5 of 6: sw1.pop2 (5 of 8 devices done)",
        "batch 6 of 6: 2 hosts from h1.pop2 (6 of 8 devices done)",
    ]


def test_nothing_begins_once_the_time_is_up() -> None:
    """The batch under way ends, the rest says that the time was up."""
    controller = network({})
    clock = FakeClock()
    controller = replace(controller, clock=clock, ends_at=30.0)
    found = rolled_out(controller, options=Options(soak_s=20.0))
    assert [outcome for outcome in outcomes(found).values() if outcome == "changed"] == ["changed"] * 2
    assert "the time of this run was up" in found.results[-1].message


def test_a_device_that_hangs_is_cut_off_when_the_time_is_up() -> None:
    """It is unknown, not failed, and its connection ends; the run does not wait for it."""
    released = Event()

    class Hanging(Agent):
        def apply(self, request):  # type: ignore[no-untyped-def]
            released.wait(30)
            raise TimedOut("the connection ended")

        def close(self) -> None:
            released.set()

    controller = replace(network({"sw1.pop1": Hanging()}), ends_at=0.3)
    result = rolled_out(controller, "sw1.pop1")
    assert outcomes(result)["sw1.pop1"] == "unknown"
    assert "the time of this run was up" in result.results[0].message
    assert released.is_set()


def test_a_device_that_hangs_keeps_nobody_of_its_batch() -> None:
    """The others are applied and confirmed while it is still silent."""
    others = {name: Agent() for name in ("h2.pop1", "h3.pop1")}
    seen: list[bool] = []

    class Hanging(Agent):
        def apply(self, request: ApplyRequest) -> Answer:
            pause = Event()
            for _ in range(1000):
                if all("confirm" in agent.asked for agent in others.values()):
                    break
                pause.wait(0.01)
            seen.append(all("confirm" in agent.asked for agent in others.values()))
            raise TimedOut("no sign of life from the device for 5 s")

    controller = network({"h1.pop1": Hanging(), **others})
    result = rolled_out(controller, "h1.pop1", *others, options=Options(sizes=(BatchSize(100, is_percent=True),)))
    assert seen == [True]
    assert [outcomes(result)[name] for name in ("h1.pop1", *others)] == ["unknown", "changed", "changed"]


def beside_a_change_on(device: str, *names: str) -> DeployResult:
    """One change of each of ``names``, while somebody else's waits on ``device``."""
    controller = network({})
    plans = tuple(DevicePlan(name, "base", 1, (CHANGE,) if name in names else ()) for name in DEVICES)
    facts = {name: fake_facts(name) for name in DEVICES}
    facts[device] = replace(facts[device], pending=Pending("c1", "bob@laptop", 1_700_000_000.0, 42.3))
    world = World(facts, {}, Overlay(), controller.intent(Overlay()))
    return deploy(controller, world, Plan(plans), failures={}, options=Options(follows_up=False))


def test_nothing_is_begun_beside_somebody_elses_change() -> None:
    """A change waits on one of the devices: it is told with its author, the others are not begun, exit code 5."""
    result = beside_a_change_on("sw2.pop1", "sw1.pop1", "sw2.pop1", "h1.pop1")
    found = outcomes(result)
    assert [found[name] for name in ("sw1.pop1", "sw2.pop1", "h1.pop1")] == ["skipped", "failed", "skipped"]
    (met,) = [one for one in result.results if one.outcome == "failed"]
    begun = "begun 2023-11-14T22:13:20Z, 42 s are left"
    assert met.message == f"change c1 by bob@laptop waits for its confirmation, {begun}"
    assert "netorch revert sw2.pop1" in met.hint
    assert result.exit_code == 5


def test_two_controllers_never_change_two_switches_of_a_pop() -> None:
    """Somebody's change waits on one switch: the other one is not changed either; hosts may be."""
    result = beside_a_change_on("sw2.pop1", "sw1.pop1")
    assert outcomes(result)["sw1.pop1"] == "failed"
    assert "waits for its confirmation on sw2.pop1" in result.results[0].message
    assert outcomes(beside_a_change_on("sw2.pop1", "h1.pop1"))["h1.pop1"] == "changed"
    assert outcomes(beside_a_change_on("h2.pop1", "h1.pop1"))["h1.pop1"] == "changed"
    assert outcomes(beside_a_change_on("sw1.pop2", "sw1.pop1"))["sw1.pop1"] == "changed"


def test_a_switch_is_not_changed_beside_one_that_somebody_began_meanwhile() -> None:
    """Nothing waited when the plan was made; it is looked at again right before each switch is changed."""
    agent = Agent(waits=Pending("c1", "bob@laptop", 1_700_000_000.0, 42.3))
    result = rolled_out(network({"sw1.pop1": agent}), "sw2.pop1", "h1.pop1")
    found = outcomes(result)
    assert [found[name] for name in ("sw2.pop1", "h1.pop1")] == ["failed", "skipped"]
    assert "change c1 by bob@laptop waits for its confirmation on sw1.pop1" in result.results[1].message
    assert result.exit_code == 5
    assert outcomes(rolled_out(network({"sw1.pop1": agent}), "h1.pop1"))["h1.pop1"] == "changed"


def interrupt(controller: Controller) -> None:
    """Ctrl-C, while a device is at work; returns once the roll-out has understood."""
    assert isinstance(controller.progress, RecordingProgress)
    steps, pause = controller.progress.steps, Event()
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        if any(text.startswith("interrupted") for _, text in steps):
            return
        pause.wait(0.01)
    raise AssertionError("the interrupt did not arrive")


def test_an_interrupt_loses_nothing_that_was_done() -> None:
    """The device under way ends, and is told and on record; the rest was not begun; exit code 130."""

    class Interrupting(Agent):
        def apply(self, request: ApplyRequest) -> Answer:
            interrupt(controller)
            return super().apply(request)

    lines: list[str] = []
    controller = network({"sw2.pop1": Interrupting()})
    audit = Audit(lines.append, controller.clock, str, "ann", "local", "inventory", "")
    result = rolled_out(replace(controller, audit=audit))
    found = outcomes(result)
    assert [found.pop(name) for name in ("sw1.pop1", "sw2.pop1")] == ["changed", "changed"]
    assert set(found.values()) == {"skipped"}
    assert result.results[-1].message == "not started, since it was interrupted"
    assert result.exit_code == 130
    assert [json.loads(line)["result"] for line in lines] == ["begun", "changed"] * 2


def test_a_second_interrupt_waits_for_nobody() -> None:
    """The connection is cut: the device decides alone, and is told as unknown."""
    released = Event()

    class Slow(Agent):
        def apply(self, request: ApplyRequest) -> Answer:
            interrupt(controller)
            os.kill(os.getpid(), signal.SIGINT)
            assert released.wait(30), "nobody cut the connection"
            raise TransportError("the connection was cut")

        def close(self) -> None:
            released.set()

    controller = network({"sw1.pop1": Slow()})
    result = rolled_out(controller)
    assert outcomes(result)["sw1.pop1"] == "unknown"
    assert result.exit_code == 130


# ---- looking again -----------------------------------------------------------------------------------------------


def with_sessions(state: Callable[[], str], intent: Intent) -> Callable[[DeviceFacts], DeviceFacts]:
    """Facts whose provider sessions are in ``state`` at the time."""

    def report(facts: DeviceFacts) -> DeviceFacts:
        protocols = tuple(
            Protocol(
                s.name,
                "BGP",
                bgp_state=state() if s.kind == "provider" else "Established",
                neighbor_asn=s.peer_asn,
                channels=(Channel(s.family.value, routes_imported=10, routes_exported=1),),
            )
            for s in intent.device(facts.device).sessions
        )
        return replace(facts, daemon=replace(facts.daemon, protocols=protocols))

    return report


def losing(device: str) -> Controller:
    """A network whose ``device`` loses its provider sessions some time after it was changed."""
    agent = Agent()
    controller = network({device: agent})
    intent = controller.intent(Overlay())
    agent.reports = with_sessions(lambda: "Idle" if "confirm" in agent.asked else "Established", intent)
    return controller


def test_a_soak_finds_what_came_too_late_for_the_device() -> None:
    """The batch is looked at again before the next: what was lost meanwhile stops the roll-out."""
    result = rolled_out(losing("sw1.pop1"), options=Options(soak_s=600.0))
    found = {one.device: one for one in result.results}
    assert found["sw1.pop1"].outcome == "degraded"
    assert "northtel_1_v4: Idle, expected Established" in found["sw1.pop1"].message
    assert found["sw1.pop1"].generation == 2
    assert "netorch rollback sw1.pop1" in found["sw1.pop1"].hint
    assert found["sw2.pop1"].outcome == "skipped"
    assert result.exit_code == 1


def test_a_soak_that_finds_nothing_goes_on() -> None:
    """It waits after every batch but the last."""
    controller = network({})
    result = rolled_out(controller, options=Options(soak_s=600.0))
    assert set(outcomes(result).values()) == {"changed"}
    assert controller.clock.monotonic() == 600.0 * 5


RESETS = (Reset("northtel_1_v4", "restart", "changed: hold"),)


def test_a_pop_that_lost_something_stops_before_the_next_pop() -> None:
    """Also a device that was not changed itself is named; the POP's figures are shown."""
    result = rolled_out(losing("sw1.pop1"), resets=RESETS)
    found = outcomes(result)
    assert found["sw1.pop1"] == "degraded"
    assert found["h1.pop1"] == "changed"
    assert found["sw1.pop2"] == "skipped"
    (row,) = (row for row in result.comparison if row["device"] == "sw1.pop1")
    assert (row["sessions_before"], row["sessions_after"]) == (10, 6)


def test_changes_that_touch_no_session_are_not_looked_at_twice() -> None:
    """An alias costs no further question to any device."""
    agent = Agent()
    result = rolled_out(network({"h1.pop1": agent}), "h1.pop1")
    assert agent.asked == ["apply", "confirm"]
    assert result.comparison == ()


def test_a_plugin_may_be_against_it() -> None:
    """What its check names makes the device degraded."""

    def check(intent: Intent, before: Facts, after: Facts) -> dict[str, tuple[str, ...]]:
        assert before.keys() == after.keys()
        return {"sw2.pop1": ("the temperature rises",)} if "sw2.pop1" in after else {}

    result = rolled_out(network({}, Plugin("thermal", "watches", check=check)), resets=RESETS)
    found = {one.device: one for one in result.results}
    assert (found["sw2.pop1"].outcome, found["sw2.pop1"].message) == ("degraded", "the temperature rises")
    assert found["sw1.pop1"].outcome == "changed"


def test_a_device_that_is_silent_afterwards_is_told() -> None:
    """A change that cuts the way to another device of the POP is found, whoever was changed."""
    silent, changed = Agent(), Agent()

    def report(facts: DeviceFacts) -> DeviceFacts:
        if "confirm" in changed.asked:
            raise TimedOut("nothing answers")
        return facts

    silent.reports = report
    result = rolled_out(network({"sw1.pop1": changed, "h1.pop1": silent}), "sw1.pop1", resets=RESETS)
    found = {one.device: one for one in result.results}
    assert (found["h1.pop1"].outcome, found["sw1.pop1"].outcome) == ("degraded", "changed")
    assert found["h1.pop1"].message == "does not answer any more: nothing answers"


# ---- the record --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["deploy", "rollback"])
def test_each_change_is_on_record(action: str) -> None:
    """A line when it begins and one with its result, for each device that something was done to; none for the others."""
    written: list[str] = []
    controller = network({"sw2.pop1": Agent(on_apply=Reverted("the checks failed"))})
    audit = Audit(written.append, FakeClock(), lambda text: text, "ann", "local", "/inventory", "abc")
    options = Options(action=action, reason="CHG-4711", reasons={"sw1.pop1": "CHG-1"})
    rolled_out(replace(controller, audit=audit), "sw1.pop1", "sw2.pop1", "sw1.pop2", options=options)
    lines = [json.loads(line) for line in written]
    assert [(line["action"], line["device"], line["result"], line["reason"]) for line in lines] == [
        (action, "sw1.pop1", "begun", "CHG-1"),
        (action, "sw1.pop1", "changed", "CHG-1"),
        (action, "sw2.pop1", "begun", "CHG-4711"),
        (action, "sw2.pop1", "reverted", "CHG-4711"),
    ]
    assert lines[3]["message"] == "the checks failed"
    assert [line["generation"] for line in lines] == [None, 2, None, None]
    assert lines[0]["plan"] == lines[1]["plan"] is not None


def test_a_change_is_on_record_before_the_device_is_asked() -> None:
    """Whoever is killed while the device works has left a trace in its own log."""
    written: list[str] = []
    seen: list[str] = []

    class Reading(Agent):
        def apply(self, request: ApplyRequest) -> Answer:
            seen.extend(written)
            return super().apply(request)

    controller = network({"h1.pop1": Reading()})
    audit = Audit(written.append, FakeClock(), str, "ann", "local", "/inventory", "abc")
    rolled_out(replace(controller, audit=audit), "h1.pop1")
    assert [(json.loads(line)["device"], json.loads(line)["result"]) for line in seen] == [("h1.pop1", "begun")]


def test_no_result_holds_a_secret() -> None:
    """Whatever a daemon says about a line with a password, it is masked before it is shown or put on record."""
    controller = network({"sw1.pop1": Agent(on_apply=Reverted('bird.conf:7:3 password "hunter2" is too short'))})
    controller = replace(controller, secrets=FakeSecrets({"file:../.lab/secrets/southnet": "hunter2"}))
    result = rolled_out(controller, "sw1.pop1").results[0]
    assert result.outcome == "reverted"
    assert "hunter2" not in result.message
    assert "(hidden)" in result.message
    assert isinstance(controller.progress, RecordingProgress)
    assert "hunter2" not in str(controller.progress.outcomes)
