"""Runs a plugin's verb: performs each step that it yields and sends the result back into it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Callable, Container, Mapping

from netorch.api import (
    Ask,
    ChangeOverlay,
    CountRoutes,
    Deploy,
    DeviceFacts,
    Gather,
    MeasureTraffic,
    Overlay,
    OverlayEntry,
    Plugin,
    PluginError,
    Probe,
    ProbeResult,
    Report,
    Step,
    Verb,
    VerbContext,
    Wait,
)
from netorch.app.controller import Controller
from netorch.app.deploying import FAILURES, DeployResult, Options, deploy
from netorch.app.gather import World, gather_facts, gather_world
from netorch.app.interruption import Trace
from netorch.app.measuring import count_routes, measure_traffic
from netorch.app.patience import LOOK_AGAIN_S, PATIENCE_S, Tries, tries
from netorch.app.planning import make_plan, refusals
from netorch.app.unasked import as_held, never_deployed, refuse_unasked
from netorch.errors import (
    DeviceError,
    GuardRefused,
    Interrupted,
    Locked,
    NetorchError,
    Outdated,
    TransportError,
)
from netorch.model.items import FileItem, ServiceItem
from netorch.model.overlay import merge_overlays, overruled
from netorch.model.plan import DevicePlan, Plan
from netorch.model.request import PingRequest
from netorch.plan.guards import Allowances, Refusal
from netorch.plan.rollback import is_rewritten, rolled_back
from netorch.render import restamp


class _Overtaken(Locked):
    """Nothing but somebody else's work was in the way."""


def _agree(question: str) -> None:
    """Whoever is there agrees."""


