"""What a drain makes of the sessions that it covers, and of hosts and switches. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import List, Optional, Tuple

from netorch.api import DeviceIntent, Intent, Overlay, OverlayEntry, Session, one_line

from .scope import CLOSED, HOST, POP, SWITCH, Scope, circuit_names, drains

GRACEFUL_SHUTDOWN = (65535, 0)  # RFC 8326 section 5

MESSAGE_BYTES = 128
"""RFC 9003 allows 255 bytes; a neighbour that knows only RFC 8203 takes no more than 128."""

Drains = Tuple[Tuple[OverlayEntry, Scope], ...]


def amend(intent: Intent, overlay: Overlay) -> Intent:
    """Drained sessions carry the graceful-shutdown community out and local preference 0 in, or are closed. A drained switch is
    the last choice of its hosts, a drained host that of its switches, or tells them of nothing.

    Where several drains cover a session, one that closes it wins.
    """
    in_force = drains(overlay)
    if not in_force:
        return intent
    names = circuit_names(intent)

    def drained(device: DeviceIntent, session: Session) -> Session:
        mine = [(entry, scope) for entry, scope in in_force if scope.covers(device, session, names)]
        return _drained(session, mine) if mine else session

    return intent.with_sessions(drained).with_devices(lambda device: _told(device, in_force))


def _drained(session: Session, mine: List[Tuple[OverlayEntry, Scope]]) -> Session:
    # What leaves a POP that is drained as a whole has nowhere else to go, and goes on by its usual ways.
    moves_out = any(scope.kind != POP for _, scope in mine)
    graceful = _graceful(session, moves_out=moves_out, prepend=max(_prepend(entry) for entry, _ in mine))
    closing: Optional[OverlayEntry] = next((e for e, _ in mine if e.data.get("stage") == CLOSED), None)
    if closing is None:
        return graceful
    return replace(graceful, enabled=False, shutdown_message=shutdown_message(closing.reason))


def _graceful(session: Session, *, moves_out: bool, prepend: int) -> Session:
    incoming, outgoing = session.import_policy, session.export_policy
    if incoming is not None and moves_out:
        incoming = replace(incoming, local_preference=0)
    if outgoing is not None:
        communities = dict.fromkeys((*outgoing.communities, GRACEFUL_SHUTDOWN))
        outgoing = replace(outgoing, communities=tuple(communities), prepend=outgoing.prepend + prepend)
    return replace(session, import_policy=incoming, export_policy=outgoing)


def _prepend(entry: OverlayEntry) -> int:
    found = entry.data.get("prepend", 0)
    return found if isinstance(found, int) else 0


def _told(device: DeviceIntent, in_force: Drains) -> DeviceIntent:
    """``device``, which tells the fabric of its routes as far as drains of it allow."""
    for entry, scope in in_force:
        if scope.name == device.name and scope.kind in (HOST, SWITCH):
            is_silent = scope.kind == HOST and entry.data.get("stage") == CLOSED
            return replace(device, fabric_export="nothing" if is_silent else "last")
    return device


def shutdown_message(reason: str) -> str:
    """What the neighbour is told (RFC 9003). BIRD's strings cannot hold a double quote."""
    return one_line(reason.replace('"', "'"), max_bytes=MESSAGE_BYTES) or "drained"
