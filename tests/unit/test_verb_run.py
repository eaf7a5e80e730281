"""A plugin's verb, run against devices."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Mapping

import pytest

from netorch.api import ChangeOverlay, Deploy, Facts, OverlayEntry, Plugin, Report, Steps, Verb, VerbContext
from netorch.app.audit import Audit
from netorch.app.controller import Controller
from netorch.app.interruption import Trace
from netorch.app.results import DeployResult, DeviceResult
from netorch.app.verbs import VerbRun
from netorch.errors import DeviceError, GuardRefused, Interrupted, Locked, NetorchError, Outdated, Unreachable
from netorch.model.facts import Confirmed, DeviceFacts, Pending
from netorch.model.intent import Intent
from netorch.model.items import Item, OverlayItem, ServiceItem
from netorch.model.overlay import Overlay
from netorch.model.plan import Plan
from netorch.model.request import Answer, ApplyRequest, FactsRequest
from netorch.plan.guards import GUARDS
from netorch.testing import FakeSecrets
from tests.unit.agents import Agent, controller_of
from tests.unit.inventory_texts import example, load
from tests.unit.planned import configuration, planned

SWITCH = "sw1.pop1"
SECRETS = FakeSecrets({"file:../.lab/secrets/southnet": "hunter2"})
ENTRY = OverlayEntry("try/it", 2, "try", (SWITCH,), "ann", 1_700_000_000.0)
OTHER = OverlayEntry("try/other", 1, "try", (SWITCH,), "bob", 1_700_000_000.0)


def decide(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
    """Put one entry into force."""
    yield ChangeOverlay((ENTRY,))
    yield Deploy((SWITCH,), why="a trial")
    yield Report(text="it is in force")


VERB = Verb("try", "a trial", decide)
PLUGIN = Plugin("try", "a trial", verbs=(VERB,))


@dataclass
class Outcome:
    """What became of a run: what the verb reported, and what netorch told beside it."""

    said: list[str]
    told: list[str]
    missed: tuple[str, ...] = ()
    asked: int = 0


def run(
    controller: Controller,
    verb: Verb = VERB,
    *,
    is_check: bool = True,
    show: Callable[[Plan], None] = lambda plan: None,
) -> Outcome:
    """The verb, to its end."""
    said: list[str] = []
    told: list[str] = []
    found = VerbRun(
        controller,
        show,
        lambda step: said.append(step.text),
        lambda error: told.append(str(error)),
        is_check=is_check,
        command="netorch try it",
    )
    missed, asked = found.run(PLUGIN, verb, {})
    return Outcome(said, told, tuple(missed), asked)


def with_switch(switch: Agent) -> Controller:
    """The small network with this switch."""
    return controller_of(lambda name: switch if name == SWITCH else Agent(), PLUGIN)


def audited(controller: Controller, written: list[str]) -> Controller:
    """``controller`` with an audit log that is kept in a list."""
    log = Audit(written.append, controller.clock, str, "ann@noc", "198.51.100.7", "/srv/inventory", "")
    return replace(controller, audit=log)


def on_record(written: list[str]) -> list[tuple[str, str, str | None]]:
    """The audit log: action, result, message."""
    return [(line["action"], line["result"], line["message"]) for line in map(json.loads, written)]


def pop1(*dead: str) -> Controller:
    """The example network, of which these cannot be reached."""
    agents = {name: Agent(on_facts=Unreachable("nothing answers", where=name)) for name in dead}
    found = controller_of(lambda name: agents.get(name) or Agent(), PLUGIN)
    return replace(found, inventory=load(example()), secrets=SECRETS)


@pytest.mark.parametrize("held", [(), (ENTRY,), (replace(ENTRY, version=1, removed=True),)])
def test_goes_on_while_its_own_decision_counts(held: tuple[OverlayEntry, ...]) -> None:
    """An entry that the device has already, or an older one, is in nobody's way."""
    assert run(with_switch(Agent(overlay=held))).said == ["it is in force"]


@pytest.mark.parametrize(
    "held", [replace(ENTRY, version=3), replace(ENTRY, removed=True, author="bob"), replace(ENTRY, created=1.8e9)]
)
def test_stops_when_somebody_else_decided_meanwhile(held: OverlayEntry) -> None:
    """Two operators at once: the one whose entry lost is told so, not that it is in force."""
    with pytest.raises(Locked, match=f"{held.author} .* meanwhile"):
        run(with_switch(Agent(overlay=(held,))))


