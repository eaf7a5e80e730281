"""``netorch run``: one reconciliation for cron. Silent when nothing was wrong; never two at once; never overrides a guard."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from netorch.app.certificates import certificate_expiries, certificate_notes
from netorch.app.controller import Controller
from netorch.app.deploying import Options, deploy
from netorch.app.gather import World, gather_world
from netorch.app.history import get_history, is_rolled_back
from netorch.app.planning import make_plan, refusals, with_notes
from netorch.app.results import FAILURES, DeployResult, DeviceResult, after, failed_result
from netorch.app.starting import wait_until_started
from netorch.app.validator_states import validator_problems, validator_wants
from netorch.errors import NetorchError
from netorch.io.inventory_files import lacks_commit
from netorch.model.facts import DeviceFacts
from netorch.model.intent import DeviceIntent
from netorch.model.overlay import Overlay
from netorch.model.plan import Plan
from netorch.model.sources import ValidatorFacts
from netorch.plan.windows import frozen_devices

HINT = "look at it with netorch plan, and override it with netorch deploy if it is meant"
OPTIONS = Options(reason="netorch run", action="run")

LAPSE_STEPS = 3
"""In how many steps at most an entry that is past its time may end."""


@dataclass(frozen=True)
class RunResult:
    """What a run found and did: the plan that it started from, the overlay in force, and what became of the devices.
    ``is_late``: its time was up before it was done. ``warnings`` are those of the world that it found, ``expiries`` when the
    devices' certificates expire, in seconds since the epoch. ``has_lapsed``: an entry of the overlay was past its time."""

    plan: Plan
    deployed: DeployResult
    overlay: Overlay
    is_late: bool = False
    warnings: tuple[str, ...] = ()
    expiries: Mapping[str, float] = field(default_factory=dict)
    has_lapsed: bool = False
    validators: Mapping[tuple[str, str], ValidatorFacts] = field(default_factory=dict)

    @property
    def is_quiet(self) -> bool:
        """Everything was as it should be, everywhere; certificates that were renewed in time are."""
        if any(certificate.is_failure for certificate in self.deployed.certificates):
            return False
        return self.plan.is_empty and all(result.outcome == "unchanged" for result in self.deployed.results)

    @property
    def exit_code(self) -> int:
        """That of the deploy; 1 where the time was up."""
        return 1 if self.is_late else self.deployed.exit_code


def reconcile(controller: Controller, targets: Iterable[str], show: Callable[[Plan], None]) -> RunResult:
    """Bring ``targets`` back to what inventory and overlay say. ``show`` is given each plan that is not empty.

    Where something of the overlay is past its time, what follows is done as well: it may take its leave in steps.

    Left alone are devices in maintenance, without a word; devices that were never deployed, were rolled back by a person, or were
    deployed from a commit that this inventory does not have behind it, and POPs whose plan a guard refuses, each with the reason.
    """
    frozen = frozen_devices(controller.inventory, controller.clock.now())
    names = tuple(name for name in targets if name not in frozen)
    if not names:
        return RunResult(Plan(()), DeployResult(()), Overlay())
    result = _reconcile_once(controller, names, show, frozen=frozen)
    for _ in range(LAPSE_STEPS - 1):
        if not result.has_lapsed or result.plan.is_empty or result.exit_code or controller.is_time_up():
            break
        wait_until_started(controller, result.plan)
        more = _reconcile_once(controller, names, show, frozen=frozen)
        if more.plan.is_empty:
            break
        result = _joined(result, more)
    return result


def _joined(first: RunResult, more: RunResult) -> RunResult:
    """Two steps of one run."""
    former = {result.device: result for result in first.deployed.results}
    results = tuple(
        former[one.device]
        if one.outcome == "unchanged" and one.device in former
        else after(former.get(one.device), one)
        for one in more.deployed.results
    )
    comparison = (*first.deployed.comparison, *more.deployed.comparison)
    certificates = (*first.deployed.certificates, *more.deployed.certificates)
    deployed = replace(more.deployed, results=results, comparison=comparison, certificates=certificates)
    return replace(more, plan=first.plan, deployed=deployed)


