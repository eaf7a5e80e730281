"""What the routing daemon announces to providers of our own prefixes."""

from __future__ import annotations

from netorch.agent.daemons import DaemonRefused
from netorch.errors import NetorchError
from netorch.model.announced import SessionAnnouncements
from netorch.model.types import read_network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple

    from netorch.agent.daemons import Control
    from netorch.model.types import IPNetwork


def announcements(control: Control, query: Dict[str, Any]) -> Tuple[SessionAnnouncements, ...]:
    """The answer to ``query``, a ``model.announced.AnnouncedQuery`` in JSON: one for each of its sessions that is there."""
    asn, own = int(query["asn"]), [read_network(text) for text in query["own"]]
    established = {found.name for found in control.short_protocols() if found.bgp_state == "Established"}
    return tuple(
        _session(control, name, family, asn=asn, own=own) if name in established else SessionAnnouncements(name)
        for name, family in query["sessions"]
    )


def _session(control: Control, name: str, family: str, *, asn: int, own: List[IPNetwork]) -> SessionAnnouncements:
    inside = tuple(prefix for prefix in own if f"ipv{prefix.version}" == family)
    try:
        return (
            SessionAnnouncements(name, control.announced(name, family, asn=asn, own=inside))
            if inside
            else SessionAnnouncements(name)
        )
    except (
        DaemonRefused,
        NetorchError,
    ) as error:  # the session went down meanwhile, or the answer is of no release known
        return SessionAnnouncements(name, problem=str(error))
