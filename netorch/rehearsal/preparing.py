"""The outer half: what the real devices run today."""

from __future__ import annotations

from collections.abc import Mapping

from netorch.app.controller import Controller
from netorch.app.gather import gather_facts
from netorch.errors import NetorchError, UsageError
from netorch.model.facts import DeviceFacts
from netorch.model.inventory import Inventory
from netorch.model.overlay import Overlay
from netorch.rehearsal.base import Base
from netorch.rehearsal.brief import Brief


def pops_of(inventory: Inventory, targets: tuple[str, ...]) -> tuple[str, ...]:
    """The POPs of ``targets``, in the inventory's order. UsageError for one with routers: what is judged of a twin, providers and
    hosts, says nothing about an underlay, and a rehearsal that finds nothing would be taken for a proof."""
    chosen = [pop for pop in inventory.pops if any(device.name in targets for device in pop.devices)]
    for pop in chosen:
        if pop.routers:
            names = ", ".join(router.name for router in pop.routers)
            raise UsageError(
                f"{pop.name}: expected a POP of switches and hosts, found routers of an underlay ({names}): a rehearsal "
                "judges what providers hear and whether hosts' packets pass, which says nothing about them",
                hint="name other POPs; for this one netorch lab up plays the inventory, and netorch deploy there the change",
            )
    return tuple(pop.name for pop in chosen)


def ask_devices(controller: Controller, targets: tuple[str, ...]) -> dict[str, DeviceFacts]:
    """What every device of the targets' POPs has; those that do not answer are missing, and named to the progress."""
    intent = controller.intent(Overlay())
    pops = pops_of(controller.inventory, targets)
    facts, failures = gather_facts(controller, intent, [device for device in intent.devices if device.pop in pops])
    for name, error in failures.items():
        controller.progress.step("", f"{name} cannot be asked: {error.message}")
    return facts


def make_brief(
    controller: Controller,
    targets: tuple[str, ...],
    *,
    facts: Mapping[str, DeviceFacts],
    base: Base | None,
    prefixes: int,
) -> Brief:
    """The brief of a rehearsal. NetorchError for a POP of which nothing says what runs today."""
    inventory = controller.inventory
    pops = pops_of(inventory, targets)
    devices = [device for device in inventory.devices if device.pop in pops]
    unknown = [device.name for device in devices if device.name not in facts]
    if unknown and base is None:
        raise (NetorchError if facts else UsageError)(
            f"nobody says what runs today on {', '.join(unknown)}",
            hint="--base DIR or --base REV names the inventory that was deployed there",
        )
    return Brief(inventory.folder, targets, controller.author, base, facts, prefixes)
