"""Who did what, when, from where, with which result: a line for each action on each device."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from netorch.model.codec import to_json
from netorch.model.plan import DevicePlan
from netorch.ports import Clock

MESSAGE_CHARACTERS = 500


@dataclass(frozen=True)
class Audit:
    """The audit log of one run of netorch. ``write`` takes a line without its end, ``redact`` masks secrets; ``origin`` is
    where ``who`` sits."""

    write: Callable[[str], None]
    clock: Clock
    redact: Callable[[str], str]
    who: str
    origin: str
    inventory: str
    commit: str

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
        """Write a line of ``action`` on ``device`` (or POP); absent values are null. ``result`` is what became of it, or
        ``begun``: the line of its end has the same plan."""
        line = {
            "time": datetime.fromtimestamp(self.clock.now(), UTC).isoformat(timespec="milliseconds"),
            "action": action,
            "device": device,
            "result": result,
            "who": self.who,
            "from": self.origin,
            "inventory": self.inventory,
            "commit": self.commit or None,
            "plan": plan_hash(plan) if plan is not None else None,
            "generation": generation or None,
            "reason": self.redact(reason) or None,
            "message": self.redact(message)[:MESSAGE_CHARACTERS] or None,
        }
        self.write(json.dumps(line, ensure_ascii=False))


def plan_hash(plan: DevicePlan) -> str:
    """What tells one plan of a device from another: a digest of its operations and of the state that it starts from."""
    document = json.dumps([plan.base, to_json(plan.operations)], sort_keys=True)
    return hashlib.sha256(document.encode()).hexdigest()[:16]
