"""Intent and facts to the plan that ``netorch plan`` shows and ``netorch deploy`` executes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import takewhile
from typing import AbstractSet, Iterable, Mapping, Sequence

from netorch.api import Plugin
from netorch.app.controller import Controller
from netorch.app.gather import World
from netorch.app.hooks import call_hook
from netorch.errors import DeviceError, NetorchError
from netorch.intent import desired_items
from netorch.model.facts import Pending
from netorch.model.intent import DeviceIntent
from netorch.model.items import ClosedSessionItem, FileItem, Item, OverlayItem
from netorch.model.plan import DevicePlan, Plan
from netorch.plan import derive_check, plan_device
from netorch.plan.guards import NOTHING_ALLOWED, Allowances, Refusal, find_refusals
from netorch.plan.other_ends import lone_ends, other_releases
from netorch.plan.versions import refuse_other_version
from netorch.render import render_device, seal


def make_plan(
    controller: Controller, world: World, targets: Iterable[str], *, only: AbstractSet[str] = frozenset()
) -> tuple[Plan, dict[str, NetorchError]]:
    """The plan for those of ``targets`` that gave facts, and why the others have none, by device.

    ``only`` narrows it to the kinds of items that these plugins own. A host whose POP has no switch that could be asked has no
    plan: the drains that are in force for it are not known, and would be lost.
    """
    targets = tuple(targets)
    proposals = _propose(controller, world)
    kinds = tuple(kind for plugin in controller.plugins if plugin.name in only for kind in plugin.kinds)
    tolerance = controller.inventory.policy.tolerance
    plans: list[DevicePlan] = []
    failures = {name: world.failures[name] for name in targets if name in world.failures}
    chosen = tuple(name for name in targets if name in world.facts)
    ready = [name for name in chosen if not _is_hindered(world, name)]
    deployed = {name for name, facts in world.facts.items() if facts.daemon.live_stamp is not None} | set(ready)
    for name in chosen:
        device, facts = world.intent.device(name), world.facts[name]
        try:
            refuse_other_version(device, facts)
            _refuse_blind(world, device)
            desired = (*_own_items(controller, world, device), *proposals.get(name, ()))
            check = derive_check(
                device, facts, deployed=expected_peers(device, deployed, chosen=ready), tolerance=tolerance
            )
            plan = plan_device(desired, facts, check=check)
        except NetorchError as error:
            failures[name] = error
            continue
        plans.append(_narrowed(plan, kinds) if only else plan)
    later = pending_steps(controller.plugins, world, chosen)
    notes = {name: _waiting(pending) for name in chosen if (pending := world.facts[name].pending) is not None}
    whole = with_notes(
        Plan(tuple(plans), controller.inventory.commit, later, notes), lone_ends(world.intent, world.facts, chosen)
    )
    whole = with_notes(whole, other_releases(world.intent, world.facts, chosen))
    return with_notes(whole, {name: _foreseen(error) for name, error in obstacles(whole).items()}), failures


def obstacles(plan: Plan) -> dict[str, DeviceError]:
    """The devices of ``plan`` that would refuse it, as the errors that they would answer with."""
    return {
        device.device: DeviceError(device.obstacle.message, where=device.device, hint=device.obstacle.hint)
        for device in plan.devices
        if device.obstacle is not None
    }


def without_obstacles(plan: Plan, failures: Mapping[str, NetorchError]) -> tuple[Plan, dict[str, NetorchError]]:
    """``plan`` without the devices that would refuse it, which have failed before anything is begun."""
    met = obstacles(plan)
    devices = tuple(device for device in plan.devices if device.device not in met)
    later = {name: steps for name, steps in plan.later.items() if name not in met}
    return replace(plan, devices=devices, later=later), {**failures, **met}


def _foreseen(error: DeviceError) -> str:
    return f"will be refused: {error.message}; {error.hint}"


def _waiting(pending: Pending) -> str:
    left, change = f"{pending.remaining_s:.0f} s are left", f"change {pending.id} by {pending.author}"
    if pending.replaced:
        return f"{change} waits, but is no longer what the daemon runs, {left}: what is planned may be no more"
    return f"{change} waits for its confirmation, {left}: what is planned may be no more"


def _refuse_blind(world: World, device: DeviceIntent) -> None:
    if device.role == "host" and device.pop in world.blind_pops:
        raise DeviceError(
            f"no switch of {device.pop} can be asked which drains are in force, and a plan without them could undo them",
            where=device.name,
            hint=f"bring a switch of {device.pop} back first: netorch status {device.pop}",
        )


def with_notes(plan: Plan, notes: Mapping[str, str]) -> Plan:
    """``plan`` with more remarks, by device."""
    joined = {name: "; ".join(filter(None, (plan.notes.get(name), note))) for name, note in notes.items()}
    return replace(plan, notes={**plan.notes, **joined})


def refusals(
    controller: Controller, world: World, plan: Plan, allowed: Allowances = NOTHING_ALLOWED
) -> tuple[Refusal, ...]:
    """Why the guards are against ``plan``; () where they are not."""
    limits = controller.inventory.policy.guards
    return find_refusals(world.intent, world.facts, plan, limits=limits, allowed=allowed)


def pending_steps(plugins: Iterable[Plugin], world: World, targets: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """What plugins cannot propose yet for ``targets``, in words by device; devices with nothing pending are missing."""
    chosen = tuple(targets)
    pending: dict[str, tuple[str, ...]] = {}
    for plugin in plugins:
        steps = call_hook(plugin, plugin.later, world.intent, world.facts)
        pending.update({name: (*pending.get(name, ()), *steps[name]) for name in chosen if steps.get(name)})
    return pending


def expected_peers(device: DeviceIntent, deployed: AbstractSet[str], *, chosen: Sequence[str]) -> AbstractSet[str]:
    """Whose sessions a device can wait for on its first deploy; ``chosen`` are changed in the same run, in this order."""
    if device.role == "router":
        return frozenset(takewhile(lambda name: name != device.name, chosen))  # the others may not know of it yet
    # Switches go first, when their hosts have no configuration yet: only a host waits for its reflectors.
    return deployed if device.role == "host" else frozenset()


def _is_hindered(world: World, name: str) -> bool:
    """Whether a device is known to take no configuration now: nobody is to wait for one that has none."""
    try:
        refuse_other_version(world.intent.device(name), world.facts[name])
    except NetorchError:
        return True
    return world.facts[name].daemon.obstacle is not None


def _propose(controller: Controller, world: World) -> Mapping[str, list[Item]]:
    proposals: dict[str, list[Item]] = defaultdict(list)
    for plugin in controller.plugins:
        for name, items in call_hook(plugin, plugin.propose, world.intent, world.facts).items():
            proposals[name].extend(items)
    return proposals


def _own_items(controller: Controller, world: World, device: DeviceIntent) -> list[Item]:
    """What follows from the intent and the overlay alone; files are sealed with their secrets and stamps."""
    items: list[Item] = list(desired_items(device))
    items += [ClosedSessionItem(s.name, s.shutdown_message) for s in device.sessions if not s.enabled]
    items += [OverlayItem(entry) for entry in world.overlay.kept_by(device.name)]
    items += [
        _sealed(file, controller) if file.daemon else file for file in render_device(device, controller.templates)
    ]
    return items


def _sealed(file: FileItem, controller: Controller) -> FileItem:
    return replace(file, text=seal(file.text, controller.secrets.resolve, daemon=file.daemon))


def _narrowed(plan: DevicePlan, kinds: tuple[type, ...]) -> DevicePlan:
    operations = tuple(o for o in plan.operations if isinstance(o.item, kinds))
    return replace(plan, operations=operations, resets=(), live_lines=(), obstacle=None)
