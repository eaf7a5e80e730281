"""Whether a device shows what a check asks for; judged on the device itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Mapping, Optional, Tuple

if TYPE_CHECKING:  # the agent judges with this module, and pays for every import at each apply
    from netorch.model.plan import Check
    from netorch.model.state import Protocol


def is_up(protocol: Optional[Protocol]) -> bool:
    """Whether a session is there and up: BGP's is Established; neighbours of RIP and OSPF have no such state, and are ``up``."""
    if protocol is None:
        return False
    return protocol.state == "up" if protocol.bgp_state is None else protocol.bgp_state == "Established"


def findings(check: Check, now: Mapping[str, Protocol], before: Mapping[str, Protocol]) -> Tuple[str, ...]:
    """Why ``check`` does not hold for the protocols ``now`` (by name), in words for the operator; () when it holds.

    ``before`` are the protocols as they were before the change, for the comparison of prefix counts.
    """
    found: List[str] = []
    for name in check.up:
        protocol = now.get(name)
        # Only RIP and OSPF, which know no sessions, have names with an interface in them.
        expected = "a neighbour that is up" if ":" in name else "Established"
        if protocol is None:
            found.append(f"{name}: {'nobody there' if ':' in name else 'no such session'}, expected {expected}")
        elif not is_up(protocol):
            found.append(f"{name}: {_state(protocol)}, expected {expected}")
        else:
            drop = _prefix_drop(check.prefix_drop_percent, protocol, before.get(name))
            if drop:
                found.append(f"{name}: {drop}")
            silence = _silence(protocol, before.get(name)) if name in check.announce else ""
            if silence:
                found.append(f"{name}: {silence}")
    for name in check.down:
        protocol = now.get(name)
        if is_up(protocol):
            found.append(f"{name}: Established, expected it to be closed")
    return tuple(found)


def leaks(check: Check, now: Mapping[str, Protocol], before: Mapping[str, Protocol]) -> Tuple[str, ...]:
    """Sessions that announce more than they may, in words for the operator: what no waiting makes better."""
    found: List[str] = []
    for name, most in check.announce_most:
        has, had = _announced(now.get(name)), _announced(before.get(name))
        if has > max(most, had):
            found.append(f"{name}: announces {has} prefixes, {had} before, and has {most} to announce at most")
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


def _announced(protocol: Optional[Protocol]) -> int:
    channels = protocol.channels if protocol is not None else ()
    return sum(channel.routes_exported or 0 for channel in channels)


def _silence(now: Protocol, before: Optional[Protocol]) -> str:
    for channel in before.channels if before is not None else ():
        after = now.channel(channel.family)
        if channel.routes_exported and not (after.routes_exported if after is not None else 0):
            return f"announces no {channel.family} prefix, {channel.routes_exported} before"
    return ""
