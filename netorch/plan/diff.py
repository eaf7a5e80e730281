"""Compares what a device is to have with what it has."""

from __future__ import annotations

from dataclasses import replace
from typing import AbstractSet, Dict, Iterator, List, Optional, Sequence, Tuple

from netorch.errors import PluginError
from netorch.model.checks import is_up
from netorch.model.facts import DeviceFacts
from netorch.model.items import (
    APPLY_ORDER,
    NEVER_REMOVED,
    AliasItem,
    ClosedSessionItem,
    FileItem,
    Item,
    Key,
    OverlayItem,
    ServiceItem,
)
from netorch.model.plan import NO_CHECK, Check, DevicePlan, Operation, Reset
from netorch.plan.checks import NEIGHBOUR_SETTLE_S, SETTLE_S
from netorch.plan.daemons import language_of
from netorch.plan.drift import with_causes


def plan_device(desired: Sequence[Item], facts: DeviceFacts, *, check: Check = NO_CHECK) -> DevicePlan:
    """The operations that turn ``facts`` into ``desired``, in the order in which they are to be applied.

    Raises PluginError when two desired items claim one slot with different values.
    """
    wanted = _by_key(desired, facts.device)
    present = {item.key: item for item in (*facts.items, *_file_items(wanted, facts))}
    operations = [
        Operation("add" if key not in present else "change", item, present.get(key), _risk(item))
        for key, item in wanted.items()
        if key not in present or not _fulfils(present[key], item, facts)
    ]
    removals = [
        Operation("remove", item, item, _risk(item))
        for key, item in {**_left_services(facts), **present}.items()
        if key not in wanted and _is_ours_to_remove(item, wanted, facts)
    ]
    resets = _resets(operations, removals, facts)
    operations.sort(key=lambda operation: (_rank(operation.item), operation.item.key))
    removals.sort(key=lambda operation: (-_rank(operation.item), operation.item.key))
    return DevicePlan(
        device=facts.device,
        base=facts.base,
        generation=facts.generation,
        operations=tuple(
            _with_reset_risk(operation, resets) for operation in with_causes((*operations, *removals), facts)
        ),
        resets=resets,
        check=replace(check, settle_s=max(_settle_s(operations, facts), _neighbours_settle_s(resets, facts))),
        live_lines=facts.daemon.live_lines or (),
        obstacle=facts.daemon.obstacle if any(_configures(operation) for operation in operations) else None,
    )


def _configures(operation: Operation) -> bool:
    return isinstance(operation.item, FileItem) and bool(operation.item.daemon)


def _by_key(desired: Sequence[Item], device: str) -> Dict[Key, Item]:
    wanted: Dict[Key, Item] = {}
    for item in desired:
        held = wanted.setdefault(item.key, item)
        if held != item:
            raise PluginError(
                f"two plugins want different values for {' '.join(item.key)}: {held} and {item}",
                where=device,
                hint="disable one of them in network.yml, under plugins",
            )
    return wanted


def _left_services(facts: DeviceFacts) -> Dict[Key, Item]:
    """Services that a generation started: one that is dead, or runs another agent, is not among the items, and would come back
    with the machine."""
    held = facts.confirmed.items if facts.confirmed is not None else ()
    return {item.key: item for item in held if isinstance(item, ServiceItem)}


def _file_items(wanted: Dict[Key, Item], facts: DeviceFacts) -> List[FileItem]:
    """The files that the device has, as the items that they would be; group and daemon are taken from what is wanted."""
    found = []
    for fact in facts.files:
        item = wanted.get(("file", fact.path))
        if fact.text is not None and fact.mode is not None and isinstance(item, FileItem):
            found.append(replace(item, text=fact.text, mode=fact.mode))
    return found


def _fulfils(present: Item, item: Item, facts: DeviceFacts) -> bool:
    if present != item:
        return False
    if isinstance(item, FileItem) and item.daemon:
        # The right file on disk is worth nothing while the daemon runs something else.
        return facts.daemon.live_stamp == facts.daemon.disk_stamp
    return True