def _reconcile_once(
    controller: Controller, names: tuple[str, ...], show: Callable[[Plan], None], *, frozen: Container[str]
) -> RunResult:
    world = gather_world(controller, names, wants=validator_wants(controller.inventory))
    found, failures = make_plan(controller, world, names)
    left = _left_alone(controller, world, found)
    plan = _without(found, left)
    # Whoever was deployed once keeps a good certificate, also where the rest is left as it is.
    deployed = [name for name in names if name in world.facts and world.facts[name].generation > 0]
    if not plan.is_empty and not controller.is_time_up():
        show(with_notes(plan, certificate_notes(controller, world.facts, deployed)))
    done = deploy(controller, world, plan, failures=failures, options=OPTIONS, show=show, certified=deployed)
    results = {**left, **{result.device: result for result in done.results}}
    ordered = tuple(results[name] for name in names if name in results)
    is_late = controller.is_time_up() and any(result.outcome in FAILURES for result in ordered)
    expiries = certificate_expiries(world.facts, done.certificates)
    return RunResult(
        found,
        replace(done, results=ordered),
        world.overlay,
        is_late,
        warnings=(*world.warnings(but=frozen), *_validator_warnings(world, names)),
        validators=_validators(world, names),
        expiries=expiries,
        has_lapsed=bool(world.lapsed),
    )


def _asking(world: World, names: tuple[str, ...]) -> Iterator[tuple[DeviceIntent, DeviceFacts]]:
    """The devices that ask validators already: those of a new configuration begin after the deploy."""
    for name in names:
        if name in world.facts and world.facts[name].validators:
            yield world.intent.device(name), world.facts[name]


def _validator_warnings(world: World, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        f"{device.name}: {text}"
        for device, facts in _asking(world, names)
        for _, text in validator_problems(device, facts)
    )


def _validators(world: World, names: tuple[str, ...]) -> dict[tuple[str, str], ValidatorFacts]:
    return {
        (device.name, validator.name): held
        for device, facts in _asking(world, names)
        for validator in device.validators
        if (held := facts.validator(validator.address, validator.port)) is not None
    }


def _left_alone(controller: Controller, world: World, plan: Plan) -> dict[str, DeviceResult]:
    left: dict[str, DeviceResult] = {}
    for device in plan.devices:
        if world.facts[device.device].generation == 0:
            hint = f"netorch deploy {device.device}"
            left[device.device] = DeviceResult(device.device, "skipped", message="was never deployed", hint=hint)
    if controller.is_time_up():
        return left  # nothing will be changed
    changing = [device.device for device in plan.devices if not device.is_empty and device.device not in left]
    histories, errors = get_history(controller, changing)
    left.update({name: failed_result(name, error) for name, error in errors.items()})
    inventory = controller.inventory
    commits = {history[0].commit for history in histories.values() if history}
    newer = {commit for commit in commits if lacks_commit(inventory.folder, commit, at=inventory.commit)}
    for name, history in histories.items():
        hint = f"netorch plan {name} shows the difference, netorch deploy {name} ends this"
        if is_rolled_back(history):
            message = f"left as it is, since {history[0].author} did a {history[0].reason}"
            left[name] = DeviceResult(name, "skipped", history[0].number, message=message, hint=hint)
        elif history and history[0].commit in newer:
            made = f"generation {history[0].number} by {history[0].author} is made from commit {history[0].commit[:12]}"
            message = f"left as it is, since {made}, which is not in the history of this inventory"
            hint = f"bring the newer inventory to {inventory.folder} (git pull), or: {hint}"
            left[name] = DeviceResult(name, "skipped", history[0].number, message=message, hint=hint)
    left.update(_refused(controller, world, _without(plan, left)))
    return left


def _refused(controller: Controller, world: World, plan: Plan) -> dict[str, DeviceResult]:
    """Every planned device of a POP that a guard is against."""
    by_pop: dict[str, list[NetorchError]] = {}
    for refusal in refusals(controller, world, plan):
        by_pop.setdefault(refusal.pop, []).append(refusal.error())
        if controller.audit is not None:
            message = f"{refusal.guard}: {refusal.finding}"
            controller.audit.record("run", refusal.where, result="refused", reason=OPTIONS.reason, message=message)
    left: dict[str, DeviceResult] = {}
    told: dict[str, str] = {}
    for device in plan.devices:
        pop = world.intent.device(device.device).pop
        errors = by_pop.get(pop)
        if errors and not device.is_empty:
            left[device.device] = failed_result(device.device, errors[0], outcome="refused")
            message, hint = "\n".join(map(str, errors)), HINT
            if pop in told:  # a mail need not say it two hundred times
                message, hint = f"as {told[pop]}", ""
            told.setdefault(pop, device.device)
            left[device.device] = replace(left[device.device], message=message, hint=hint)
    return left


def _without(plan: Plan, left: Iterable[str]) -> Plan:
    names = set(left)
    return replace(
        plan,
        devices=tuple(device for device in plan.devices if device.device not in names),
        later={name: steps for name, steps in plan.later.items() if name not in names},
    )
