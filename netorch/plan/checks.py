"""What a device must show after a change: derived before it, judged after it."""

from __future__ import annotations

from typing import AbstractSet, List, Mapping, Optional, Tuple

from netorch.model.facts import DeviceFacts
from netorch.model.intent import DeviceIntent, Session
from netorch.model.plan import Check
from netorch.model.state import Protocol

PREFIX_DROP_PERCENT = 50.0
"""A session that keeps less than half of its accepted prefixes over a deploy is taken for broken."""


def derive_check(
    device: DeviceIntent, facts: DeviceFacts, *, deployed: AbstractSet[str], timeout_s: float = 30.0
) -> Check:
    """Sessions that were up must be up, or be meant to be down; on a first deploy every session must come up whose
    other end is a provider or a device in ``deployed`` (those that have their configuration).
    """
    is_first = facts.daemon.live_stamp is None
    up = [s.name for s in device.sessions if s.enabled and _must_be_up(s, facts, is_first=is_first, deployed=deployed)]
    down = [s.name for s in device.sessions if not s.enabled]
    return Check(tuple(up), tuple(down), None if is_first else PREFIX_DROP_PERCENT, timeout_s)


def _must_be_up(session: Session, facts: DeviceFacts, *, is_first: bool, deployed: AbstractSet[str]) -> bool:
    protocol = facts.protocol(session.name)
    if protocol is not None and protocol.bgp_state == "Established":
        return True
    return is_first and (session.kind == "provider" or session.peer in deployed)


def findings(check: Check, now: Mapping[str, Protocol], before: Mapping[str, Protocol]) -> Tuple[str, ...]:
    """Why ``check`` does not hold for the protocols ``now`` (by name), in words for the operator; () when it holds.

    ``before`` are the protocols as they were before the change, for the comparison of prefix counts.
    """
    found: List[str] = []
    for name in check.up:
        protocol = now.get(name)
        if protocol is None:
            found.append(f"{name}: no such session, expected Established")
        elif protocol.bgp_state != "Established":
            found.append(f"{name}: {_state(protocol)}, expected Established")
        else:
            drop = _prefix_drop(check.prefix_drop_percent, protocol, before.get(name))
            if drop:
                found.append(f"{name}: {drop}")
    for name in check.down:
        protocol = now.get(name)
        if protocol is not None and protocol.bgp_state == "Established":
            found.append(f"{name}: Established, expected it to be closed")
    return tuple(found)


def _state(protocol: Protocol) -> str:
    state = protocol.bgp_state or protocol.state or "unknown"
    return f"{state}, last error: {protocol.last_error}" if protocol.last_error else state


def _prefix_drop(limit_percent: Optional[float], now: Protocol, before: Optional[Protocol]) -> str:
    if limit_percent is None or before is None:
        return ""
    for channel in before.channels:
        had = channel.routes_imported or 0
        after = now.channel(channel.family)
        has = (after.routes_imported or 0) if after is not None else 0
        if had and 100.0 * (had - has) / had > limit_percent:
            return f"accepts {has} {channel.family} prefixes, {had} before: more than {limit_percent:g} % fewer"
    return ""
