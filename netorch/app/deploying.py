"""The roll-out: POP after POP, batch after batch; what is confirmed stays, and the first failure stops the rest."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, Callable, Iterable, Mapping

from netorch.app.audit import Audit
from netorch.app.certificates import CertificateKeeper
from netorch.app.controller import Controller
from netorch.app.gather import World, gather_facts, gather_world
from netorch.app.planning import make_plan, pending_steps, without_obstacles
from netorch.app.pop_check import PopCheck
from netorch.app.results import FAILURES, DeployResult, DeviceResult, after, failed_result
from netorch.app.transaction import Options, change_device
from netorch.errors import Locked, NetorchError
from netorch.model.facts import DeviceFacts
from netorch.model.plan import Check, DevicePlan, Plan
from netorch.model.text import counted, utc_text
from netorch.plan import batches
from netorch.plan.rollback import rolled_back

__all__ = ["FAILURES", "DeployResult", "DeviceResult", "Options", "deploy"]

LATER_TIMEOUT_S = 30.0
"""How long a deploy waits for what only its own changes can bring, such as a provider's MAC on a switch."""

RUN = "run"
CERTIFYING = ("deploy", RUN)
"""What else changes devices, such as a drain, is in a hurry and leaves certificates alone."""

POLL_INTERVAL_S = 0.25
TIME_IS_UP = "the time of this run was up"
INTERRUPTED = "it was interrupted"


def deploy(
    controller: Controller,
    world: World,
    plan: Plan,
    *,
    failures: dict[str, NetorchError],
    options: Options,
    show: Callable[[Plan], None] = lambda plan: None,
    certified: Iterable[str] = (),
    audit: Audit | None = None,
) -> DeployResult:
    """Execute ``plan``; ``show`` is given the plan of a later step (the mirror) before that is executed.

    ``failures`` are devices that gave no facts or no plan: they fail alone, as those that would refuse their plan do.
    ``certified`` are devices without a plan that get certificates all the same. ``audit`` takes the place of the controller's.
    """
    plan, failures = without_obstacles(plan, failures)
    total = sum(not device.is_empty for device in plan.devices)
    keeper: CertificateKeeper | None = None
    if options.action in CERTIFYING:
        keeper = CertificateKeeper.open(controller, world.facts, makes_authority=options.action != RUN)
    rollout = _Rollout(controller, world, options, show, audit or controller.audit, total, keeper)
    rollout.results.update({name: failed_result(name, error) for name, error in failures.items()})
    by_pop: dict[str, list[DevicePlan]] = {}
    for device in plan.devices:
        by_pop.setdefault(world.intent.device(device.device).pop, []).append(device)
    order = batches(world.intent, (d.device for d in plan.devices if not d.is_empty), sizes=options.sizes)
    rollout.batches = len(order)
    try:
        for pop, plans in by_pop.items():
            mine = [batch for batch in order if world.intent.device(batch[0]).pop == pop]
            rollout.change_pop(pop, plans, mine, later=frozenset(plan.later))
        if keeper is not None and not controller.is_time_up():
            keeper.bring_all((*(device.device for device in plan.devices), *certified))
    except KeyboardInterrupt:
        rollout.interrupt(plan)
    names = [device.name for device in world.intent.devices]
    results = tuple(rollout.results[name] for name in names if name in rollout.results)
    told = keeper.results if keeper is not None else {}
    certificates = tuple(told[name] for name in ("", *names) if name in told)
    return DeployResult(results, tuple(rollout.comparison), certificates, is_interrupted=rollout.is_interrupted)