@dataclass
class VerbRun:
    """One run of a verb. ``is_check`` plans instead of deploying, and stops at the first wait after that; ``show`` is
    given every plan, ``report`` every Report, ``tell`` the error of every device that fails and does not end the verb; ``ask``
    raises where nobody agrees to go on.
    ``entries`` is what the verb has decided so far, ``trace`` what became of it; ``told`` are devices whose failure is told;
    ``unread`` failed before the verb began, ``missed`` in one of its steps, of the devices that it ``asked``. ``command`` is what
    was typed; ``meaning`` says what an entry means."""

    controller: Controller
    show: Callable[[Plan], None]
    report: Callable[[Report], None]
    tell: Callable[[NetorchError], None]
    ask: Callable[[str], None] = _agree
    is_check: bool = False
    verb: str = "verb"
    entries: tuple[OverlayEntry, ...] = ()
    told: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    unread: dict[str, NetorchError] = field(default_factory=dict)
    missed: dict[str, NetorchError] = field(default_factory=dict)
    command: str = "the same command"
    trace: Trace = field(default_factory=Trace)
    meaning: Callable[[OverlayEntry], str] = Plugin.tell
    context: VerbContext | None = None

    def run(self, plugin: Plugin, verb: Verb, parameters: Mapping[str, Any]) -> tuple[dict[str, NetorchError], int]:
        """Run ``verb`` to its end, from the overlay that the network's switches hold.

        Returns what it could not reach, by device, out of how many that it asked: for a verb that only looks at the overlay
        these are the switches that hold it, and the routers of POPs without switches. Raises Interrupted, which says how far it
        has come, where somebody at the keyboard ends it.
        """
        self.meaning = plugin.tell
        try:
            return self._run(plugin, verb, parameters)
        except GuardRefused as refused:
            if self.controller.audit is not None and not self.is_check:
                where, reason = refused.where or parameters.get("pop") or "", parameters.get("reason") or ""
                self.controller.audit.record(verb.name, where, result="refused", reason=reason, message=refused.message)
            raise
        except KeyboardInterrupt:
            is_begun = self.trace.is_recorded(self.entries)
            back = verb.back(parameters) if is_begun else ""
            hint = f"it goes on with: {self.command}" + (f"; it is taken back with: {back}" if back else "")
            words = self.trace.words(self.entries if self.trace.held else (), self.meaning)
            raise Interrupted(f"interrupted: {words}", hint=hint if is_begun else "") from None

    def _run(self, plugin: Plugin, verb: Verb, parameters: Mapping[str, Any]) -> tuple[dict[str, NetorchError], int]:
        pops = self.controller.inventory.pops
        holders = tuple(device.name for pop in pops for device in (pop.switches or pop.routers))
        world = gather_world(self.controller, holders)
        self.unread.update(world.failures)
        self._tell(world.failures)  # what they alone know of the overlay is missing
        settings = world.intent.settings.get(plugin.name, {})
        context = VerbContext(
            inventory=self.controller.inventory,
            intent=world.intent,
            overlay=world.overlay,
            now=self.controller.clock.now(),
            author=self.controller.author,
            settings=settings,
            intended=lambda entries: self.controller.intent(merge_overlays([world.overlay.entries, entries])),
            unread=tuple(world.failures),
            held={name: facts.overlay for name, facts in world.facts.items()},
            present=lambda: as_held(self.controller, world).intent,
        )
        self.verb, self.context = verb.name, context
        steps = verb.run(context, parameters)
        result: Any = None
        error: NetorchError | None = None
        has_pretended = False
        while True:
            try:
                step = steps.send(result) if error is None else steps.throw(error)
            except StopIteration:
                break
            if has_pretended and isinstance(step, (Wait, Probe)):
                self.report(Report(text=f"next: {_what(step)}; what follows depends on it"))
                break
            has_pretended = has_pretended or (self.is_check and isinstance(step, (ChangeOverlay, Deploy)))
            try:
                result, error = self._perform(step), None
            except NetorchError as failure:
                result, error = None, failure
        return (self.missed, len(self.asked)) if self.asked else (self.unread, len(holders))

    def _perform(self, step: Step) -> Any:
        if isinstance(step, ChangeOverlay):
            self.entries = merge_overlays([self.entries, step.entries]).entries
            return Overlay(self.entries)
        if isinstance(step, Deploy):
            return self._deploy(step)
        if isinstance(step, Gather):
            facts, failures = self._gather(step.devices, step.wants, is_patient=False)
            self.asked.update(step.devices)
            self.missed.update(failures)
            return facts
        if isinstance(step, Wait):
            return self._wait(step)
        if isinstance(step, Probe):
            return self._probe(step)
        if isinstance(step, (CountRoutes, MeasureTraffic)):
            return self._measure(step)
        if isinstance(step, Report):
            self.report(step)
            return None
        if isinstance(step, Ask):
            self.controller.progress.idle()
            return None if self.is_check else self.ask(step.question)
        raise PluginError(f"a verb yielded {step!r}, expected a step of netorch.api")

    def _deploy(self, step: Deploy) -> tuple[str, ...]:
        """Whoever meets somebody else's work waits for its end, and plans again from what is there then: with what both
        decided."""
        with tries(self.show, self.controller.audit) as several:
            return self._deploy_patiently(step, several)

    def _deploy_patiently(self, step: Deploy, several: Tries) -> tuple[str, ...]:
        clock = self.controller.clock
        deadline = clock.monotonic() + PATIENCE_S
        has_met = False
        while True:
            try:
                return self._deploy_once(step, several)
            except _Overtaken as met:
                if clock.monotonic() >= deadline:
                    so_far = self.trace.words(self.entries, self.meaning)
                    met.message = f"{met.message}; still so after {PATIENCE_S:g} s: {so_far}"
                    met.hint = f"once that is done: {self.command}"
                    raise
                if not has_met:
                    has_met = True
                    self.tell(Locked(f"{met.message}: waiting for its end, {PATIENCE_S:g} s at most"))
                self.controller.progress.step("", f"waiting until others are done, {PATIENCE_S:g} s at most")
                clock.wait(LOOK_AGAIN_S)

    def _deploy_once(self, step: Deploy, several: Tries) -> tuple[str, ...]:
        world = gather_world(self.controller, step.devices, entries=self.entries)
        step = self._without_new(world, step)
        self._let_judge(step, world)
        world = replace(world, intent=world.intent.with_settings(step.settings))
        plan, failures = make_plan(self.controller, world, step.devices, only=step.only)
        plan = _without_services(plan)
        several.show(plan)
        # Restarts are what whoever gave the command asked for.
        refused = refusals(self.controller, world, plan, Allowances(guards=step.allow, resets=None))
        if refused:
            raise _refused(refused)
        self._refuse_unasked(world, step)
        self.asked.update(step.devices)
        if self.is_check:
            return self._miss(failures)
        options = Options(step.confirm_timeout_s, reason=step.why, reasons=_still_back(world, step), action=self.verb)
        result = deploy(
            self.controller,
            world,
            plan,
            failures=failures,
            options=options,
            show=several.show_later,
            audit=several.audit,
        )
        self.trace.note(result, () if step.only else self.entries)
        if result.is_interrupted:
            raise KeyboardInterrupt
        # A change that was begun and then cut off is "unknown"; "degraded" is one that was confirmed before.
        failed = {r.device: r.error for r in result.results if r.outcome in ("failed", "degraded")}
        away = {name: error for name, error in failed.items() if isinstance(error, TransportError)}
        if not step.goes_on or len(away) == len(result.results):
            away = {}
        _raise_failures(result, but=away)
        return self._miss(away)

    def _without_new(self, world: World, step: Deploy) -> Deploy:
        new = never_deployed(world, step)
        self._tell({name: NetorchError("left out, since it was never deployed", where=name) for name in new})
        return replace(step, devices=tuple(name for name in step.devices if name not in new)) if new else step

    def _let_judge(self, step: Deploy, world: World) -> None:
        """Whether the step may still be, beside what others have decided since the verb began."""
        held = merge_overlays(facts.overlay for facts in world.facts.values())
        _refuse_overruled(self.entries, held)
        if self.context is not None:
            known = merge_overlays([self.context.overlay.entries, held.entries])  # other POPs' too
            step.judge(
                replace(
                    self.context,
                    overlay=known,
                    intent=self.controller.intent(known),
                    now=self.controller.clock.now(),
                    intended=lambda entries: self.controller.intent(merge_overlays([known.entries, entries])),
                )
            )

    def _refuse_unasked(self, world: World, step: Deploy) -> None:
        """What the inventory wants beside the verb's own decision goes with it. Not so where a guard is against that, or where it
        brings back what a person rolled back."""
        before = as_held(self.controller, world)
        plan, _ = make_plan(self.controller, before, step.devices, only=step.only)
        common = replace(before, intent=self.controller.intent(before.overlay))
        shared = plan
        if common.intent != before.intent:
            shared, _ = make_plan(self.controller, common, step.devices, only=step.only)
        self._refuse_rollbacks(world, step, shared, before.overlay)
        refuse_unasked(self.controller, before, plan)

    def _refuse_rollbacks(self, world: World, step: Deploy, plan: Plan, held: Overlay) -> None:
        """``plan`` is what the inventory wants with what is ``held`` already. A device that was rolled back may have less of that
        than of what it wants without the verb's entries: there nothing but their end is missing."""
        facts = world.facts
        behind = [d.device for d in plan.devices if rolled_back(facts[d.device]) and _configuration_of(d)]
        if not behind:
            return
        mine = {entry.id for entry in self.entries}
        rest = Overlay(tuple(entry for entry in held.entries if entry.id not in mine))
        bare = replace(world, overlay=rest, intent=self.controller.intent(rest))
        wanted, _ = make_plan(self.controller, bare, behind, only=step.only)
        for device in wanted.devices:
            kept, file = rolled_back(facts[device.device]), _configuration_of(device)
            if kept and file and is_rewritten(file, facts[device.device], own_asn=bare.intent.asn, restamp=restamp):
                found = f"{kept.author} did a {kept.reason}, and this would bring back the inventory's configuration"
                hint = f"put the inventory right, and netorch deploy {device.device} first"
                raise GuardRefused(f"refused (rollback): {found}", where=device.device, hint=hint)

    def _miss(self, failures: Mapping[str, NetorchError]) -> tuple[str, ...]:
        self.missed.update(failures)
        self._tell(failures)
        return tuple(failures)

    def _gather(
        self, devices: tuple[str, ...], wants: tuple[str, ...], *, is_patient: bool = True
    ) -> tuple[dict[str, DeviceFacts], dict[str, NetorchError]]:
        intent = self.controller.intent(Overlay(self.entries))
        chosen = [intent.device(name) for name in devices]
        facts, failures = gather_facts(self.controller, intent, chosen, wants=wants, is_patient=is_patient)
        self._tell(failures)
        return facts, failures

    def _tell(self, failures: Mapping[str, NetorchError]) -> None:
        """Once per device: a wait gathers every second."""
        for name, error in failures.items():
            if name not in self.told:
                self.told.add(name)
                self.tell(error)

    def _wait(self, step: Wait) -> bool:
        clock = self.controller.clock
        deadline = clock.monotonic() + step.timeout_s
        history: tuple[tuple[float, Mapping[str, DeviceFacts]], ...] = ()
        text = f"waiting until {step.what}"
        while True:
            self.controller.progress.step("", text)
            facts, _ = self._gather(step.devices, step.wants)
            history = (*history, (clock.monotonic(), facts))
            curves = step.curves(history)
            if curves:
                self.controller.progress.curves(text, curves)
            if step.until(history):
                return True
            left = deadline - clock.monotonic()
            if left <= 0:
                return False
            clock.wait(min(step.interval_s, left))

    def _measure(self, step: CountRoutes | MeasureTraffic) -> dict[str, Any]:
        intent = self.controller.intent(Overlay(self.entries))
        hosts = [intent.device(name) for name in step.hosts]
        found, failures = (
            count_routes(self.controller, hosts, step)
            if isinstance(step, CountRoutes)
            else measure_traffic(self.controller, hosts, step)
        )
        self.asked.update(step.hosts)
        self._miss(failures)
        return found

    def _probe(self, step: Probe) -> ProbeResult:
        request = PingRequest(step.destination, (step.mark,), count=step.count, interval_s=step.interval_s)
        series = self.controller.devices(step.host).ping(request).series[0]
        return ProbeResult(len(series.rtts_ms), tuple(rtt for rtt in series.rtts_ms if rtt is not None))


