"""What was applied to devices, the way back, and changes that wait for a decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from netorch.app.controller import Controller
from netorch.app.gather import World, gather_facts, gather_world
from netorch.app.results import failed_result
from netorch.errors import DeviceError, GuardRefused, NetorchError
from netorch.model.facts import DeviceFacts
from netorch.model.intent import DeviceIntent, Intent
from netorch.model.items import FileItem
from netorch.model.overlay import Overlay
from netorch.model.plan import DevicePlan, Plan
from netorch.model.request import Answer, DecideRequest, Generation
from netorch.model.text import utc_text
from netorch.plan.proof import find_difference
from netorch.plan.rollback import REASON, intent_of, plan_rollback, rolled_back
from netorch.render import restamp


def get_history(
    controller: Controller, names: Iterable[str]
) -> tuple[dict[str, tuple[Generation, ...]], dict[str, NetorchError]]:
    """The generations that each device keeps, newest first."""
    return controller.each(names, lambda name: controller.devices(name).history())


def history_rows(histories: Mapping[str, tuple[Generation, ...]]) -> list[dict[str, Any]]:
    """A row for each generation, as plain JSON; times in UTC."""
    return [
        {
            "device": device,
            "generation": kept.number,
            "confirmed": utc_text(kept.confirmed),
            "author": kept.author,
            "operations": kept.operations,
            "files": list(kept.files),
            "commit": kept.commit or None,
            "reason": kept.reason or None,
        }
        for device, generations in histories.items()
        for kept in generations
    ]


def is_rolled_back(history: tuple[Generation, ...]) -> bool:
    """Whether the last thing that happened to the device was a rollback."""
    return bool(history) and history[0].reason.startswith(REASON)


def rollback_notes(facts: Mapping[str, DeviceFacts], plan: Plan) -> dict[str, str]:
    """What a plan says of devices that somebody rolled back, by device: it ends that, for better or for worse."""
    kept = {device.device: rolled_back(facts[device.device]) for device in plan.devices if not device.is_empty}
    return {
        name: f"{one.author} did a {one.reason}, which this plan ends: has the inventory been put right?"
        for name, one in kept.items()
        if one
    }


@dataclass(frozen=True)
class Rollback:
    """The way back: ``world`` is as it will be meant to be, ``numbers`` the generation that each device goes back to."""

    world: World
    plan: Plan
    numbers: Mapping[str, int]
    failures: dict[str, NetorchError]


def make_rollback(controller: Controller, names: tuple[str, ...], *, to: int | None, allow_overlay: bool) -> Rollback:
    """Plan the way back to generation ``to`` of each device, by default to the one before its present one."""
    world = gather_world(controller, names)
    failures = {name: error for name, error in world.failures.items() if name in names}
    plain = controller.intent(Overlay())
    numbers: dict[str, int] = {}
    meant: dict[str, DeviceIntent] = {}

    def plan(name: str) -> DevicePlan:
        if not allow_overlay:
            _refuse_overlay(plain.device(name), world.intent.device(name))
        generation = world.facts[name].generation
        numbers[name] = _target(name, generation, to)
        stored = controller.devices(name).generation(numbers[name]).items
        planned = plan_rollback(
            world.facts[name],
            stored,
            own_asn=world.intent.asn,
            tolerance=controller.inventory.policy.tolerance,
            restamp=restamp,
        )
        meant[name] = _meant(world.intent, name, planned)
        return planned

    plans, broken = controller.each((name for name in names if name in world.facts), plan)
    intent = world.intent.with_devices(lambda device: meant.get(device.name, device))
    result = Plan(tuple(plans.values()), controller.inventory.commit)
    return Rollback(replace(world, intent=intent), result, numbers, {**failures, **broken})


def _target(name: str, generation: int, to: int | None) -> int:
    if generation == 0 or (to is None and generation == 1):
        raise DeviceError("there is no earlier generation to go back to", where=name, hint=f"netorch history {name}")
    return generation - 1 if to is None else to


def _meant(intent: Intent, name: str, plan: DevicePlan) -> DeviceIntent:
    device = intent.device(name)
    texts = [o.item.text for o in plan.operations if isinstance(o.item, FileItem) and o.item.daemon]
    return intent_of(device, texts[0], own_asn=intent.asn) if texts else device


def _refuse_overlay(plain: DeviceIntent, amended: DeviceIntent) -> None:
    """An old configuration knows nothing of what the overlay changes about policies, such as the graceful stage of a drain;
    closed sessions are kept closed."""
    before = {session.name: session for session in plain.sessions}
    changed = [
        s.name
        for s in amended.sessions
        if s.enabled
        and s.name in before
        and (s.import_policy, s.export_policy) != (before[s.name].import_policy, before[s.name].export_policy)
    ]
    changed += [str(prefix) for prefix in amended.originated if prefix not in plain.originated]
    changed += ["what it tells the fabric"] if amended.fabric_export != plain.fabric_export else []
    if changed:
        raise GuardRefused(
            f"refused (overlay): drains or announcements in force change {', '.join(changed)}, and an old configuration does"
            " not have them",
            where=plain.name,
            hint="end them first (netorch drains, netorch announcements), or --allow-overlay",
        )


Decision = Literal["confirm", "revert"]


@dataclass(frozen=True)
class Decided:
    """What became of the changes that waited: the agents' answers by device, those where nothing waited, and failures."""

    answers: Mapping[str, Answer]
    idle: tuple[str, ...]
    failures: dict[str, NetorchError]


def decide(controller: Controller, names: tuple[str, ...], decision: Decision) -> Decided:
    """Confirm or revert whatever change waits on each of the devices, whoever began it."""
    intent = controller.intent(Overlay())
    facts, failures = gather_facts(controller, intent, [intent.device(name) for name in names])
    waiting = {name: held.pending.id for name, held in facts.items() if held.pending is not None}

    def work(name: str) -> Answer:
        device, request = controller.devices(name), DecideRequest(waiting[name], controller.author)
        if decision == "revert":
            return device.revert(request)
        answer = device.confirm(request)
        difference = find_difference(answer.proof)
        if difference:
            hint = f"somebody else may be at work there: netorch plan {name}"
            raise DeviceError(f"it says that it is confirmed, but {difference}", where=name, hint=hint)
        return answer

    answers, broken = controller.each(waiting, work)
    if controller.audit is not None:
        for name in waiting:
            told = failed_result(name, broken[name]) if name in broken else answers[name]
            message = ": ".join(filter(None, (f"change {waiting[name]}", told.message)))
            controller.audit.record(decision, name, result=told.outcome, generation=told.generation, message=message)
    idle = tuple(name for name in facts if name not in waiting)
    return Decided(answers, idle, {**failures, **broken})
