"""What a verb would bring along: changes that the inventory waits with, beside what the verb itself decides."""

from __future__ import annotations

from dataclasses import replace

from netorch.api import Deploy
from netorch.app.controller import Controller
from netorch.app.gather import World
from netorch.app.planning import refusals
from netorch.errors import GuardRefused, NetorchError
from netorch.model.intent import DeviceIntent
from netorch.model.overlay import merge_overlays
from netorch.model.plan import Plan


def refuse_unasked(controller: Controller, before: World, plan: Plan) -> None:
    """GuardRefused where the inventory wants what a deploy would be refused for: ``plan`` is what it wants of a verb's devices
    ``before`` the verb has changed any, ``as_held``.

    What a verb was allowed, or has judged itself, is for what it decides: who is in a hurry to drain or undrain does not think of
    an edit of the inventory.
    """
    for refusal in refusals(controller, before, plan):
        found = f"beside this the inventory wants something else: {refusal.finding}"
        hint = f"deploy that first (netorch plan {refusal.pop} shows it), or take it out of the inventory"
        raise GuardRefused(f"refused ({refusal.guard}): {found}", where=refusal.where, hint=hint)


def as_held(controller: Controller, world: World) -> World:
    """``world`` as it is meant with the overlay that each device keeps now, past its time or not.

    That may be less than the others have, where a verb was interrupted: the rest is asked for, and none of the inventory's. Hosts
    keep none, and have what the switches have.
    """
    held = merge_overlays(facts.overlay for facts in world.facts.values())
    common = controller.intent(held)
    found = [(held, common)]  # switches of a POP have the same, but for what was interrupted

    def meant(device: DeviceIntent) -> DeviceIntent:
        if device.role == "host" or device.name not in world.facts:
            return device
        mine = merge_overlays([world.facts[device.name].overlay])
        intent = next((intent for overlay, intent in found if overlay == mine), None)
        if intent is None:
            intent = controller.intent(mine)
            found.append((mine, intent))
        return intent.device(device.name)

    amended = common.with_devices(meant)
    return replace(world, overlay=held, intent=amended if len(found) > 1 else common)


def never_deployed(world: World, step: Deploy) -> tuple[str, ...]:
    """The devices of ``step`` that netorch has never deployed: a first deploy is no verb's to make. NetorchError where none of
    those that answer was ever deployed."""
    if step.only:
        return ()
    there = [name for name in step.devices if name in world.facts]
    new = tuple(name for name in there if world.facts[name].generation == 0)
    if new and len(new) == len(there):
        pops = dict.fromkeys(world.intent.device(name).pop for name in new)
        raise NetorchError(
            f"{', '.join(new)}: never deployed, so that there is nothing to change yet",
            hint=f"netorch deploy {' '.join(pops)}, then this again",
        )
    return new
