"""The inner half: boots the twin, brings it to today's state, deploys the candidate as ``netorch deploy`` does, compares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netorch.app.assemble import assemble_controller
from netorch.app.controller import Controller
from netorch.app.deploying import FAILURES, DeployResult, Options, deploy
from netorch.app.gather import World, gather_world
from netorch.app.inventory import read_inventory
from netorch.app.planning import make_plan
from netorch.errors import NetorchError, first_line
from netorch.io.secrets import InventorySecrets
from netorch.io.ssh_endpoint import SshEnvironment
from netorch.lab import lab_up
from netorch.model.codec import to_json
from netorch.model.intent import Intent
from netorch.model.inventory import Device, Inventory
from netorch.model.observation import Finding, Moved, Probe, SessionEnd, Trial
from netorch.model.overlay import merge_overlays
from netorch.model.plan import Plan
from netorch.model.types import IPNetwork
from netorch.plan import summarise
from netorch.plan.guards import Allowances, Refusal, find_refusals, relaxed
from netorch.plan.rehearsal import exit_code, judge, moves
from netorch.ports import Progress
from netorch.rehearsal.base import unpack
from netorch.rehearsal.brief import Brief, GivenSecrets, resolved
from netorch.rehearsal.isolation import furnish
from netorch.rehearsal.observing import Observer, sessions_of
from netorch.rehearsal.preparing import pops_of
from netorch.rehearsal.present import install_facts, install_inventory
from netorch.rehearsal.probing import probing
from netorch.rehearsal.twin import STATE, Network, Twin, make_twin, present_neighbours

BEFORE_TIMEOUT_S = 60.0
AFTER_TIMEOUT_S = 30.0
REASON = "rehearsal"


@dataclass(frozen=True)
class Rehearsal:
    """What a rehearsal found. ``plans`` are the plan and that of a later step; ``settled`` says of before and after whether
    the twin came to rest.
    """

    pops: tuple[str, ...]
    brief: Brief
    plans: tuple[Plan, ...]
    deployed: DeployResult
    findings: tuple[Finding, ...]
    moved: tuple[Moved, ...]
    probes: tuple[Probe, ...]
    settled: tuple[bool, bool]
    duration_s: float

    def document(self) -> dict[str, Any]:
        """The rehearsal as plain JSON; keys are stable."""
        return {
            "pops": list(self.pops),
            "targets": list(self.brief.targets),
            "devices_asked": sorted(self.brief.facts),
            "duration_s": round(self.duration_s, 1),
            "settled_before": self.settled[0],
            "settled_after": self.settled[1],
            "findings": [to_json(finding, kinds=False) for finding in self.findings],
            "changes": self._changes(),
            "results": [
                {"device": r.device, "outcome": r.outcome, "message": r.message or None} for r in self.deployed.results
            ],
            "routes": [to_json(moved, kinds=False) for moved in self.moved],
            "probes": [to_json(probe, kinds=False) for probe in self.probes],
            "exit_code": exit_code(self.findings),
        }

    def _changes(self) -> dict[str, list[str]]:
        changes: dict[str, list[str]] = {}
        for device in (device for plan in self.plans for device in plan.devices if not device.is_empty):
            changes.setdefault(device.device, []).extend(map(summarise, device.operations))
        return changes


def rehearse(brief: Brief, environment: Mapping[str, str], progress: Progress) -> Rehearsal:
    """Play ``brief``. Only ever called in the first process of namespaces of its own: it leaves the twin running.

    ``environment`` may hold secrets that the inventories name, and say where the lab's root file systems are.
    """
    candidate = read_inventory(Path(brief.inventory))
    after = Network(candidate, resolved(candidate, InventorySecrets(candidate.folder, environment)))
    furnish()
    STATE.mkdir(mode=0o700)
    pops = pops_of(candidate, brief.targets)
    before = _base(
        brief,
        after,
        environment,
        progress=progress,
        is_needed=any(d.name not in brief.facts for d in _devices(after, pops)),
    )
    twin = make_twin(brief, after, before, pops=pops, environment=environment)
    with _controller(twin.candidate, after.secrets, brief.author, progress=progress) as controller:
        started = controller.clock.monotonic()
        _boot(twin, pops, progress)
        progress.step("", "bringing the twin to what runs today")
        present = _install_present(twin, brief, controller, secrets=before.secrets if before is not None else None)
        observer = Observer(twin, controller.clock, progress)
        expected = _expected(brief, twin, present)
        first, settled = observer.settled(expected, timeout_s=BEFORE_TIMEOUT_S)
        with probing(twin, controller.clock, STATE / "probes") as probes:
            progress.step("", "deploying the candidate to the twin")
            world, plans, deployed = _deploy(controller, brief)
            refusals = find_refusals(world.intent, world.facts, plans[0], limits=candidate.policy.guards)
            up = [end for end in expected if end in first.sessions and first.sessions[end].up]
            last, calm = observer.settled(_still_meant(up, world.intent), timeout_s=AFTER_TIMEOUT_S)
        findings = judge(
            first,
            last,
            sessions=sessions_of((present, world.intent), twin),
            allowed=_allowed(world.intent, pops),
            probes=probes.results,
            trial=Trial(_foreseen(plans), _failures(deployed), tuple(map(_refused, refusals))),
            asn=candidate.asn,
        )
        seconds = controller.clock.monotonic() - started
    moved = moves(first, last)
    return Rehearsal(pops, brief, plans, deployed, findings, moved, probes.results, (settled, calm), seconds)


@contextmanager
def _controller(
    inventory: Inventory, secrets: GivenSecrets, author: str, *, progress: Progress
) -> Iterator[Controller]:
    environment = SshEnvironment(home=str(STATE), user="root", config_files=())
    with assemble_controller(inventory, environment, secrets=secrets, progress=progress, author=author) as controller:
        yield controller


def _devices(network: Network, pops: tuple[str, ...]) -> list[Device]:
    return [device for device in network.inventory.devices if device.pop in pops]


def _base(
    brief: Brief, after: Network, environment: Mapping[str, str], *, progress: Progress, is_needed: bool
) -> Network | None:
    """The present inventory, with what registries say today. One that is wrong is done without, where every device has told what
    it runs."""
    if brief.base is None:
        return None
    try:
        inventory = read_inventory(unpack(brief.base, STATE / "base"))
    except NetorchError as error:
        if is_needed:
            raise
        progress.step("", f"without the inventory of today, which is wrong: {first_line(str(error))}")
        return None
    inventory = replace(inventory, registered=after.inventory.registered)
    return Network(inventory, resolved(inventory, InventorySecrets(brief.base.secrets, environment)))


def _boot(twin: Twin, pops: tuple[str, ...], progress: Progress) -> None:
    progress.step("", f"booting the twin of {', '.join(pops)}: {len(twin.devices)} devices and their providers")
    lab_up(twin.inventory, twin.settings)


def _install_present(twin: Twin, brief: Brief, controller: Controller, *, secrets: GivenSecrets | None) -> Intent:
    """Install what runs today; the intent behind it, as far as an inventory tells."""
    macs = twin.macs()
    facts = {name: present_neighbours(brief.facts[name], macs) for name in twin.devices if name in brief.facts}
    overlay = merge_overlays(fact.overlay for fact in facts.values())
    install_facts(controller, facts)
    if twin.base is None or secrets is None:
        return controller.intent(overlay)
    with _controller(twin.base, secrets, brief.author, progress=controller.progress) as base:
        install_inventory(base, tuple(name for name in twin.devices if name not in facts))
        return base.intent(overlay)


def _expected(brief: Brief, twin: Twin, present: Intent) -> list[SessionEnd]:
    """The sessions that are up today, of devices that were asked; of the others those that ought to be."""
    asked = [
        (name, protocol.name)
        for name, facts in brief.facts.items()
        for protocol in facts.daemon.protocols
        if protocol.bgp_state == "Established"
    ]
    others = [device for device in present.devices if device.name in twin.devices and device.name not in brief.facts]
    return asked + [(device.name, session.name) for device in others for session in device.sessions if session.enabled]


def _still_meant(ends: list[SessionEnd], intent: Intent) -> list[SessionEnd]:
    meant = {(device.name, session.name) for device in intent.devices for session in device.sessions if session.enabled}
    return [end for end in ends if end in meant]


def _deploy(controller: Controller, brief: Brief) -> tuple[World, tuple[Plan, ...], DeployResult]:
    """The very steps of ``netorch deploy``. Devices do not count announcements: what providers would hear is to be seen."""
    world = gather_world(controller, brief.targets)
    plan, failures = make_plan(controller, world, brief.targets)
    plan = relaxed(plan, Allowances(guards=frozenset({"no-export", "unfiltered"})))
    failures.update({name: error for name, error in world.failures.items() if name in brief.targets})
    plans = [plan]
    deployed = deploy(controller, world, plan, failures=failures, options=Options(reason=REASON), show=plans.append)
    return world, tuple(plans), deployed


def _foreseen(plans: tuple[Plan, ...]) -> dict[SessionEnd, str]:
    return {
        (device.device, reset.session): f"{reset.effect}, {reset.reason}"
        for plan in plans
        for device in plan.devices
        for reset in device.resets
    }


def _refused(refusal: Refusal) -> Finding:
    return Finding("guard", refusal.where, f"deploy refuses: {refusal.finding}", refusal.guard, (refusal.hint,))


def _failures(deployed: DeployResult) -> tuple[tuple[str, str], ...]:
    """Devices on which the deploy failed, and how; those that it then left alone say nothing of their own."""
    return tuple(
        (result.device, f"the deploy would end with '{result.outcome}': {result.message}")
        for result in deployed.results
        if result.outcome in FAILURES and result.outcome != "skipped"
    )


def _allowed(intent: Intent, pops: tuple[str, ...]) -> frozenset[IPNetwork]:
    return frozenset(p for device in intent.devices if device.pop in pops for p in device.originated)
