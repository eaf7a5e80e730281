"""``netorch undrain`` and ``netorch drains``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from netorch.api import (
    ChangeOverlay,
    Deploy,
    Facts,
    OverlayEntry,
    Report,
    Steps,
    UsageError,
    VerbContext,
    Wait,
    newest,
)

from .entries import drain_row, ended, ending, is_closed, stage_of
from .quiet import prefixes as count_prefixes
from .quiet import until_settled
from .rest import bring_rest
from .scope import CLOSED, KINDS, Line, Scope, all_scopes, as_held, concerned, holdouts, keepers, resolve, typed
from .scope import drains as in_force

COLUMNS = ("kind", "name", "pop", "stage", "author", "since", "until", "reason")


def undrain(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
    """End a drain: open the sessions, still as the last choice; once they are back, take everything away."""
    words = tuple(arguments["name"] or ())
    held = {scope: entry for entry, scope in in_force(as_held(context))}
    for scope, older in holdouts(context).items():
        closed = [entry for entry in older.values() if entry.data.get("stage") == CLOSED]
        known_as = as_held(context).find(scope.entry_id)
        if closed and known_as is not None:  # ended elsewhere: here it opens as the last choice first, as everywhere
            held.setdefault(scope, replace(closed[0], version=known_as.version))
    if not words:
        raise UsageError("expected [KIND] NAME", hint="netorch drains lists what is drained")
    # What is drained can always be named, even if the inventory has it no more.
    known = [scope for kind in KINDS for scope in all_scopes(context.inventory, kind)]
    found = resolve(words, arguments["pop"], [*known, *(scope for scope in held if scope not in known)])
    drained = {scope: held[scope] for scope in found if scope in held}
    if not drained:
        yield from bring_rest(context, found, "not drained")
        return
    yield from _run(context, drained, wait_s=arguments["wait"])


def again(arguments: Mapping[str, Any]) -> str:
    """The command that drains what the same words name."""
    return typed("drain", arguments["name"], arguments["pop"])


def _run(context: VerbContext, drained: Mapping[Scope, OverlayEntry], *, wait_s: float) -> Steps:
    devices = keepers(drained, context.intent)
    name = "; ".join(map(str, drained))
    lines = _opened(context, drained)
    rows: Tuple[Mapping[str, Any], ...] = ()
    if any(map(is_closed, drained.values())):
        drained = {scope: ending(entry) for scope, entry in drained.items()}
        yield ChangeOverlay(tuple(drained.values()))
        away = yield Deploy(devices, why=f"undrain {name}: sessions open", goes_on=True)
        lines = tuple(line for line in lines if line.device.name not in away)
        holders = tuple(dict.fromkeys(line.device.name for line in lines))
        watch = until_settled(lines)
        is_back = yield Wait(holders, until=watch, what=f"the sessions of {name} are back", timeout_s=wait_s)
        rows = _rows(lines, newest(watch.history))
        yield Report(text=_words(name, rows, is_back=bool(is_back)))
    yield ChangeOverlay(tuple(ended(entry, context) for entry in drained.values()))
    away = yield Deploy(devices, why=f"undrain {name}", goes_on=True)
    later = f"; on {', '.join(away)} once netorch run or a deploy reaches it" if away else ""
    yield Report(text=f"{name}: no longer drained{later}", rows=rows, changed=True, optional=("peer", "provider"))


def _opened(context: VerbContext, over: Mapping[Scope, OverlayEntry]) -> Tuple[Line, ...]:
    """The sessions that come back: those of ``over`` that no other drain keeps closed."""
    others = [scope for entry, scope in in_force(as_held(context)) if scope not in over and is_closed(entry)]
    closed = {(line.device.name, line.session.name) for line in concerned(others, context.intent)}
    lines = concerned(over, context.intent)
    return tuple(line for line in lines if (line.device.name, line.session.name) not in closed)


def _rows(lines: Sequence[Line], facts: Facts) -> Tuple[Mapping[str, Any], ...]:
    rows: List[Dict[str, Any]] = []
    for line in lines:
        device = facts.get(line.device.name)
        protocol = device.protocol(line.session.name) if device is not None else None
        rows.append(
            {
                "device": line.device.name,
                "session": line.session.name,
                "provider": line.session.peer if line.session.kind == "provider" else None,
                "peer": line.session.peer,
                "family": line.session.family.value,
                "bgp_state": protocol.bgp_state if protocol is not None else None,
                "routes_imported": count_prefixes(facts, line),
            }
        )
    return tuple(rows)


def _words(name: str, rows: Sequence[Mapping[str, Any]], *, is_back: bool) -> str:
    if is_back:
        return f"{name}: {len(rows)} sessions are back, still as the last choice"
    missing = ", ".join(f"{r['device']} {r['session']}" for r in rows if r["bgp_state"] != "Established")
    return f"{name}: not settled when the time was up" + (f": {missing} not Established" if missing else "")


def drains(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
    """What is drained, by whom, and until when."""
    late = holdouts(context)
    there = {scope: entry for entry, scope in in_force(as_held(context))}
    for scope, older in late.items():  # ended elsewhere
        there.setdefault(scope, max(older.values(), key=lambda entry: entry.version))
    rows = tuple(
        {**drain_row(entry, scope, context.now), "behind": sorted(late.get(scope, ()))}
        for scope, entry in sorted(there.items(), key=lambda item: item[1].id)
    )
    expired = sum(bool(row["expired"]) for row in rows)
    text = f"{len(rows)} drained" + (f", {expired} of them past their time" if expired else "")
    text = text if rows else "nothing is drained"
    for scope, older in late.items():
        stages = (f"{stage_of(entry)} on {device}" for device, entry in sorted(older.items()))
        text = f"{text}\n{scope}: {', '.join(stages)} until netorch run or a deploy reaches it"
    if context.unread:
        nobody = all(one.name in context.unread for one in context.intent.devices if one.role == "switch")
        known = "what is drained is not known" if nobody and not rows else f"{text}, as far as is known"
        text = f"{known}: {', '.join(context.unread)} could not be asked"
    yield Report(text=text, rows=rows, changed=False, columns=COLUMNS, optional=("since", "kind"))
