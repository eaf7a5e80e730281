"""``netorch drain``: what is meant, whether it may be, and then one POP after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from netorch.api import (
    ChangeOverlay,
    Deploy,
    Facts,
    Gather,
    GuardRefused,
    Overlay,
    OverlayEntry,
    Report,
    Steps,
    UsageError,
    VerbContext,
    one_line,
    utc_text,
)

from .entries import REASON_BYTES, begun
from .quiet import limits_of
from .rest import bring_rest
from .scope import CLOSED, KINDS, Scope, all_scopes, concerned, drains, keepers, resolve, typed
from .task import COLUMNS, OPTIONAL, Task, Wish, measured_devices, new_task, refuse, run

SHORTEST_S = 60.0
"""As announce and steer have it."""


def drain(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
    """Drain a provider (in every POP where it has circuits unless one is named), a circuit, switch or host, or a whole POP."""
    words = tuple(arguments["name"] or ())
    if not words or (len(words) == 1 and words[0] in KINDS):
        yield _candidates(context, words)
        return
    known = [scope for kind in KINDS for scope in all_scopes(context.inventory, kind)]
    scopes = resolve(words, arguments["pop"], known)
    keep_session = bool(arguments["keep_session"])
    pending = tuple(s for s in scopes if not _is_drained(context.overlay, s, keep_session=keep_session))
    wish = _wish(context, arguments, pending)
    if pending:
        yield from _drain_all(tuple(new_task(context, scope, wish) for scope in pending))
    elif arguments["for"] is not None or arguments["reason"]:
        yield from _note(context, scopes, arguments, wish)
    else:
        yield from bring_rest(context, scopes, "already drained")


def ended_by(arguments: Mapping[str, Any]) -> str:
    """The command that takes a drain of the same words back."""
    return typed("undrain", arguments["name"], arguments["pop"])


def _candidates(context: VerbContext, words: Sequence[str]) -> Report:
    in_force = {scope: entry for entry, scope in drains(context.overlay)}
    rows = tuple(
        {
            "kind": scope.kind,
            "name": scope.name,
            "pop": scope.pop,
            "sessions": len(concerned([scope], context.intent)),
            "drain": in_force[scope].data.get("stage") if scope in in_force else None,
        }
        for kind in (words or KINDS)
        for scope in all_scopes(context.inventory, kind)
    )
    return Report(text="name one of these to drain it", rows=rows, changed=False)


def _is_drained(overlay: Overlay, scope: Scope, *, keep_session: bool) -> bool:
    entry = begun(overlay, scope)
    if entry is None:
        return False
    return entry.data.get("stage") == CLOSED or (keep_session and bool(entry.data.get("keep_session")))


def _wish(context: VerbContext, arguments: Mapping[str, Any], pending: Sequence[Scope]) -> Wish:
    """``pending`` are drained, one POP after the other; what is drained already may end at once."""
    lasts_s, turns = arguments["for"], len(pending)
    if lasts_s is not None and lasts_s <= 0:
        raise UsageError(f"--for {lasts_s:g}s: expected a duration above zero", hint="--for 2h")
    _refuse_short(context, pending, lasts_s)
    wait_s = arguments["wait"]
    if lasts_s is not None:  # else it ends before it is done
        wait_s = min(wait_s, lasts_s / 2 / max(turns, 1))
    return Wish(
        reason=arguments["reason"] or "",
        until=context.now + lasts_s if lasts_s is not None else None,
        wait_s=wait_s,
        keep_session=bool(arguments["keep_session"]),
        arguments=arguments,
        turns=turns,
    )


def _refuse_short(context: VerbContext, pending: Sequence[Scope], lasts_s: Optional[float]) -> None:
    """UsageError for a drain that would end before the traffic has left: by ``--for``, or where that is not given by the end that
    it was begun with."""
    shortest_s = max(SHORTEST_S, 2 * len(pending) * limits_of(context.settings).quiet_s)
    expected = f"expected {shortest_s:g}s or more: it would end before the traffic has left"
    if lasts_s is not None:
        if pending and lasts_s < shortest_s:
            raise UsageError(f"--for {lasts_s:g}s: {expected}", hint="--for 2h")
        return
    for scope in pending:
        entry = begun(context.overlay, scope)
        if entry is not None and entry.until is not None and entry.until - context.now < shortest_s:
            left_s = max(0.0, entry.until - context.now)
            raise UsageError(
                f"{scope}: begun before, it ends in {left_s:.0f}s, at {utc_text(entry.until)}: {expected}",
                hint="give it another end, such as --for 2h",
            )


def _drain_all(tasks: Tuple[Task, ...]) -> Steps:
    """One POP after the other. All of them are judged before anything changes, and each again when its turn has come, since what
    left the POPs before may have come there."""
    devices = dict.fromkeys(name for task in tasks for name in (*measured_devices(task), *task.devices))
    facts: Facts = yield Gather(tuple(devices), wants=("links", "protocols"))
    new = [task for task in tasks if _was_never_deployed(task, facts)]
    if new and len(new) < len(tasks):
        pops = ", ".join(task.scope.pop for task in new)
        yield Report(text=f"{pops}: left out, since no switch there was ever deployed")
        tasks = tuple(task for task in tasks if task not in new)
    for task in tasks:
        refuse(task, facts)
    rows: List[Mapping[str, Any]] = []
    for number, task in enumerate(tasks):
        try:
            text, more = yield from run(task, facts)
        except GuardRefused as refused:
            if number:
                done = ", ".join(before.scope.pop for before in tasks[:number])
                refused.message = f"{refused.message}; it is drained in {done}"
            raise
        rows += more
        is_last = number == len(tasks) - 1
        yield Report(text=text, rows=tuple(rows) if is_last else (), changed=True, columns=COLUMNS, optional=OPTIONAL)


def _was_never_deployed(task: Task, facts: Facts) -> bool:
    """Whether there is nothing yet that could be drained."""
    switches = [switch.name for switch in task.context.intent.in_pop(task.scope.pop, "switch")]
    there = [facts[name] for name in switches if name in facts]
    return bool(there) and all(switch.generation == 0 for switch in there)


def _note(context: VerbContext, scopes: Tuple[Scope, ...], arguments: Mapping[str, Any], wish: Wish) -> Steps:
    """What is drained already gets another end or reason, and nothing else."""
    held: Dict[Scope, OverlayEntry] = {scope: entry for entry, scope in drains(context.overlay)}
    changed = []
    for scope in scopes:
        entry = held[scope]
        reason = one_line(wish.reason, max_bytes=REASON_BYTES) if arguments["reason"] else entry.reason
        until = wish.until if arguments["for"] is not None else entry.until
        changed.append(replace(entry, version=entry.version + 1, reason=reason, until=until))
    yield ChangeOverlay(tuple(changed))
    yield Deploy(keepers(scopes, context.intent), why=f"drain {'; '.join(map(str, scopes))}: noted", goes_on=True)
    until = changed[0].until
    end = f"until {utc_text(until)}" if until is not None else "without an end"
    yield Report(text=f"{'; '.join(map(str, scopes))}: already drained; now {end}", changed=True)
