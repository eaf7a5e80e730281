"""What a drain makes of the sessions that it covers. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from netorch.api import DeviceIntent, Intent, Overlay, OverlayEntry, Session, one_line

from .scope import CLOSED, circuit_names, drains

GRACEFUL_SHUTDOWN = (65535, 0)  # RFC 8326 section 5

MESSAGE_BYTES = 128
"""RFC 9003 allows 255 bytes; a neighbour that knows only RFC 8203 takes no more than 128."""


def amend(intent: Intent, overlay: Overlay) -> Intent:
    """Drained sessions carry the graceful-shutdown community out and local preference 0 in, or are closed.

    Where several drains cover a session, one that closes it wins.
    """
    in_force = drains(overlay)
    names = circuit_names(intent)

    def drained(device: DeviceIntent, session: Session) -> Session:
        mine = [entry for entry, scope in in_force if scope.covers(device, session, names)]
        closing: Optional[OverlayEntry] = next((e for e in mine if e.data.get("stage") == CLOSED), None)
        if closing is not None:
            return replace(_graceful(session), enabled=False, shutdown_message=shutdown_message(closing.reason))
        return _graceful(session) if mine else session

    return intent.with_sessions(drained) if in_force else intent


def shutdown_message(reason: str) -> str:
    """What the neighbour is told (RFC 9003). BIRD's strings cannot hold a double quote."""
    return one_line(reason.replace('"', "'"), max_bytes=MESSAGE_BYTES) or "drained"


def _graceful(session: Session) -> Session:
    incoming, outgoing = session.import_policy, session.export_policy
    if incoming is not None:
        incoming = replace(incoming, local_preference=0)
    if outgoing is not None and GRACEFUL_SHUTDOWN not in outgoing.communities:
        outgoing = replace(outgoing, communities=(*outgoing.communities, GRACEFUL_SHUTDOWN))
    return replace(session, import_policy=incoming, export_policy=outgoing)
