"""Why an operation is needed: what somebody did on the device, told apart from what the inventory wants anew.

A device keeps what its last confirmed generation holds. Where it has something else now, a hand was at work; where it has
just that and the plan wants something else, the device is behind the inventory (or behind what its switches see).
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import AbstractSet, Sequence, Tuple

from netorch.model.facts import Confirmed, DeviceFacts
from netorch.model.items import MIRROR_KINDS, ClosedSessionItem, FileItem, OverlayItem, ServiceItem
from netorch.model.plan import Operation
from netorch.plan.daemons import language_of

BEHIND = "behind the inventory"
EDITED = "edited by hand"
REMOVED = "removed by hand"
CHANGED = "changed by hand"
ADDED = "added by hand"
CLOSED = "closed by hand"
OPENED = "opened by hand"
NOT_LIVE = "the daemon runs another configuration"
NOT_RUNNING = "the daemon does not run"
STOPPED = "it does not run"

TOLD = (EDITED, REMOVED, CHANGED, ADDED, CLOSED, OPENED, NOT_LIVE, NOT_RUNNING, STOPPED)
"""The causes that a plan names: who reads it would not guess them."""

BY_HAND = (EDITED, REMOVED, CHANGED, ADDED, CLOSED, OPENED, NOT_LIVE)


def with_causes(operations: Sequence[Operation], facts: DeviceFacts) -> Tuple[Operation, ...]:
    """``operations`` with their causes; none where no generation has been confirmed yet or a change waits, and none for the
    overlay."""
    if facts.confirmed is None or facts.pending is not None:
        return tuple(operations)
    moved = _moved_by_configuration(operations)
    return tuple(
        replace(operation, cause=_cause(operation, facts, facts.confirmed, moved=moved)) for operation in operations
    )


def _moved_by_configuration(operations: Sequence[Operation]) -> AbstractSet[str]:
    """The sessions that a new configuration opens or closes; the one that it replaces has them the other way."""
    for operation in operations:
        if isinstance(operation.item, FileItem) and operation.item.daemon:
            read_bgp = language_of(operation.item.daemon).read_bgp
            old = operation.before.text if isinstance(operation.before, FileItem) else ""
            before = read_bgp(old, own_asn=0).sessions
            after = read_bgp(operation.item.text, own_asn=0).sessions
            return {name for name in after if name not in before or before[name].closed != after[name].closed}
    return frozenset()


def _cause(operation: Operation, facts: DeviceFacts, confirmed: Confirmed, *, moved: AbstractSet[str]) -> str:
    item = operation.item
    if isinstance(item, OverlayItem):
        return ""
    if isinstance(item, FileItem):
        return _cause_of_file(item, facts, confirmed)
    if isinstance(item, ClosedSessionItem):
        if item.session in moved or not facts.daemon.running:
            return BEHIND
        return CLOSED if operation.action == "remove" else OPENED
    held = next((other for other in confirmed.items if other.key == item.key), None)
    if isinstance(item, ServiceItem) and operation.action == "add":
        return STOPPED if held is not None and _is_dead(item, facts) else BEHIND
    if isinstance(item, MIRROR_KINDS) and ServiceItem("mirror") in confirmed.items:
        return BEHIND  # the mirror's agent has changed it since
    if operation.action == "add":
        return REMOVED if held is not None else BEHIND
    if operation.action == "remove":
        return BEHIND if held is not None else ADDED
    return BEHIND if held is None or held == operation.before else CHANGED


def _is_dead(item: ServiceItem, facts: DeviceFacts) -> bool:
    return not any(agent.service == item.name and agent.alive for agent in facts.agents)


def _cause_of_file(item: FileItem, facts: DeviceFacts, confirmed: Confirmed) -> str:
    held = confirmed.file(item.path)
    if held is None:
        return BEHIND
    found = next((fact for fact in facts.files if fact.path == item.path), None)
    if found is None or found.sha256 is None:
        return REMOVED
    if found.sha256 != held.sha256:
        return EDITED
    if item.daemon and facts.daemon.live_stamp != held.stamp:
        return NOT_LIVE if facts.daemon.running else NOT_RUNNING
    if found.sha256 == sha256(item.text.encode()).hexdigest() and found.mode != item.mode:
        return CHANGED
    return BEHIND
