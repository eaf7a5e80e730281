"""``netorch routes set``, ``withdraw`` and ``list``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, FrozenSet, Generator, List, Mapping, Optional, Sequence, Tuple

from netorch.api import (
    ChangeOverlay,
    Deploy,
    DeviceIntent,
    Facts,
    Gather,
    GuardRefused,
    NetorchError,
    Overlay,
    OverlayEntry,
    Report,
    Step,
    Steps,
    UsageError,
    VerbContext,
    Wait,
    counted,
    merge_overlays,
)

from .entries import (
    NAME,
    device_of,
    ended,
    entry_id,
    is_same,
    keepers,
    new_entry,
    owner_of,
    restored,
    routes_on,
    with_reason,
)
from .reading import SHORTEST_S, WantedRoute, read_routes
from .refuse import refuse_announcing, refuse_covering, refuse_distant, refuse_families, refuse_many
from .show import InUse, hidden_by_others, owner_rows

ROLES = ("switch", "host", "router")
USED_WITHIN_S = 3.0
SHORTEST_CONFIRM_S, LONGEST_CONFIRM_S = 5, 3600

_OWNER = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


@dataclass(frozen=True)
class Change:
    """What one command is about: ``after`` holds the entries that it makes, ``before`` those that they take the place of, by
    id. ``overlay`` is what everybody concerned held when it began. ``gone`` are devices that the inventory has no more."""

    owner: str
    why: str
    overlay: Overlay
    after: Tuple[OverlayEntry, ...]
    unsettled: Tuple[str, ...] = ()
    gone: FrozenSet[str] = frozenset()
    confirm_timeout_s: float = 60.0

    @property
    def devices(self) -> Tuple[str, ...]:
        """Whose routes change, or who does not hold yet what was decided earlier."""
        found = dict.fromkeys((*(device_of(entry) for entry in self.after), *self.unsettled))
        return tuple(name for name in found if name not in self.gone)

    @property
    def result(self) -> Overlay:
        """What everybody holds when it is done."""
        return merge_overlays([self.overlay.entries, self.after])


def set_routes(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
    """Make the routes of one owner exactly those of a file, on the devices that are named; elsewhere it has none."""
    owner, devices = _owner(arguments["owner"]), _devices(context, arguments["target"])
    if arguments["file"] is None:
        raise UsageError("--file is missing, expected a file of routes", hint="--file - reads standard input")
    lasts_s = arguments["for"]
    if lasts_s is not None and lasts_s < SHORTEST_S:
        raise UsageError(f"--for {lasts_s:g}s: expected {SHORTEST_S:g}s or more", hint="--for 2h")
    routes = read_routes(arguments["file"], lasts_s=lasts_s)
    for device in devices:
        refuse_families(device, routes)
        refuse_distant(context, device, routes)
        refuse_announcing(context, device, routes)
        if not arguments["allow_covering"]:
            refuse_covering(context, device, routes)
    wanted = {device.name: routes for device in devices}
    yield from _bring(context, owner, wanted, verb="set", arguments=arguments)


def withdraw(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
    """Take away all that one owner has, wherever it is."""
    owner = _owner(arguments["owner"])
    yield from _bring(context, owner, {}, verb="withdraw", arguments=arguments)


def list_routes(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
    """Every route that a program added, whose it is, and whether it counts."""
    wanted = arguments["owner"]
    entries = [entry for entry in context.overlay.active(NAME) if wanted in (None, owner_of(entry))]
    rows = [row for entry in entries for row in owner_rows(context, context.overlay, entry)]
    owners = {owner_of(entry) for entry in entries}
    text = f"{counted(len(rows), 'route')} of {counted(len(owners), 'owner')}" if rows else "no routes"
    if context.unread:
        text = f"{text} known: {', '.join(context.unread)} could not be asked"
    yield Report(text=text, rows=tuple(rows), changed=False)


def _bring(
    context: VerbContext,
    owner: str,
    wanted: Mapping[str, Sequence[WantedRoute]],
    *,
    verb: str,
    arguments: Mapping[str, Any],
) -> Steps:
    """Devices of ``wanted`` to these routes of ``owner``, all others to none."""
    reason, confirm_timeout_s = arguments["reason"] or "", _confirm_timeout_s(arguments["confirm_timeout"])
    mine = _mine(context.overlay, owner)
    known = [device for device in context.intent.devices if device.name in {*wanted, *map(device_of, mine)}]
    holders = {name for entry in mine for name in entry.devices}
    around = dict.fromkeys(name for device in known for name in keepers(context.intent, device))
    around.update(dict.fromkeys(device.name for device in context.intent.devices if device.name in holders))
    facts: Facts = (yield Gather(tuple(around), wants=())) if around else {}
    change = _change(context, owner, wanted, facts=facts)
    change = replace(
        change,
        why=f"routes {verb} {owner}" + (f": {reason}" if reason else ""),
        after=tuple(with_reason(entry, reason) for entry in change.after),
        confirm_timeout_s=confirm_timeout_s,
    )
    for device in known:
        refuse_many(context, device, routes_on(change.result, device.name))
    rows = tuple(row for entry in _mine(change.result, owner) for row in owner_rows(context, change.result, entry))
    if not change.after and not change.unsettled:
        yield Report(text=f"{owner}: nothing to change", rows=rows, changed=False)
        return
    away = yield from _carry_out(change, facts)
    yield from _tell(context, change, wanted, away=away, rows=rows)


def _change(context: VerbContext, owner: str, wanted: Mapping[str, Sequence[WantedRoute]], *, facts: Facts) -> Change:
    overlay = merge_overlays([context.overlay.entries, *(one.overlay for one in facts.values())])
    after: List[OverlayEntry] = []
    unsettled: List[str] = []
    for device in context.intent.devices:
        routes, former = wanted.get(device.name, ()), overlay.find(entry_id(owner, device.name))
        if is_same(former, routes, context.now):
            # Decided before, but somebody was away, or the command was cut off.
            unsettled += [name for name in (former.devices if former else ()) if _lacks(facts, name, former)]
        elif routes:
            after.append(new_entry(context, former, owner=owner, device=device, routes=routes))
        elif former is not None:
            after.append(ended(former, context))
    gone = {device_of(entry) for entry in _mine(overlay, owner)} - {device.name for device in context.intent.devices}
    after += [ended(entry, context) for entry in _mine(overlay, owner) if device_of(entry) in gone]
    return Change(owner, "", overlay, tuple(after), tuple(unsettled), frozenset(gone))


def _lacks(facts: Facts, name: str, entry: Optional[OverlayEntry]) -> bool:
    if name not in facts or entry is None:
        return False
    held = Overlay(tuple(facts[name].overlay)).find(entry.id)
    return (held is None and not entry.removed) or (held is not None and held.version < entry.version)


def _carry_out(change: Change, facts: Facts) -> Generator[Step, Any, Tuple[str, ...]]:
    """The devices themselves first: what they cannot bear, nobody keeps. Returns who is away."""
    there = tuple(name for name in change.devices if name in facts)
    away = tuple(name for name in change.devices if name not in facts)
    if not there and any(not entry.removed for entry in change.after):
        raise NetorchError(
            f"{', '.join(away)}: nobody can be reached that is to have the routes",
            hint="nothing was changed; netorch status tells more",
        )
    if change.after:
        yield ChangeOverlay(change.after)
    if there:
        away += yield from _deploy_devices(change, there)
    others = {name for entry in change.after for name in entry.devices if name in facts and name not in there}
    if others:
        away += yield _deploy(change, tuple(sorted(others)))
    return away


def _deploy_devices(change: Change, names: Tuple[str, ...]) -> Generator[Step, Any, Tuple[str, ...]]:
    try:
        away: Tuple[str, ...] = yield _deploy(change, names)
    except GuardRefused:
        raise  # nothing was done
    except NetorchError as error:
        yield from _put_back(change, error)
        raise
    return away


def _deploy(change: Change, names: Tuple[str, ...]) -> Deploy:
    return Deploy(names, why=change.why, goes_on=True, confirm_timeout_s=change.confirm_timeout_s)


def _put_back(change: Change, error: NetorchError) -> Steps:
    """Where some devices took the change and others did not, all go back to what they held."""
    facts: Facts = yield Gather(change.devices, wants=())
    overlay = merge_overlays(one.overlay for one in facts.values())
    taken = [e for e in change.after if (held := overlay.find(e.id)) is not None and held.version >= e.version]
    if not taken:
        return
    yield ChangeOverlay(tuple(restored(change.overlay.find(entry.id), entry) for entry in taken))
    try:
        yield _deploy(replace(change, why=f"{change.why}: as it was, since a device failed"), change.devices)
    except NetorchError as second:
        error.hint = f"not all could be put back ({second}): netorch routes withdraw {change.owner}"


def _tell(
    context: VerbContext,
    change: Change,
    wanted: Mapping[str, Sequence[WantedRoute]],
    *,
    away: Sequence[str],
    rows: Tuple[Mapping[str, Any], ...],
) -> Steps:
    """What is there now, and what of it does not count or is not in use."""
    watch = InUse({name: routes_on(change.result, name) for name in change.devices if name not in away})
    yield Wait(
        tuple(watch.entries), until=watch, what="the daemons use them", timeout_s=USED_WITHIN_S, wants=("protocols",)
    )
    notes = [f"{name}: {note}" for name in watch.entries for note in watch.unused(name)]
    for name, routes in wanted.items():
        hidden = hidden_by_others(change.owner, routes, routes_on(change.result, name))
        notes += [f"{name}: {note}" for note in hidden]
    late = f"; {', '.join(away)} once netorch run or a deploy reaches it" if away else ""
    count = len({row["prefix"] for row in rows})
    what = f"{counted(count, 'route')} on {', '.join(wanted)}" if count else "has no routes any more"
    yield Report(text="\n".join([f"{change.owner}: {what}{late}", *notes]), rows=rows, changed=True)


def _mine(overlay: Overlay, owner: str) -> Tuple[OverlayEntry, ...]:
    return tuple(entry for entry in overlay.active(NAME) if owner_of(entry) == owner)


def _owner(name: str) -> str:
    if not _OWNER.fullmatch(name):
        raise UsageError(
            f"OWNER: expected a name of at most 40 lower-case letters, digits and any of ._-, found {name[:80]!r}",
            hint="name the program, such as health-check",
        )
    return name


def _confirm_timeout_s(found: int) -> float:
    if not SHORTEST_CONFIRM_S <= found <= LONGEST_CONFIRM_S:
        raise UsageError(f"--confirm-timeout {found}: expected {SHORTEST_CONFIRM_S} to {LONGEST_CONFIRM_S} seconds")
    return float(found)


def _devices(context: VerbContext, names: Sequence[str]) -> Tuple[DeviceIntent, ...]:
    devices = tuple(context.intent.device(name) for name in names)
    for device in devices:
        if device.role not in ROLES:
            raise UsageError(f"{device.name} is a {device.role}, expected {' or '.join(ROLES)}", hint="role:host")
    return devices
