"""What keeps a session with a provider from being up, where its daemon says so and somebody has to do something about it."""

from __future__ import annotations

from typing import Optional

from netorch.model.checks import is_up
from netorch.model.facts import DeviceFacts
from netorch.model.frr_words import OVER_LIMIT
from netorch.model.intent import ImportPolicy, Intent, Session
from netorch.model.state import Channel

REFUSED_AS_TOO_MANY = "Received: Maximum number of prefixes reached"
"""As BIRD says it, and netorch of FRR's sessions. Source: RFC 4486 section 4, BIRD proto/bgp/packets.c."""


def session_problem(intent: Intent, session: Session, facts: DeviceFacts) -> Optional[str]:
    """Why ``session`` was closed over a limit, by us or by its neighbour, and what to do; None where it was not."""
    protocol = facts.protocol(session.name)
    if protocol is None or is_up(protocol) or session.import_policy is None or not session.enabled:
        return None
    if protocol.last_error == REFUSED_AS_TOO_MANY:
        return f"{session.peer} closed it: it takes fewer prefixes of us than it was sent; ask it for its limit"
    if protocol.last_error != OVER_LIMIT:
        return None
    channel = protocol.channel(session.family.value)
    return f"closed, since {session.peer} sent {_too_many(session.import_policy, channel)}; {_way_out(intent, session)}"


def _too_many(policy: ImportPolicy, channel: Optional[Channel]) -> str:
    if channel is not None and channel.receive_limit_hit:
        return f"more than {channel.receive_limit} prefixes in all, refused ones included"
    return f"more than the {policy.limits.max_prefixes} prefixes that max_prefixes accepts"


def _way_out(intent: Intent, session: Session) -> str:
    policy = session.import_policy
    assert policy is not None
    if policy.over_limit.action == "restart":
        return f"it is tried again by itself, after {policy.over_limit.retry_minutes} min at the latest"
    name = next((circuit.name for circuit in intent.circuits if circuit.id == session.circuit), "CIRCUIT")
    again = f"netorch drain circuit {name} and netorch undrain circuit {name}"
    return f"it stays closed: once it sends fewer, {again} open it; so does a deploy with a higher max_prefixes"
