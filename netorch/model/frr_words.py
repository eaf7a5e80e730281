"""FRR's words for the state of a BGP session, said as BIRD says it.

It imports next to nothing: the agent pays for every import at each call.

Source: FRR bgpd/bgp_vty.c bgp_show_peer(), bgpd/bgpd.h peer_down_str; BIRD proto/bgp/packets.c bgp_msg_table, proto/bgp/bgp.c
bgp_misc_errors; RFC 4271 section 4.5, RFC 4486.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Tuple

FAMILIES = {"ipv4Unicast": "ipv4", "ipv6Unicast": "ipv6"}

_OFF = "Admin. shutdown"
OVER_LIMIT = "Automatic shutdown: Route limit exceeded"
_NO_ERRORS = ("Waiting for ", "No AFI/SAFI activated", _OFF)
_NAME = re.compile(r"\[(\w+)\] ?")

_NOTIFICATIONS = {
    "0202": "Bad peer AS",
    "0203": "Bad BGP identifier",
    "0206": "Unacceptable hold time",
    "0207": "Required capability missing",
    "0400": "Hold timer expired",
    "0601": "Maximum number of prefixes reached",
    "0602": "Administrative shutdown",
    "0603": "Peer de-configured",
    "0604": "Administrative reset",
    "0605": "Connection rejected",
    "0606": "Other configuration change",
    "0607": "Connection collision resolution",
    "0608": "Out of Resources",
}
_RESETS = {
    "BFD down received": "Error: BFD session down",
    "Interface down": "Error: Link down",
    "No path to specified Neighbor": "Error: Neighbor lost",
    "Peer closed the session": "Socket: Connection closed",
    "NSF peer closed the session": "Socket: Connection closed",
}


def session_state(word: str, *, is_off: bool, is_over_limit: bool, is_passive: bool) -> Tuple[str, str]:
    """A session's state and its BGP state, of FRR's ``word`` (``Established``) and whether it is shut down by hand, has had more
    prefixes than it may, waits for its neighbour."""
    if word == "Established":
        return "up", word
    if is_off or is_over_limit:
        return "down", "Down"
    return "start", "Passive" if is_passive else word


def session_error(
    cause: Optional[str], *, code: Optional[str], reason: Optional[str], is_over_limit: bool
) -> Optional[str]:
    """What ended a session that is not up, or keeps it from starting: of FRR's ``cause``, and of a notification its ``code`` and
    ``reason``."""
    if is_over_limit:
        return OVER_LIMIT
    if cause is None or cause.startswith(_NO_ERRORS):
        return None
    if code is not None and cause.startswith("BGP Notification"):
        said = _NOTIFICATIONS.get(code) or reason or code
        return f"{'Received' if cause.endswith('received') else 'BGP Error'}: {said}"
    return _RESETS.get(cause, f"Error: {cause}")


def split_description(text: Optional[str]) -> Tuple[Optional[str], Optional[str]]:
    """The session's name, which netorch writes at the front of its description, and the rest; None for what is not there."""
    found = _NAME.match(text or "")
    if found is None:
        return None, text
    return found.group(1), (text or "")[found.end() :] or None
