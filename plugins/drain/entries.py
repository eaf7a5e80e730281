"""Overlay entries of drains: new versions of them, and how they are shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, Dict, Optional

from netorch.api import OverlayEntry, VerbContext, one_line

from .scope import GRACEFUL, Scope

REASON_BYTES = 1000


def new_entry(
    context: VerbContext, scope: Scope, *, reason: str, until: Optional[float], keep_session: bool
) -> OverlayEntry:
    """A new drain of ``scope``, its sessions open, newer than any that was ever there; every switch of the POP keeps
    it."""
    former = context.overlay.find(scope.entry_id)
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


def at_stage(entry: OverlayEntry, stage: str) -> OverlayEntry:
    """The next version of ``entry``, at ``stage``."""
    return replace(entry, version=entry.version + 1, data={**entry.data, "stage": stage})


def ended(entry: OverlayEntry, context: VerbContext) -> OverlayEntry:
    """The tombstone of ``entry``."""
    return replace(
        entry, version=entry.version + 1, removed=True, author=context.author, created=context.now, until=None
    )


def drain_row(entry: OverlayEntry, scope: Scope, now: float) -> Dict[str, Any]:
    """One line of ``netorch drains``; times in UTC."""
    return {
        "kind": scope.kind,
        "name": scope.name,
        "pop": scope.pop,
        "stage": entry.data.get("stage"),
        "keep_session": bool(entry.data.get("keep_session")),
        "author": entry.author,
        "since": _utc(entry.created),
        "until": _utc(entry.until) if entry.until is not None else None,
        "expired": entry.until is not None and entry.until <= now,
        "reason": entry.reason or None,
    }


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
