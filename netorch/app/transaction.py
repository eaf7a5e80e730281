"""One device's change: applied, checked, and confirmed over a second connection."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from netorch.app.controller import Controller, Device
from netorch.app.gather import base_request
from netorch.app.results import DeviceResult, after, failed_result
from netorch.errors import AuthError, Locked, NetorchError, TimedOut, TransportError, Unreachable
from netorch.model.intent import Intent
from netorch.model.plan import DevicePlan
from netorch.model.request import Answer, ApplyRequest, DecideRequest
from netorch.model.text import counted
from netorch.plan.proof import find_doubt, planned_hashes
from netorch.plan.rollout import DEFAULT_SIZES, BatchSize

DOUBT_HINT = "somebody else may be at work there: netorch plan shows what is live"
UNKNOWN_HINT = "the device confirms or reverts alone: run netorch plan again"


@dataclass(frozen=True)
class Options:
    """How a plan is executed.

    ``reason`` is kept in each device's history, ``reasons`` have it for single devices. ``sizes`` and ``soak_s`` (the time
    between batches, after which the batch before is looked at again) are those of the roll-out. ``action`` is what the audit log
    calls it. Without ``follows_up`` the step that plugins could not plan before (the mirror) is left out.
    """

    confirm_timeout_s: float = 60.0
    reason: str = ""
    sizes: tuple[BatchSize, ...] = DEFAULT_SIZES
    soak_s: float = 0.0
    action: str = "deploy"
    reasons: Mapping[str, str] = field(default_factory=dict)
    follows_up: bool = True

    def reason_for(self, device: str) -> str:
        """What the history of ``device`` is told."""
        return self.reasons.get(device, self.reason)


def change_device(
    controller: Controller, intent: Intent, plan: DevicePlan, options: Options, *, former: DeviceResult | None = None
) -> DeviceResult:
    """Apply, check and confirm one device's plan; every failure becomes the result. ``former`` is that of the step before, where
    there was one."""
    name = plan.device
    try:
        result = _transact(controller, intent, plan, options)
    except (Unreachable, AuthError) as error:  # no connection was made: nothing has been sent
        result = failed_result(name, error)
    except TransportError as error:
        result = replace(failed_result(name, error, outcome="unknown"), hint=UNKNOWN_HINT)
    except NetorchError as error:
        result = failed_result(name, error)
    result = after(former, result)
    result = replace(result, message=controller.redact(result.message))
    controller.progress.done(name, result.outcome, result.message)
    return result


def _transact(controller: Controller, intent: Intent, plan: DevicePlan, options: Options) -> DeviceResult:
    name = plan.device
    device = controller.devices(name)
    request = _apply_request(controller, intent, plan, options)
    controller.progress.step(name, f"applying {counted(len(plan.operations), 'change')}")
    applied = device.apply(request)
    controller.progress.step(name, "confirming over a new connection")
    confirmed = _confirm(device, DecideRequest(request.id, controller.author))
    doubt = find_doubt(plan, generation=confirmed.generation, proof=confirmed.proof)
    if doubt:
        message = f"it says that it is confirmed, but what it reads back does not prove it: {doubt}"
        return DeviceResult(name, "unknown", confirmed.generation, message=message, hint=DOUBT_HINT)
    return DeviceResult(name, "changed", generation=confirmed.generation, message="\n".join(applied.notes))


def _confirm(device: Device, request: DecideRequest) -> Answer:
    """Confirm what has been applied. Whatever prevents that leaves a device that is about to go back, never one that is as
    it was: no error of the connection may be taken for "nothing has been sent".
    """
    try:
        return device.confirm(request)
    except (TransportError, Locked) as error:
        raise TimedOut(f"applied, but not known to be confirmed: {error.message}", where=error.where) from error


def _apply_request(controller: Controller, intent: Intent, plan: DevicePlan, options: Options) -> ApplyRequest:
    return ApplyRequest(
        id=uuid.uuid4().hex,
        facts=base_request(controller, intent, plan.device),
        base=plan.base,
        generation=plan.generation,
        operations=plan.operations,
        sha256=planned_hashes(plan),
        check=plan.check,
        confirm_timeout_s=options.confirm_timeout_s,
        author=controller.author,
        reason=options.reason_for(plan.device),
        commit=controller.inventory.commit,
        keep_generations=controller.inventory.policy.keep_generations,
    )
