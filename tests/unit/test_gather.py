"""Facts of a network in which some devices cannot be asked, and what is planned from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional

import pytest

from netorch.api import Overlay, OverlayEntry, Plugin
from netorch.app.controller import Controller
from netorch.app.gather import World, gather_facts, gather_world
from netorch.app.planning import make_plan
from netorch.app.status import get_status
from netorch.errors import DeviceError, Unreachable
from netorch.model.facts import DeviceFacts, Obstacle, Pending
from netorch.model.request import FactsRequest
from netorch.testing import FakeClock, FakeSecrets
from tests.unit.agents import Agent, controller_of
from tests.unit.inventory_texts import example, load

INVENTORY = load(example())
CLOCK = FakeClock()


def network(*dead: str, agents: Optional[dict[str, Agent]] = None) -> Controller:
    """The example network in which ``dead`` do not answer; all others but ``agents`` are well."""
    agents = {**(agents or {}), **{name: Agent(on_facts=Unreachable("nothing answers", where=name)) for name in dead}}
    found = controller_of(lambda name: agents.get(name) or Agent())
    return replace(found, inventory=INVENTORY, secrets=FakeSecrets({"file:../.lab/secrets/southnet": "hunter2"}))


def world_of(controller: Controller) -> World:
    """Every device that answers."""
    return gather_world(controller, [device.name for device in INVENTORY.devices])


def test_hosts_are_not_planned_while_nobody_knows_the_drains() -> None:
    """No switch of their POP answers: a plan would lose what the switches hold. The other POP is planned."""
    controller = network("sw1.pop1", "sw2.pop1")
    world = world_of(controller)
    targets = [host.name for pop in INVENTORY.pops for host in pop.hosts]
    plan, failures = make_plan(controller, world, targets)
    assert {device.device for device in plan.devices} == {"h1.pop2", "h2.pop2"}
    assert set(failures) == {"h1.pop1", "h2.pop1", "h3.pop1"}
    refused = failures["h1.pop1"]
    assert isinstance(refused, DeviceError)
    assert "no switch of pop1 can be asked which drains are in force" in refused.message
    assert "netorch status pop1" in refused.hint
    assert world.warnings() == ()


def test_one_switch_knows_for_all_but_the_missing_one_is_told() -> None:
    """A POP with a switch that answers is planned, with a warning that names the other."""
    controller = network("sw2.pop1")
    world = world_of(controller)
    plan, failures = make_plan(controller, world, ["h1.pop1", "sw2.pop1"])
    assert [device.device for device in plan.devices] == ["h1.pop1"]
    assert isinstance(failures["sw2.pop1"], Unreachable)
    (warning,) = world.warnings()
    assert warning.startswith("sw2.pop1 could not be asked: a drain that it alone knows of is left out for pop1")
    assert world.warnings(but={"sw2.pop1"}) == ()  # in maintenance, say


def test_switches_are_planned_although_others_are_away() -> None:
    """Each holds the overlay of its POP itself."""
    controller = network("sw1.pop1")
    plan, failures = make_plan(controller, world_of(controller), ["sw1.pop1", "sw2.pop1"])
    assert [device.device for device in plan.devices] == ["sw2.pop1"]
    assert list(failures) == ["sw1.pop1"]


@dataclass
class Silent(Agent):
    """A device that lets whoever asks wait for 6 s, in vain, unless it is ``back``."""

    back: bool = False

    def facts(self, request: FactsRequest) -> DeviceFacts:
        if self.back:
            return super().facts(request)
        self.asked.append("facts")
        CLOCK.wait(6.0)
        raise Unreachable("nothing answers (waited 6 s)", where=request.device)


def test_whoever_let_a_command_wait_in_vain_is_not_asked_again_at_once() -> None:
    """A command with many steps waits once for a dead device; half a minute later it asks again, and at once where it waits for
    the device to come back."""
    silent = Silent()
    controller = replace(network(agents={"sw1.pop1": silent}), clock=CLOCK)
    began = CLOCK.monotonic()
    found = [world_of(controller).failures["sw1.pop1"] for _ in range(4)]
    assert [str(error) for error in found] == [str(found[0])] * 4
    assert (silent.asked, CLOCK.monotonic() - began) == (["facts"], 6.0)
    gather_facts(controller, controller.intent(Overlay()), [controller.intent(Overlay()).device("sw1.pop1")])
    assert len(silent.asked) == 2
    CLOCK.wait(31.0)
    world_of(controller)
    assert len(silent.asked) == 3


def test_whoever_has_answered_again_is_asked_as_before() -> None:
    """One answer ends the time of rest: a switch that is back takes part in the next step."""
    silent = Silent()
    controller = replace(network(agents={"sw1.pop1": silent}), clock=CLOCK)
    assert "sw1.pop1" in world_of(controller).failures
    silent.back = True
    gather_facts(controller, controller.intent(Overlay()), [controller.intent(Overlay()).device("sw1.pop1")])
    assert "sw1.pop1" in world_of(controller).facts


def test_a_change_that_waits_is_told_with_the_plan() -> None:
    """What is planned from a state that somebody is about to confirm or to lose may be no more in a minute."""
    waiting = Agent(waits=Pending("c1", "bob@laptop", 1.0, 42.0))
    controller = network(agents={"sw2.pop1": waiting})
    plan, failures = make_plan(controller, world_of(controller), ["sw1.pop1", "sw2.pop1"])
    assert failures == {}
    assert plan.notes == {
        "sw2.pop1": "change c1 by bob@laptop waits for its confirmation, 42 s are left: what is planned may be no more"
    }


def test_a_change_that_waits_and_is_not_live_any_more_is_told() -> None:
    """Somebody's reload has replaced it, which its author cannot know: status and plan say so."""
    agent = Agent(waits=Pending("c1", "bob@laptop", 1.0, 42.0, replaced=True))
    controller = network(agents={"sw2.pop1": agent})
    plan, _ = make_plan(controller, world_of(controller), ["sw2.pop1"])
    assert "c1 by bob@laptop waits, but is no longer what the daemon runs, 42 s are left" in plan.notes["sw2.pop1"]
    document = get_status(controller, ["sw1.pop1", "sw2.pop1"]).document()
    assert [device["pending_replaced"] for device in document["devices"]] == [None, True]