def _is_ours_to_remove(item: Item, wanted: Dict[Key, Item], facts: DeviceFacts) -> bool:
    if isinstance(item, ClosedSessionItem):
        # A session of somebody else's, or of a configuration that is about to go, needs no opening.
        return any(
            isinstance(file, FileItem) and file.daemon and item.session in _sessions_of(file)
            for file in wanted.values()
        )
    return not isinstance(item, NEVER_REMOVED)


def _sessions_of(file: FileItem) -> AbstractSet[str]:
    return language_of(file.daemon).read_bgp(file.text, own_asn=0).sessions.keys()


def _rank(item: Item) -> int:
    return APPLY_ORDER.index(type(item))


def _risk(item: Item) -> str:
    if isinstance(item, (AliasItem, OverlayItem, ServiceItem)):
        return "none"
    return "reset" if isinstance(item, ClosedSessionItem) else "routing"


def _resets(operations: Sequence[Operation], removals: Sequence[Operation], facts: DeviceFacts) -> Tuple[Reset, ...]:
    resets: Dict[str, Reset] = {}
    for operation in operations:
        if isinstance(operation.item, FileItem) and operation.item.daemon:
            resets.update({reset.session: reset for reset in _foreseen(operation.item, operation.before, facts)})
    for operation in operations:
        if isinstance(operation.item, ClosedSessionItem):
            name = operation.item.session
            resets[name] = Reset(name, "close", operation.item.message or "closed by the configuration")
    for operation in removals:
        if isinstance(operation.item, ClosedSessionItem):
            resets.setdefault(operation.item.session, Reset(operation.item.session, "start", "it was closed"))
    return tuple(resets[name] for name in sorted(resets))


def _foreseen(item: FileItem, before: Optional[Item], facts: DeviceFacts) -> Iterator[Reset]:
    """What the daemon's configuration does to its sessions: from what it runs, not from what is in its file."""
    language = language_of(item.daemon)
    old = before.text if isinstance(before, FileItem) else ""
    if facts.daemon.running:
        yield from language.foresee_resets(language.running_text(old, facts.daemon.live_lines or ()), item.text)
        return
    other = facts.daemon.other
    held = dict.fromkeys(other.sessions, f"{other.name} has it, {item.daemon} will") if other is not None else {}
    starting = {reset.session for reset in language.foresee_resets("", item.text)}
    for session in sorted(starting):
        why = f"{item.daemon} does not run" if old else "new"
        yield Reset(session, "restart", held[session]) if session in held else Reset(session, "start", why)
    for session in sorted(held.keys() - starting):
        yield Reset(session, "close", f"{other.name if other else ''} has it, and has to end")


def _settle_s(operations: Sequence[Operation], facts: DeviceFacts) -> float:
    """For how long the device's prefix counts are worth a look: 0 where the change cannot touch them."""
    for operation in operations:
        if isinstance(operation.item, FileItem) and operation.item.daemon and isinstance(operation.before, FileItem):
            is_live = facts.daemon.live_stamp == facts.daemon.disk_stamp  # otherwise nobody knows what the daemon runs
            may_change_imports = language_of(operation.item.daemon).may_change_imports
            if not is_live or may_change_imports(operation.before.text, operation.item.text):
                return SETTLE_S
    return 0.0


def _neighbours_settle_s(resets: Sequence[Reset], facts: DeviceFacts) -> float:
    """How long it takes until a neighbour that the change may lose is missed."""
    lost = (reset for reset in resets if reset.effect == "restart" and is_up(facts.protocol(reset.session)))
    return max((NEIGHBOUR_SETTLE_S for reset in lost if ":" in reset.session), default=0.0)


def _with_reset_risk(operation: Operation, resets: Sequence[Reset]) -> Operation:
    return replace(operation, risk="reset") if _configures(operation) and resets else operation
