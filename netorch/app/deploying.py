"""The roll-out: batch after batch, each device's change applied, checked, and confirmed over a second connection."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, replace
from typing import Callable, Iterable, Mapping, Sequence

from netorch.app.controller import Controller, Device
from netorch.app.gather import World, facts_request, gather_world
from netorch.app.planning import make_plan, pending_steps
from netorch.errors import AuthError, Locked, NetorchError, Reverted, TimedOut, TransportError, Unreachable
from netorch.model.items import FileItem
from netorch.model.plan import DevicePlan, Plan
from netorch.model.request import Answer, ApplyRequest, DecideRequest
from netorch.plan import batches

LATER_TIMEOUT_S = 30.0
"""How long a deploy waits for what only its own changes can bring, such as a provider's MAC on a switch."""

POLL_INTERVAL_S = 0.25

FAILURES = ("failed", "unknown", "reverted", "skipped")

UNKNOWN_HINT = "the device confirms or reverts alone: run netorch plan again"


@dataclass(frozen=True)
class Options:
    """How a plan is executed. ``reason`` is kept in each device's history."""

    confirm_timeout_s: float = 60.0
    reason: str = ""


@dataclass(frozen=True)
class DeviceResult:
    """What became of one device: ``changed``, ``unchanged``, ``reverted``, ``failed`` (nothing was changed, or it could
    not be reached), ``skipped`` (an earlier batch failed) or ``unknown`` (the connection ended half-way: the device
    decides alone, and the next run finds out)."""

    device: str
    outcome: str
    generation: int = 0
    message: str = ""
    hint: str = ""
    error: NetorchError | None = None


@dataclass(frozen=True)
class DeployResult:
    """The results of a deploy in the order of the devices."""

    results: tuple[DeviceResult, ...]

    @property
    def exit_code(self) -> int:
        """0 done; 6 every failure was reverted cleanly; 5 every failure met a lock; 4 no device could be reached; 3
        some devices failed and the rest is done; 1 otherwise.
        """
        failed = [result for result in self.results if result.outcome in FAILURES]
        causes = [result for result in failed if result.outcome != "skipped"]
        if not failed:
            return 0
        if causes and all(result.outcome == "reverted" for result in causes):
            return Reverted.exit_code
        if causes and all(isinstance(result.error, Locked) for result in causes):
            return Locked.exit_code
        if len(failed) < len(self.results):
            return 3
        return 4 if all(r.outcome == "failed" and isinstance(r.error, TransportError) for r in causes) else 1


def deploy(
    controller: Controller,
    world: World,
    plan: Plan,
    *,
    failures: dict[str, NetorchError],
    options: Options,
    show: Callable[[Plan], None] = lambda plan: None,
) -> DeployResult:
    """Execute ``plan``; ``show`` is given the plan of a later step (the mirror) before that is executed.

    ``failures`` are devices that gave no facts or no plan: they fail alone.
    """
    results = {name: _failed(name, error) for name, error in failures.items()}
    plans = {device.device: device for device in plan.devices}
    stopped = ""
    for pop, pop_batches in _by_pop(world, plans):
        for batch in pop_batches:
            if stopped:
                results.update({name: _skipped(name, stopped) for name in batch})
                continue
            done = _change_all(controller, world, {name: plans[name] for name in batch}, options)
            results.update(done)
            stopped = next((r.device for r in done.values() if r.outcome in FAILURES), "")
        names = tuple(name for batch in pop_batches for name in batch)
        # Hosts that are sound need their mirror, whatever became of another host of the POP.
        sound = tuple(name for name in names if results[name].outcome in ("changed", "unchanged"))
        if sound and (plan.later.keys() & set(sound) or _changed_a_switch(world, pop, results)):
            results.update(_finish(controller, world, sound, results, options, show))
    order = [device.name for device in world.intent.devices]
    return DeployResult(tuple(results[name] for name in order if name in results))


def _by_pop(world: World, plans: dict[str, DevicePlan]) -> list[tuple[str, list[tuple[str, ...]]]]:
    grouped: dict[str, list[tuple[str, ...]]] = {}
    for batch in batches(world.intent, plans):
        grouped.setdefault(world.intent.device(batch[0]).pop, []).append(batch)
    return list(grouped.items())


def _changed_a_switch(world: World, pop: str, results: dict[str, DeviceResult]) -> bool:
    switches = {device.name for device in world.intent.in_pop(pop, "switch")}
    return any(result.outcome == "changed" and name in switches for name, result in results.items())