@dataclass
class _Rollout:
    """A roll-out on its way. ``stopped`` says why nothing more is begun, "" while all is well."""

    controller: Controller
    world: World
    options: Options
    show: Callable[[Plan], None]
    audit: Audit | None
    total: int
    keeper: CertificateKeeper | None = None
    batches: int = 0
    begun: int = 0
    handled: int = 0
    stopped: str = ""
    is_interrupted: bool = False
    results: dict[str, DeviceResult] = field(default_factory=dict)
    comparison: list[Mapping[str, Any]] = field(default_factory=list)
    given_up: set[str] = field(default_factory=set)
    lock: Lock = field(default_factory=Lock)

    def interrupt(self, plan: Plan) -> None:
        """The operator has had enough: whatever has no result yet was not begun."""
        self.is_interrupted = True
        self.stopped = INTERRUPTED
        for device in plan.devices:
            if device.device not in self.results:
                unchanged = DeviceResult(device.device, "unchanged", generation=device.generation)
                self.results[device.device] = unchanged if device.is_empty else self._skipped(device.device)

    def change_pop(
        self, pop: str, plans: list[DevicePlan], order: list[tuple[str, ...]], *, later: frozenset[str]
    ) -> None:
        """Change one POP's devices batch by batch, then what could not be planned before; then look at the POP as a whole."""
        by_name = {plan.device: plan for plan in plans}
        for plan in plans:
            if plan.is_empty:
                self.results[plan.device] = DeviceResult(plan.device, "unchanged", generation=plan.generation)
                self.controller.progress.done(plan.device, "unchanged")
        if not self.stopped:
            self._meet_others(pop, plans, self.world.facts)
        self._end_rollbacks(plans)
        check = PopCheck.before(self.controller, self.world, plans, soaks=self.options.soak_s > 0)
        for batch in order:
            self._change_batch(batch, by_name, check)
        names = tuple(by_name)
        # Hosts that are sound need their mirror, whatever became of another host of the POP.
        sound = tuple(name for name in names if self.results[name].outcome in ("changed", "unchanged"))
        is_due = self.options.follows_up and (later & set(sound) or self._changed_a_switch(pop))
        if sound and is_due and not self.controller.is_time_up():
            self._finish(sound)
        is_changed = any(self.results[name].outcome in ("changed", "degraded") for name in names)
        if check is not None and is_changed and not self.controller.is_time_up():
            self._degrade(check.losses(check.devices))
            self.comparison += check.rows()

    def _end_rollbacks(self, plans: list[DevicePlan]) -> None:
        """Who deploys, and finds a device that was rolled back as the inventory wants it, has put the inventory right. A
        generation without a change says so: ``run`` looks after the device again."""
        if self.options.action != "deploy" or self.stopped:
            return
        facts = self.world.facts
        unchanged = [plan for plan in plans if plan.is_empty and plan.device in facts]
        over = {plan.device: replace(plan, check=Check()) for plan in unchanged if rolled_back(facts[plan.device])}
        self._change_all(over)
        for name in over:
            if self.results[name].outcome == "changed":
                message = "the inventory wants it as it is: its rollback is over"
                self.results[name] = replace(self.results[name], outcome="unchanged", message=message)

    def _meet_others(self, pop: str, plans: list[DevicePlan], facts: Mapping[str, DeviceFacts]) -> None:
        """Nothing is begun in a POP beside somebody's change that waits on a device of this plan, or on another switch while this
        plan changes switches: never two switches of a POP at a time, whoever changes them."""
        changing = [plan for plan in plans if not plan.is_empty]
        switches = {device.name for device in self.world.intent.in_pop(pop, "switch")}
        for device in self.world.intent.in_pop(pop):
            held = facts.get(device.name)
            if held is None or held.pending is None:
                continue
            met = [plan for plan in changing if plan.device == device.name]
            if not met and device.name in switches:
                met = [plan for plan in changing if plan.device in switches]
            waiting = held.pending
            begun = utc_text(waiting.since)
            why = f": {waiting.reason}" if waiting.reason else ""
            times = f"begun {begun}, {waiting.remaining_s:.0f} s are left{why}"
            place = f" on {device.name}" if met and met[0].device != device.name else ""
            message = f"change {waiting.id} by {waiting.author} waits for its confirmation{place}, {times}"
            hint = f"wait for it, or netorch revert {device.name}, then try again"
            for plan in met:
                self._keep(failed_result(plan.device, Locked(message, where=plan.device, hint=hint)), plan)

    def _look_at_switches(self, batch: tuple[str, ...], plans: Mapping[str, DevicePlan]) -> None:
        """Before a switch is changed: since the plan was made (a question was open, a batch soaked) somebody may have begun with
        another one."""
        pop = self.world.intent.device(batch[0]).pop
        switches = self.world.intent.in_pop(pop, "switch")
        if any(device.name in batch for device in switches):
            others = [device for device in switches if device.name not in batch and device.name in self.world.facts]
            facts, _ = gather_facts(self.controller, self.world.intent, others)
            self._meet_others(pop, [plans[name] for name in batch], facts)

    def _change_batch(self, batch: tuple[str, ...], plans: Mapping[str, DevicePlan], check: PopCheck | None) -> None:
        if not self._is_late():
            self._look_at_switches(batch, plans)
        if self._is_late():
            self.results.update({name: self._skipped(name) for name in batch if name not in self.results})
            return
        self.begun += 1
        names = batch[0] if len(batch) == 1 else f"{len(batch)} hosts from {batch[0]}"
        text = f"batch {self.begun} of {self.batches}: {names} ({self.handled} of {counted(self.total, 'device')} done)"
        self.controller.progress.step("", text)
        self._change_all({name: plans[name] for name in batch})
        self.handled += len(batch)
        if self.options.soak_s > 0 and check is not None and not self.stopped and self.begun < self.batches:
            self.controller.progress.step("", f"{text}: waiting {self.options.soak_s:g} s, then looking again")
            self.controller.clock.wait(self.options.soak_s)
            self._degrade(check.losses(batch))

    def _finish(self, sound: tuple[str, ...]) -> None:
        """The step that could not be planned before: wait until nothing is pending, plan the plugins' items, apply them."""
        controller, entries = self.controller, self.world.overlay.entries
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
            self.show(plan)
        self._change_later(plan)
        for name, error in failures.items():
            self._keep(after(self.results[name], failed_result(name, error)))
        for name, steps in waiting.items():
            message = f"after {LATER_TIMEOUT_S:g} s still missing: {'; '.join(steps)}"
            if self.results[name].outcome not in FAILURES:
                self._keep(after(self.results[name], DeviceResult(name, "failed", message=message)))

    def _change_later(self, plan: Plan) -> None:
        """Unlike before the step, whoever it does not come to may have been changed, and is told so."""
        plans = {device.device: device for device in plan.devices if not device.is_empty}
        has_failed = False
        for batch in batches(self.world.intent, plans, sizes=self.options.sizes):
            if has_failed:
                self.results.update({name: after(self.results[name], self._skipped(name)) for name in batch})
                continue
            self._change_all({name: plans[name] for name in batch})
            has_failed = any(self.results[name].outcome in FAILURES for name in batch)

    def _change_all(self, plans: Mapping[str, DevicePlan]) -> None:
        """Change several devices at once. Every one has a result, also where netorch itself failed half-way."""
        controller, intent = self.controller, self.world.intent

        def change(name: str) -> DeviceResult:
            if self.keeper is not None:
                self.keeper.bring(name)  # before its agents are started
            self._record("begun", name, plans[name])  # whoever is killed from here on has left a trace
            result = change_device(controller, intent, plans[name], self.options, former=self.results.get(name))
            with self.lock:  # here, not by who waits for it: an interrupt must not lose what was done
                if name not in self.given_up:
                    self._keep(result, plans[name])
            return result

        _, broken = controller.each(plans, change)
        for name, error in broken.items():
            with self.lock:
                self.given_up.add(name)
                self._keep(after(self.results.get(name), failed_result(name, error, outcome="unknown")), plans[name])
            controller.progress.done(name, "unknown", error.message)

    def _keep(self, result: DeviceResult, plan: DevicePlan | None = None) -> None:
        """A result that counts: on record, and reason to stop where it is no success."""
        result = replace(result, message=self.controller.redact(result.message))
        self.results[result.device] = result
        if result.outcome in FAILURES and not self.stopped:
            self.stopped = f"{result.device} did not succeed"
        self._record(result.outcome, result.device, plan, generation=result.generation, message=result.message)

    def _record(
        self, result: str, device: str, plan: DevicePlan | None, *, generation: int = 0, message: str = ""
    ) -> None:
        if self.audit is not None:
            self.audit.record(
                self.options.action,
                device,
                result=result,
                plan=plan,
                generation=generation,
                reason=self.options.reason_for(device),
                message=message,
            )

    def _degrade(self, losses: Mapping[str, tuple[str, ...]]) -> None:
        for name, found in losses.items():
            former = self.results.get(name, DeviceResult(name, "unchanged"))
            if former.outcome in FAILURES:
                continue
            self.controller.progress.done(name, "degraded", found[0])
            hint = f"netorch rollback {name}, if this deploy is the cause"
            if former.outcome == "unchanged":
                hint = "netorch status shows it; what was deployed beside it may be the cause"
            self._keep(replace(former, outcome="degraded", message="\n".join(found), hint=hint))

    def _is_late(self) -> bool:
        """Whether nothing more may begin: something failed, or the time is up."""
        if not self.stopped and self.controller.is_time_up():
            self.stopped = TIME_IS_UP
        return bool(self.stopped)

    def _skipped(self, name: str) -> DeviceResult:
        return DeviceResult(name, "skipped", message=f"not started, since {self.stopped}")

    def _changed_a_switch(self, pop: str) -> bool:
        switches = {device.name for device in self.world.intent.in_pop(pop, "switch")}
        return any(result.outcome == "changed" and name in switches for name, result in self.results.items())
