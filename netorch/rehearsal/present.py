"""Brings the twin to what the real devices run today, all devices at once and without checks: nothing is at stake yet."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping

from netorch.app.controller import Controller
from netorch.app.gather import World, base_request, gather_world
from netorch.app.planning import make_plan
from netorch.errors import NetorchError
from netorch.model.conventions import CONFIGURATIONS
from netorch.model.facts import DeviceFacts
from netorch.model.items import ClosedSessionItem, FileItem, Item, OverlayItem, ServiceItem
from netorch.model.plan import NO_CHECK, DevicePlan
from netorch.model.request import ApplyRequest, DecideRequest
from netorch.plan import plan_device
from netorch.render import configuration_paths

REASON = "rehearsal: as it is today"
CONFIRM_TIMEOUT_S = 60.0
PENDING_TIMEOUT_S = 30.0
POLL_S = 0.25


def install_facts(controller: Controller, facts: Mapping[str, DeviceFacts]) -> None:
    """Give each device of the twin what its real one reported: files, kernel items, overlay, sessions closed by hand.

    A device that netorch has never configured is left as an installer leaves it.
    """
    _install(controller, facts, with_closed=False)
    closed = {
        name: found for name, found in facts.items() if any(isinstance(i, ClosedSessionItem) for i in found.items)
    }
    _install(controller, closed, with_closed=True)


def _install(controller: Controller, facts: Mapping[str, DeviceFacts], *, with_closed: bool) -> None:
    if facts:
        world = _gather(controller, facts)
        plans = (plan_device(_items(facts[name], with_closed=with_closed), world.facts[name]) for name in facts)
        _apply(controller, world, plans)


def install_inventory(controller: Controller, names: tuple[str, ...]) -> None:
    """Give the devices ``names`` of the twin what the controller's inventory says, as a first deploy does."""
    deadline = controller.clock.monotonic() + PENDING_TIMEOUT_S
    while names:
        world = _gather(controller, names)
        plan, failures = make_plan(controller, world, names)
        _raise_first(failures)
        if plan.is_empty:
            return
        if all(device.is_empty for device in plan.devices):
            if controller.clock.monotonic() >= deadline:
                controller.progress.step("", f"given up: {next(iter(plan.later.values()))[0]}")
                return
            controller.clock.wait(POLL_S)
        _apply(controller, world, plan.devices)


def _gather(controller: Controller, names: Iterable[str]) -> World:
    world = gather_world(controller, names)
    _raise_first(world.failures)
    return world


def _items(facts: DeviceFacts, *, with_closed: bool) -> list[Item]:
    left_out = (
        (ServiceItem,) if with_closed else (ServiceItem, ClosedSessionItem)
    )  # the twin's agents have no certificates
    items = [item for item in facts.items if not isinstance(item, left_out)]
    items += [OverlayItem(entry) for entry in facts.overlay if OverlayItem(entry) not in items]
    if facts.daemon.live_stamp is None:
        return [item for item in items if not isinstance(item, ClosedSessionItem)]
    daemon = facts.daemon.name
    paths = configuration_paths(daemon)
    files = (file for file in facts.files if file.path in paths and file.text is not None and file.mode is not None)
    # A group of the daemon's own reads all of them; one of them is its configuration.
    loaded = {CONFIGURATIONS[daemon]: daemon}
    return [*items, *(FileItem(f.path, f.text or "", f.mode or 0o640, daemon, loaded.get(f.path, "")) for f in files)]


def _apply(controller: Controller, world: World, plans: Iterable[DevicePlan]) -> None:
    wanted = {plan.device: plan for plan in plans if not plan.is_empty}

    def change(name: str) -> None:
        plan = wanted[name]
        files = [o.item.text for o in plan.operations if isinstance(o.item, FileItem)]
        request = ApplyRequest(
            id=uuid.uuid4().hex,
            facts=base_request(controller, world.intent, name),
            base=plan.base,
            generation=plan.generation,
            operations=plan.operations,
            sha256=tuple(hashlib.sha256(text.encode()).hexdigest() for text in files),
            check=NO_CHECK,
            confirm_timeout_s=CONFIRM_TIMEOUT_S,
            author=controller.author,
            reason=REASON,
        )
        controller.devices(name).apply(request)
        controller.devices(name).confirm(DecideRequest(request.id, controller.author))

    _, failures = controller.each(wanted, change)
    _raise_first(failures)


def _raise_first(failures: Mapping[str, NetorchError]) -> None:
    for name, error in failures.items():
        raise NetorchError(f"its twin does not take what runs today: {error.message}", where=name, hint=error.hint)
