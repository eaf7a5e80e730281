"""Overlay entries of drains: new versions of them, how they end by themselves, and how they are shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, Optional, Tuple

from netorch.api import Overlay, OverlayEntry, VerbContext, one_line, utc_text

from .scope import CLOSED, GRACEFUL, HOST, Scope, drains

REASON_BYTES = 1000

RETURNING = "returning"


def new_entry(
    context: VerbContext, scope: Scope, *, reason: str, until: Optional[float], keep_session: bool
) -> OverlayEntry:
    """A new drain of ``scope``, its sessions open, newer than any that was ever there; every switch of the POP keeps it. One that
    was begun already keeps its ``reason`` and its end unless they are given."""
    former, held = context.overlay.find(scope.entry_id), begun(context.overlay, scope)
    if held is not None:  # taken up again: what was said of it then holds unless it is said anew
        reason = reason or held.reason
        until = held.until if until is None else until
    return OverlayEntry(
        id=scope.entry_id,
        version=former.version + 1 if former is not None else 1,
        plugin="drain",
        devices=tuple(switch.name for switch in context.intent.in_pop(scope.pop, "switch")),
        author=context.author,
        created=context.now,
        reason=one_line(reason, max_bytes=REASON_BYTES),
        until=until,
        data={
            "kind": scope.kind,
            "name": scope.name,
            "pop": scope.pop,
            "stage": GRACEFUL,
            "keep_session": keep_session,
        },
    )


def begun(overlay: Overlay, scope: Scope) -> Optional[OverlayEntry]:
    """The drain of ``scope`` that is in force, and not on its way back."""
    found = overlay.find(scope.entry_id)
    return found if found is not None and not found.removed and not found.data.get(RETURNING) else None


def at_stage(entry: OverlayEntry, stage: str, **data: Any) -> OverlayEntry:
    """The next version of ``entry``, at ``stage``, with ``data`` beside what it has."""
    return replace(entry, version=entry.version + 1, data={**entry.data, **data, "stage": stage})


def ending(entry: OverlayEntry) -> OverlayEntry:
    """The next version of ``entry``, on its way back: open, still the last choice. It ends when its command says so, not by the
    clock."""
    return replace(at_stage(entry, GRACEFUL, prepend=0, **{RETURNING: True}), until=None)


def ended(entry: OverlayEntry, context: VerbContext) -> OverlayEntry:
    """The tombstone of ``entry``."""
    return replace(
        entry, version=entry.version + 1, removed=True, author=context.author, created=context.now, until=None
    )


def is_closed(entry: OverlayEntry) -> bool:
    """Whether sessions have to be opened before it can end: they are closed, or were when its time came."""
    return entry.data.get("stage") == CLOSED or bool(entry.data.get(RETURNING))


def lapse(overlay: Overlay, now: float) -> Tuple[OverlayEntry, ...]:
    """Drains that are past their time, in their next step: what was closed opens as the last choice first, and ends after that.
    Whoever looks finds the same: all times are the entry's own."""
    return tuple(
        _next_step(entry, entry.until) for entry, _ in drains(overlay) if entry.until is not None and entry.until <= now
    )


def _next_step(entry: OverlayEntry, until: float) -> OverlayEntry:
    if entry.data.get("stage") == CLOSED:
        return at_stage(entry, GRACEFUL, prepend=0, **{RETURNING: True})
    return replace(entry, version=entry.version + 1, removed=True, created=until, until=None)


def words(entry: OverlayEntry) -> str:
    """What an entry means."""
    if entry.removed:
        return "no longer drained"
    noun = "it announces nothing" if entry.data.get("kind") == HOST else "its sessions are closed"
    return noun if entry.data.get("stage") == CLOSED else "it is the last choice, nothing is closed"


def stage_of(entry: OverlayEntry) -> str:
    """``graceful``, ``closed`` or ``returning``."""
    return RETURNING if entry.data.get(RETURNING) else str(entry.data.get("stage"))


def drain_row(entry: OverlayEntry, scope: Scope, now: float) -> Dict[str, Any]:
    """One line of ``netorch drains``; times in UTC."""
    return {
        "kind": scope.kind,
        "name": scope.name,
        "pop": scope.pop,
        "stage": stage_of(entry),
        "keep_session": bool(entry.data.get("keep_session")),
        "author": entry.author,
        "since": utc_text(entry.created),
        "until": utc_text(entry.until) if entry.until is not None else None,
        "expired": entry.until is not None and entry.until <= now,
        "reason": entry.reason or None,
    }