def beside(reason: str = "", *, running: str = "hold time 90", entry: OverlayEntry = ENTRY) -> Controller:
    """The example network. ``sw1.pop1`` has every session up, on a configuration whose hold time is ``running``, which somebody
    gave ``reason`` for; what the verb decides changes nothing of it."""
    found = planned(example(), example(), targets=[SWITCH])
    text = configuration(found.intent.device(SWITCH)).text.replace("hold time 90", running)
    held = found.facts[SWITCH]
    files = tuple(replace(file, text=text) if file.path == "/etc/bird/bird.conf" else file for file in held.files)
    held = replace(held, files=files, confirmed=Confirmed(author="bob@noc", reason=reason))
    agent = Agent(
        reports=lambda facts: replace(held, overlay=facts.overlay), overlay=(entry,) if entry != ENTRY else ()
    )
    return replace(with_switch(agent), inventory=load(example()), secrets=SECRETS)


def test_what_the_inventory_wants_beside_it_restarts_nothing() -> None:
    """A drain agrees to what it does itself, not to the sessions that an edit of the inventory would restart with it."""
    assert run(beside()).said == ["it is in force"]
    with pytest.raises(
        GuardRefused, match="beside this the inventory wants something else: the plan restarts 4 "
    ) as raised:
        run(beside(running="hold time 60"))
    assert "deploy that first (netorch plan pop1 shows it)" in raised.value.hint