@pytest.mark.parametrize(
    ("is_live", "waited_for"), [(False, ["sw2_v4", "sw2_v6"]), (True, ["sw1_v4", "sw1_v6", "sw2_v4", "sw2_v6"])]
)
def test_a_first_deploy_does_not_wait_for_who_refuses_its_own(is_live: bool, waited_for: list[str]) -> None:
    """A switch that somebody else configures gets no configuration: the sessions of new hosts with it come up if it had one."""

    def new(facts: DeviceFacts) -> DeviceFacts:
        return replace(facts, generation=0, daemon=replace(facts.daemon, live_stamp=None, protocols=()))

    def refusing(facts: DeviceFacts) -> DeviceFacts:
        facts = facts if is_live else new(facts)
        return replace(facts, daemon=replace(facts.daemon, obstacle=Obstacle("NVUE writes it")))

    controller = network(agents={"sw1.pop1": Agent(reports=refusing), "h1.pop1": Agent(reports=new)})
    plan, failures = make_plan(controller, world_of(controller), ["sw1.pop1", "sw2.pop1", "h1.pop1"])
    assert failures == {}
    assert list(plan.devices[-1].check.up) == waited_for


def test_what_is_past_its_time_is_found_ended() -> None:
    """A plugin says which of its entries have lapsed; whoever plans finds them so, and others' entries as they are."""
    held = tuple(
        OverlayEntry(f"{plugin}/x", 3, plugin, ("sw1.pop1",), "ann", 1.0, until=until)
        for plugin, until in (("lease", 10.0), ("lease2", 1e12), ("other", 10.0))
    )

    def lapse(overlay: Overlay, now: float) -> tuple[OverlayEntry, ...]:
        mine = (entry for entry in overlay.active("lease") if entry.until is not None and entry.until <= now)
        return tuple(replace(entry, version=entry.version + 1, removed=True) for entry in mine)

    controller = network(agents={"sw1.pop1": Agent(overlay=held)})
    controller = replace(controller, plugins=(Plugin("lease", "ends by itself", lapse=lapse),))
    world = world_of(controller)
    assert [(entry.id, entry.version, entry.removed) for entry in world.overlay.entries] == [
        ("lease/x", 4, True),
        ("lease2/x", 3, False),
        ("other/x", 3, False),
    ]
    assert [entry.id for entry in world.lapsed] == ["lease/x"]
    decided = gather_world(controller, ["sw1.pop1"], entries=(replace(held[0], version=4),))
    assert decided.overlay.find("lease/x") == replace(held[0], version=4), "what was decided just now does not end yet"


def test_no_device_leaves_a_step_of_an_end_out() -> None:
    """One switch has the first of two steps, the other nothing yet: the second waits until both have the first."""
    first = OverlayEntry("lease/x", 1, "lease", ("sw1.pop1", "sw2.pop1"), "ann", 1.0, until=10.0)
    second = replace(first, version=2, data={"stage": "returning"})

    def lapse(overlay: Overlay, now: float) -> tuple[OverlayEntry, ...]:
        return tuple(
            replace(entry, version=entry.version + 1, removed=bool(entry.data), data={"stage": "returning"})
            for entry in overlay.active("lease")
        )

    def seen(*held: OverlayEntry) -> Optional[OverlayEntry]:
        agents = {name: Agent(overlay=(one,)) for name, one in zip(first.devices, held, strict=True)}
        plugin = Plugin("lease", "ends by itself", lapse=lapse)
        world = world_of(replace(network(agents=agents), plugins=(plugin,)))
        assert world.lapsed, "netorch run looks once more"
        return world.overlay.find("lease/x")

    assert seen(first, first) == second
    assert seen(second, first) == second
    assert seen(second, second) == replace(second, version=3, removed=True)
