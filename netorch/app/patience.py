"""What is tried again and again, while somebody else is at work, is told once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from netorch.app.audit import Audit, plan_hash
from netorch.model.plan import DevicePlan, Plan

PATIENCE_S = 120.0
"""For how long a deploy of a verb waits where somebody else is at work: a change whose controller has died is taken back after a
minute, and one of a POP takes less than that."""

LOOK_AGAIN_S = 1.0


@dataclass(frozen=True)
class Tries:
    """Several tries of one deploy. ``show`` is given its plans, ``show_later`` those of the step that had to wait: each only
    where it would do something else than the one before."""

    show: Callable[[Plan], None]
    show_later: Callable[[Plan], None]
    audit: Audit | None


@contextmanager
def tries(show: Callable[[Plan], None], audit: Audit | None) -> Iterator[Tries]:
    """What the tries of the block tell ``show`` and ``audit``."""
    once = _Once(**vars(audit)) if audit is not None else None
    try:
        yield Tries(_other_plans(show), _other_plans(show), once)
    finally:
        if once is not None:
            once.end()


def _other_plans(show: Callable[[Plan], None]) -> Callable[[Plan], None]:
    shown: list[Any] = []

    def show_other(plan: Plan) -> None:
        # Neither its notes, in which the time of somebody's change runs down, nor the state that it was planned from.
        devices = [(d.device, d.operations, d.resets, d.live_lines, d.obstacle) for d in plan.devices]
        found = [devices, dict(plan.later)]
        if found != shown:
            shown[:] = found
            show(plan)

    return show_other


@dataclass(frozen=True)
class _Once(Audit):
    """An audit log in which a plan that fails and is tried again has begun once, and ends once: it has failed when it is tried no
    more, or when another plan for the device begins."""

    begun: dict[str, str] = field(default_factory=dict)
    failed: dict[str, Callable[[], None]] = field(default_factory=dict)

    def record(
        self,
        action: str,
        device: str,
        *,
        result: str,
        plan: DevicePlan | None = None,
        generation: int = 0,
        reason: str = "",
        message: str = "",
    ) -> None:
        """As Audit has it. A device's lines come from one thread at a time."""
        line = partial(super().record, action, device, result=result, plan=plan, generation=generation)
        write = partial(line, reason=reason, message=message)
        if result == "failed":
            self.failed[device] = write
            return
        if result == "begun":
            digest = plan_hash(plan) if plan is not None else ""
            if self.begun.get(device) == digest:
                return
            self.begun[device] = digest
            self.failed.pop(device, _nothing)()
        else:
            self.begun.pop(device, None)
            self.failed.pop(device, None)
        write()

    def end(self) -> None:
        """Nothing is tried again: what has failed is written."""
        for device in tuple(self.failed):
            self.failed.pop(device)()


def _nothing() -> None:
    """Nothing has failed."""