def less_of_pop1(allow: frozenset[str], *held: tuple[OverlayEntry, ...]) -> Outcome:
    """A verb that changes both switches of POP1 when three of its four circuits have gone from the inventory; the switches have
    every session up, and keep ``held``."""
    circuit = re.compile(r"  - id: [234]\n(?:    .*\n)+")
    files = example()
    less = {**files, "pops/pop1.yml": circuit.sub("", files["pops/pop1.yml"])}
    assert len(load(less).pop("pop1").circuits) == 1
    before = planned(files, files)
    agents = {}
    for name, mine in zip(("sw1.pop1", "sw2.pop1"), held or ((), ()), strict=True):
        facts = replace(before.facts[name], overlay=mine)
        agents[name] = Agent(reports=lambda _, facts=facts: facts)  # type: ignore[misc]
    controller = controller_of(lambda name: agents.get(name) or Agent(), PLUGIN)
    names = ("sw1.pop1", "sw2.pop1")

    def steps(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
        yield ChangeOverlay((replace(ENTRY, devices=names),))
        yield Deploy(names, why="a trial", allow=allow)
        yield Report(text="it is in force")

    return run(replace(controller, inventory=load(less), secrets=SECRETS), Verb("two", "two switches", steps))


@pytest.mark.parametrize("held", [(), ((ENTRY,), ())], ids=["new", "held by one"])
def test_what_a_verb_may_do_is_no_leave_for_the_inventory(held: tuple[tuple[OverlayEntry, ...], ...]) -> None:
    """Circuits that somebody took out of the inventory are not closed in passing, whatever the verb has judged of its own."""
    with pytest.raises(GuardRefused, match=r"refused \(removals\): beside this the inventory wants something else"):
        less_of_pop1(frozenset(GUARDS), *held)


def test_a_verb_makes_no_first_deploy() -> None:
    """There is nothing yet that it could change; what was deployed is changed without the rest, which is named."""
    with pytest.raises(NetorchError, match="never deployed") as raised:
        run(with_switch(Agent(generation_now=0)))
    assert raised.value.hint == "netorch deploy pop1, then this again"
    controller = controller_of(lambda name: Agent(generation_now=int(name != "sw2.pop1")), PLUGIN)
    controller = replace(controller, inventory=load(example()), secrets=SECRETS)
    done = run(controller, deploy_pop1(goes_on=False))
    assert (done.said, done.told) == (["without nobody"], ["sw2.pop1: left out, since it was never deployed"])


@pytest.mark.parametrize("held", [ENTRY, replace(ENTRY, version=1)], ids=["new", "in force"])
def test_nothing_brings_back_what_was_rolled_back_in_passing(held: OverlayEntry) -> None:
    """Who drains in a hurry, or ends a drain, must not undo another's rollback."""
    with pytest.raises(GuardRefused, match="bob@noc did a rollback to generation 3: flaps, and this would bring back"):
        run(beside("rollback to generation 3: flaps", running="hold time 90;  # older\n", entry=held))


def test_an_end_is_not_kept_from_what_was_rolled_back_to_the_inventory() -> None:
    """The device has what the inventory wants but for a session that a drain keeps closed: nothing comes back in passing."""
    back = "rollback to generation 3: flaps"
    closed = beside(back, running="disabled;\n    hold time 90", entry=replace(ENTRY, version=1))
    assert run(closed).said == ["it is in force"]


def deploy_pop1(*, goes_on: bool) -> Verb:
    """A verb that changes both switches of POP1."""

    def steps(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
        entry = replace(ENTRY, devices=("sw1.pop1", "sw2.pop1"))
        yield ChangeOverlay((entry,))
        away = yield Deploy(entry.devices, why="a trial", goes_on=goes_on, allow=frozenset({"last", "empty"}))
        yield Report(text=f"without {', '.join(away) or 'nobody'}")

    return Verb("two", "two switches", steps)


def test_a_switch_that_is_away_ends_a_verb_that_needs_it() -> None:
    """The verb ends with its error; the other switch has been changed."""
    with pytest.raises(DeviceError, match=r"sw1\.pop1: failed: nothing answers"):
        run(pop1("sw1.pop1"), deploy_pop1(goes_on=False), is_check=False)


def test_a_verb_that_goes_on_learns_who_is_away() -> None:
    """It ends well, the switch is told once, and the command knows that not all is done."""
    done = run(pop1("sw1.pop1"), deploy_pop1(goes_on=True), is_check=False)
    assert done == Outcome(["without sw1.pop1"], ["sw1.pop1: nothing answers"], ("sw1.pop1",), 2)


def test_a_verb_does_not_go_on_without_anybody() -> None:
    """What nobody holds has not happened."""
    with pytest.raises(DeviceError, match="nothing answers"):
        run(pop1("sw1.pop1", "sw2.pop1"), deploy_pop1(goes_on=True), is_check=False)


def test_only_looking_at_the_overlay_takes_every_switch() -> None:
    """The list may not be whole where a switch could not be asked: the command ends with that."""

    def steps(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
        yield Report(text="nothing")

    done = run(pop1("sw1.pop2"), Verb("lists", "what is in force", steps))
    assert done == Outcome(["nothing"], ["sw1.pop2: nothing answers"], ("sw1.pop2",), 3)


def test_who_is_not_asked_is_not_missed() -> None:
    """A switch elsewhere that is away is told, but the verb's own devices were all there."""
    done = run(pop1("sw1.pop2"), deploy_pop1(goes_on=False), is_check=False)
    assert done == Outcome(["without nobody"], ["sw1.pop2: nothing answers"], (), 2)


def test_no_agent_is_started_on_the_way() -> None:
    """A verb has something else to do than to upgrade the mirror's agents, and must not fail since one does not start."""
    shown: list[Plan] = []
    service = Plugin("try", "a trial", propose=lambda intent, facts: {SWITCH: (ServiceItem("feed"),)}, verbs=(VERB,))
    controller = controller_of(lambda name: Agent(), service)
    VerbRun(controller, shown.append, lambda step: None, lambda error: None, is_check=True).run(service, VERB, {})
    kinds = {type(operation.item) for plan in shown for device in plan.devices for operation in device.operations}
    assert OverlayItem in kinds
    assert ServiceItem not in kinds


@dataclass
class Taken(Agent):
    """A switch that somebody else works on, for so many attempts to change it."""

    attempts: int = 1

    def apply(self, request: ApplyRequest) -> Answer:
        self.attempts -= 1
        self.on_apply = self.refusal if self.attempts >= 0 else None
        return super().apply(request)

    refusal: Exception = field(default_factory=lambda: Locked("bob@noc is at work here", where=SWITCH))


@pytest.mark.parametrize("met", [Locked("bob@noc is at work here", where=SWITCH), Outdated("changed", where=SWITCH)])
def test_a_verb_waits_for_the_end_of_somebody_elses_work(met: Exception) -> None:
    """It tells once whom it waits for and how long at most, plans again, and ends well. The plan is shown once, and on record are
    its begin and its end."""
    shown: list[Plan] = []
    written: list[str] = []
    controller = audited(with_switch(Taken(attempts=3, refusal=met)), written)
    done = run(controller, is_check=False, show=shown.append)
    assert done.said == ["it is in force"]
    assert done.told == [f"{met}: waiting for its end, 120 s at most"]
    assert len(shown) == 2  # with that of the step after it
    assert on_record(written) == [("try", "begun", None), ("try", "changed", None)] * 2
    assert json.loads(written[0])["plan"] == json.loads(written[1])["plan"]


def test_a_verb_does_not_wait_for_ever() -> None:
    """Two minutes, then exit code 5: who is at work, what is recorded, and what to type once that is done. A minute of waiting is
    neither sixty plans nor sixty lines on record."""
    shown: list[Plan] = []
    written: list[str] = []
    switch = Taken(attempts=10**9)
    controller = audited(with_switch(switch), written)
    with pytest.raises(
        Locked, match=r"bob@noc is at work here; still so after 120 s: try/it is recorded nowhere"
    ) as met:
        run(controller, is_check=False, show=shown.append)
    assert met.value.hint == "once that is done: netorch try it"
    assert 120 <= controller.clock.monotonic() < 130
    assert switch.asked.count("apply") > 100
    assert len(shown) == 1
    assert on_record(written) == [("try", "begun", None), ("try", "failed", "bob@noc is at work here")]


@dataclass
class Waiting(Agent):
    """A switch on which somebody's change waits for its confirmation, for so many times that it is asked; then it has ``later``
    of the overlay."""

    asks: int = 10
    later: tuple[OverlayEntry, ...] = ()

    def facts(self, request: FactsRequest) -> DeviceFacts:
        self.asks -= 1
        self.waits = (
            Pending("c1", "bob@noc", 1_700_000_000.0, float(self.asks), reason="flaps") if self.asks > 0 else None
        )
        self.overlay = self.overlay if self.waits else self.later
        return super().facts(request)


@pytest.mark.parametrize(("later", "plans"), [((), 1), ((OTHER,), 2)], ids=["taken back", "confirmed"])
def test_a_change_that_waits_is_on_record_once(later: tuple[OverlayEntry, ...], plans: int) -> None:
    """Its time runs down in the plan's notes and in the message. The plan is shown again where it has become another one."""
    shown: list[Plan] = []
    written: list[str] = []
    run(audited(with_switch(Waiting(later=later)), written), is_check=False, show=shown.append)
    assert len(shown) == plans + 1  # the step after it
    assert [result for _, result, _ in on_record(written)] == ["failed", *["begun", "changed"] * 2]


def judged(controller: Controller, *, by: Callable[[VerbContext], None]) -> Outcome:
    """A verb whose deploy is judged."""

    def steps(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
        yield ChangeOverlay((ENTRY,))
        yield Deploy((SWITCH,), why="a trial", judge=by)

    return run(controller, Verb("try", "a trial", steps), is_check=False)


def test_what_others_decided_meanwhile_is_judged_before_anything_changes() -> None:
    """Each time that it is planned, with the overlay that the devices hold at that moment."""
    switch = Taken(attempts=1)
    seen: list[tuple[str, ...]] = []

    def judge(now: VerbContext) -> None:
        seen.append(tuple(entry.id for entry in now.overlay.entries))
        if now.overlay.find("try/other"):
            raise GuardRefused("no room for both")
        switch.overlay = (OTHER,)

    with pytest.raises(GuardRefused, match="no room for both"):
        judged(with_switch(switch), by=judge)
    assert (seen, switch.applied) == ([(), ("try/other",)], None)


@pytest.mark.parametrize("is_check", [False, True])
def test_what_is_refused_stands_in_the_audit_log(is_check: bool) -> None:
    """Also where a plugin refuses; whoever only looks leaves no line."""
    written: list[str] = []

    def steps(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
        yield Report(text="a preview")
        raise GuardRefused("refused (own): not ours")

    with pytest.raises(GuardRefused):
        run(audited(with_switch(Agent()), written), Verb("try", "a trial", steps), is_check=is_check)
    assert on_record(written) == ([] if is_check else [("try", "refused", "refused (own): not ours")])


def interrupted(*, is_deployed: bool) -> Interrupted:
    """What a verb says that is interrupted once it has decided, or has deployed that as well."""

    def until_then(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
        yield ChangeOverlay((ENTRY,))
        if is_deployed:
            yield Deploy((SWITCH,), why="a trial")
        raise KeyboardInterrupt

    verb = Verb("try", "a trial", until_then, back=lambda arguments: "netorch untry it")
    with pytest.raises(Interrupted) as raised:
        run(with_switch(Agent()), verb, is_check=False)
    return raised.value


def test_an_interrupted_verb_says_what_is_recorded_and_what_to_type() -> None:
    """The devices that hold its decision, what that means, how to go on, and how to take it back."""
    error = interrupted(is_deployed=True)
    assert error.exit_code == 130
    assert str(error) == "interrupted: try/it is recorded on sw1.pop1: version 2, in force"
    assert error.hint == "it goes on with: netorch try it; it is taken back with: netorch untry it"


def test_a_verb_that_was_interrupted_before_it_did_anything_says_so() -> None:
    """Also where it had decided already: no device knows of that."""
    error = interrupted(is_deployed=False)
    assert (str(error), error.hint) == ("interrupted: nothing was changed, nothing is recorded", "")


def test_an_interrupted_verb_tells_the_steps_of_each_device() -> None:
    """A later version has come to one of two switches: the other one still has what was before, and a third none."""
    trace, both = Trace(), replace(ENTRY, devices=("sw1", "sw2", "sw3"))
    came = DeployResult((DeviceResult("sw1", "changed"), DeviceResult("sw2", "changed"), DeviceResult("h1", "changed")))
    trace.note(came, (both,))
    later = replace(both, version=3)
    went = DeployResult(
        (DeviceResult("sw1", "changed"), DeviceResult("sw2", "skipped"), DeviceResult("sw3", "unknown"))
    )
    trace.note(went, (later,))
    assert trace.words((later,), lambda entry: f"version {entry.version}") == (
        "try/it is recorded on sw1: version 3; on sw2: version 2; not on sw3, the next netorch run or deploy brings it there"
        "; h1: changed; sw3: not known yet, netorch status tells in a minute"
    )


def test_a_verb_sees_what_a_step_fails_with() -> None:
    """It may put things right before the command ends with that error."""

    def steps(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
        yield ChangeOverlay((ENTRY,))
        try:
            yield Deploy((SWITCH,), why="a trial")
        except DeviceError as error:
            yield Report(text=f"too bad: {error.message}")
            raise

    said: list[str] = []
    controller = with_switch(Agent(on_apply=DeviceError("no", where=SWITCH)))
    runner = VerbRun(controller, lambda plan: None, lambda step: said.append(step.text), lambda error: None)
    with pytest.raises(DeviceError, match="failed: no"):
        runner.run(PLUGIN, Verb("fails", "a trial", steps), {})
    assert said == [f"too bad: {SWITCH}: failed: no"]


@pytest.mark.parametrize(("held", "plans"), [((OTHER,), 2), ((), 3)], ids=["the same", "one less"])
def test_what_switches_hold_is_planned_once_where_they_agree(held: tuple[OverlayEntry, ...], plans: int) -> None:
    """With the verb's decision, and without it; what each has, and what they have together, are two plans where one has less."""
    made: list[str] = []

    def propose(intent: Intent, facts: Facts) -> dict[str, tuple[Item, ...]]:
        made.append("plan")
        return {}

    def amend(intent: Intent, overlay: Overlay) -> Intent:
        count = str(len(overlay.entries))
        return intent.with_devices(lambda one: replace(one, sysctls=(*one.sysctls, ("net.core.somaxconn", count))))

    plugin = Plugin("try", "a trial", amend=amend, propose=propose)
    agents = {"sw1.pop1": Agent(overlay=(OTHER,)), "sw2.pop1": Agent(overlay=held)}
    controller = controller_of(lambda name: agents.get(name) or Agent(), plugin)
    run(replace(controller, inventory=load(example()), secrets=SECRETS), deploy_pop1(goes_on=False))
    assert len(made) == plans


def test_what_each_switch_holds_is_derived_for_who_looks_there() -> None:
    """An intent for every overlay that differs takes its time: the verb asks for it."""
    amended: list[Overlay] = []

    def amend(intent: Intent, overlay: Overlay) -> Intent:
        amended.append(overlay)
        return intent

    def steps(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
        before = len(amended)
        assert context.present is not None
        context.present()
        yield Report(text=f"{before} and {len(amended) - before}")

    agents = {"sw1.pop1": Agent(overlay=(ENTRY,)), "sw2.pop1": Agent(overlay=(OTHER,))}
    controller = controller_of(lambda name: agents.get(name) or Agent(), Plugin("try", "a trial", amend=amend))
    controller = replace(controller, inventory=load(example()), secrets=SECRETS)
    assert run(controller, Verb("looks", "what is in force", steps)).said == ["2 and 3"]
