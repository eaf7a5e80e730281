"""What controller and agent say to each other: JSON documents of these shapes on standard input and output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

from netorch.model.facts import DeviceFacts
from netorch.model.plan import Check, CheckResult, Operation


@dataclass(frozen=True)
class FactsRequest:
    """``files`` are paths whose content is wanted, ``sysctls`` names whose values are, ``aliases`` interfaces.
    ``wants`` holds the costly parts: ``neighbours``, ``links``, ``route_counts``, ``protocols``.
    """

    device: str
    daemon: str
    files: Tuple[str, ...] = ()
    sysctls: Tuple[str, ...] = ()
    aliases: Tuple[str, ...] = ()
    wants: Tuple[str, ...] = ()


@dataclass(frozen=True)
class ApplyRequest:
    """One transaction. ``facts`` says how ``base`` was taken, so that the agent can take it again before it changes
    anything; ``sha256`` holds the hash of each file's text in the order of ``operations``."""

    id: str
    facts: FactsRequest
    base: str
    generation: int
    operations: Tuple[Operation, ...]
    sha256: Tuple[str, ...]
    check: Check
    confirm_timeout_s: float
    author: str
    reason: str = ""
    commit: str = ""


@dataclass(frozen=True)
class DecideRequest:
    """Confirm or revert the pending change ``id``."""

    id: str
    author: str


@dataclass(frozen=True)
class Answer:
    """The agent's answer. ``outcome``: ``facts``, ``pending`` (applied, checks passed, waits for its confirmation),
    ``confirmed``, ``reverted``, ``refused`` (nothing changed) or ``failed``; ``message`` says why, in the daemon's own
    words where it has any.
    """

    outcome: str
    message: str = ""
    hint: str = ""
    generation: int = 0
    facts: Optional[DeviceFacts] = None
    checked: Optional[CheckResult] = None