def _finish(
    controller: Controller,
    world: World,
    sound: tuple[str, ...],
    results: dict[str, DeviceResult],
    options: Options,
    show: Callable[[Plan], None],
) -> dict[str, DeviceResult]:
    """The step that could not be planned before: wait until nothing is pending, plan the plugins' items, apply them."""
    entries = world.overlay.entries
    deadline = controller.clock.monotonic() + LATER_TIMEOUT_S
    while True:
        world = gather_world(controller, sound, entries=entries)
        waiting = pending_steps(controller.plugins, world, sound)
        if not waiting or controller.clock.monotonic() >= deadline:
            break
        controller.progress.step("", f"waiting for {', '.join(waiting)}: {next(iter(waiting.values()))[0]}")
        controller.clock.wait(POLL_INTERVAL_S)
    owners = {plugin.name for plugin in controller.plugins if plugin.kinds}
    plan, failures = make_plan(controller, world, sound, only=owners)
    if not all(device.is_empty for device in plan.devices):
        show(plan)
    plans = {device.device: device for device in plan.devices if not device.is_empty}
    done = _change_all(controller, world, plans, options)
    done.update({name: _failed(name, error) for name, error in {**failures, **_missed(world, sound)}.items()})
    for name, steps in waiting.items():
        message = f"after {LATER_TIMEOUT_S:g} s still missing: {'; '.join(steps)}"
        done[name] = replace(done.get(name, results[name]), outcome="failed", message=message)
    return done


def _missed(world: World, names: Iterable[str]) -> dict[str, NetorchError]:
    return {name: error for name, error in world.failures.items() if name in set(names)}


def _failed(name: str, error: NetorchError) -> DeviceResult:
    # The result names the device; a place beyond it, such as a template's line, belongs to the message.
    message = str(error).removeprefix(f"{name}: ")
    return DeviceResult(name, "failed", message=message, hint=error.hint, error=error)


def _skipped(name: str, culprit: str) -> DeviceResult:
    return DeviceResult(name, "skipped", message=f"not started, since {culprit} did not succeed")


def _change_all(
    controller: Controller, world: World, plans: Mapping[str, DevicePlan], options: Options
) -> dict[str, DeviceResult]:
    """Change several devices at once. Every one has a result, also where netorch itself failed half-way."""
    done, broken = controller.each(plans, lambda name: _change(controller, world, plans[name], options))
    for name, error in broken.items():
        done[name] = replace(_failed(name, error), outcome="unknown")
        controller.progress.done(name, "unknown", error.message)
    return done


def _change(controller: Controller, world: World, plan: DevicePlan, options: Options) -> DeviceResult:
    """Apply, check and confirm one device's plan; every failure becomes the result."""
    name = plan.device
    if plan.is_empty:
        controller.progress.done(name, "unchanged")
        return DeviceResult(name, "unchanged", generation=plan.generation)
    try:
        result = _transact(controller, world, plan, options)
    except Reverted as error:
        result = replace(_failed(name, error), outcome="reverted")
    except (Unreachable, AuthError) as error:  # no connection was made: nothing has been sent
        result = _failed(name, error)
    except TransportError as error:
        result = replace(_failed(name, error), outcome="unknown", hint=UNKNOWN_HINT)
    except NetorchError as error:
        result = _failed(name, error)
    controller.progress.done(name, result.outcome, result.message)
    return result


def _transact(controller: Controller, world: World, plan: DevicePlan, options: Options) -> DeviceResult:
    name = plan.device
    device = controller.devices(name)
    request = _apply_request(controller, world, plan, options)
    controller.progress.step(name, f"applying {len(plan.operations)} changes")
    applied = device.apply(request)
    controller.progress.step(name, "confirming over a new connection")
    confirmed = _confirm(device, DecideRequest(request.id, controller.author))
    return DeviceResult(name, "changed", generation=confirmed.generation, message="\n".join(applied.notes))


def _confirm(device: Device, request: DecideRequest) -> Answer:
    """Confirm what has been applied. Whatever prevents that leaves a device that is about to go back, never one that is as
    it was: no error of the connection may be taken for "nothing has been sent".
    """
    try:
        return device.confirm(request)
    except (TransportError, Locked) as error:
        raise TimedOut(f"applied, but not confirmed: {error.message}", where=error.where) from error


def _apply_request(controller: Controller, world: World, plan: DevicePlan, options: Options) -> ApplyRequest:
    device = world.intent.device(plan.device)
    return ApplyRequest(
        id=uuid.uuid4().hex,
        facts=facts_request(device, ()),
        base=plan.base,
        generation=plan.generation,
        operations=plan.operations,
        sha256=_hashes(plan),
        check=plan.check,
        confirm_timeout_s=options.confirm_timeout_s,
        author=controller.author,
        reason=options.reason,
        commit=controller.inventory.commit,
    )


def _hashes(plan: DevicePlan) -> tuple[str, ...]:
    files: Sequence[FileItem] = [o.item for o in plan.operations if isinstance(o.item, FileItem)]
    return tuple(hashlib.sha256(file.text.encode()).hexdigest() for file in files)