def _what(step: Wait | Probe) -> str:
    return f"wait until {step.what}" if isinstance(step, Wait) else f"probe {step.destination} from {step.host}"


def _refuse_overruled(entries: tuple[OverlayEntry, ...], overlay: Overlay) -> None:
    """A verb goes on only while what it decided is what the devices hold: else it would tell of what did not happen."""
    for held in overruled(entries, overlay):
        state = "ended it" if held.removed else "changed it"
        why = f": {held.reason}" if held.reason else ""
        raise Locked(
            f"{held.id}: {held.author} {state} meanwhile (version {held.version}){why}",
            hint="look at what is in force now, then start over",
        )


def _still_back(world: World, step: Deploy) -> dict[str, str]:
    """The reasons of devices that somebody rolled back, where the step leaves their configuration as it is: they stay rolled
    back."""
    kept = {name: rolled_back(facts) for name, facts in world.facts.items() if step.only}
    return {name: f"{one.reason}; {step.why}" for name, one in kept.items() if one}


def _refused(found: tuple[Refusal, ...]) -> GuardRefused:
    first, *others = (refusal.error() for refusal in found)
    first.message = "\n".join((first.message, *map(str, others)))
    first.hint = f"{first.hint} (of netorch deploy)"
    return first


def _configuration_of(plan: DevicePlan) -> FileItem | None:
    """The daemon's configuration that ``plan`` brings; None where it brings none."""
    items = (operation.item for operation in plan.operations)
    return next((item for item in items if isinstance(item, FileItem) and item.daemon), None)


def _without_services(plan: Plan) -> Plan:
    """``plan`` less the mirror's agents: a drain must not wait for an upgrade of theirs, nor fail since one does not start."""

    def kept(device: DevicePlan) -> DevicePlan:
        return replace(device, operations=tuple(o for o in device.operations if not isinstance(o.item, ServiceItem)))

    return replace(plan, devices=tuple(map(kept, plan.devices)))


def _raise_failures(result: DeployResult, *, but: Container[str]) -> None:
    failed = [r for r in result.results if r.outcome in FAILURES and r.device not in but]
    if not failed:
        return
    causes = [r for r in failed if r.outcome != "skipped"]
    if causes and all(isinstance(r.error, (Locked, Outdated)) for r in causes):
        raise _Overtaken("; ".join(f"{r.device}: {r.message}" for r in causes))
    summary = "; ".join(f"{r.device}: {r.outcome}: {r.message}" for r in failed)
    error: NetorchError = DeviceError(summary, hint=failed[0].hint or "netorch plan shows where the devices are now")
    error.exit_code = result.exit_code
    raise error
