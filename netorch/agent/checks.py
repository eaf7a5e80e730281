"""What the device must show after a change: asked of the daemon until it is so, or the time is up."""

from __future__ import annotations

from netorch.agent.clock import uptime, wait
from netorch.model.checks import findings, leaks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Mapping, Optional, Tuple

    from netorch.agent.daemons import Control, PrefixCounts, ShortProtocol

_FAST_INTERVAL_S = 0.05
_SLOW_INTERVAL_S = 0.25
_FAST_FOR_S = 3.0


class Check:
    """What ``model.checks`` looks at of a ``model.plan.Check``."""

    __slots__ = ("announce", "announce_most", "down", "prefix_drop_percent", "settle_s", "timeout_s", "up")

    def __init__(self, document: Dict[str, Any]) -> None:
        self.up: Tuple[str, ...] = tuple(document["up"])
        self.down: Tuple[str, ...] = tuple(document["down"])
        self.announce: Tuple[str, ...] = tuple(document["announce"])
        self.announce_most = tuple((name, int(most)) for name, most in document["announce_most"])
        self.prefix_drop_percent: Optional[float] = document["prefix_drop_percent"]
        self.settle_s = float(document["settle_s"])
        self.timeout_s = float(document["timeout_s"])


class Channel:
    """What ``model.checks`` looks at of a ``model.state.Channel``."""

    __slots__ = ("family", "routes_exported", "routes_imported")

    def __init__(self, family: str, counts: PrefixCounts) -> None:
        self.family = family
        self.routes_imported, self.routes_exported = counts


class Protocol:
    """What ``model.checks`` looks at of a ``model.state.Protocol``; those take longer to import than an apply does."""

    __slots__ = ("bgp_state", "channels", "last_error", "state")

    def __init__(self, session: ShortProtocol, prefixes: Dict[str, PrefixCounts]) -> None:
        self.state = session.state
        self.bgp_state = session.bgp_state
        self.last_error = session.error
        self.channels = tuple(Channel(family, counts) for family, counts in prefixes.items())

    def channel(self, family: str) -> Optional[Channel]:
        """The channel of ``family``."""
        return next((channel for channel in self.channels if channel.family == family), None)


def look(control: Control, *, prefixes: bool) -> Dict[str, Any]:
    """Every protocol by name, with how many ``prefixes`` each of its channels has accepted and announces if wanted."""
    counts = control.count_prefixes() if prefixes else {}
    return {session.name: Protocol(session, counts.get(session.name, {})) for session in control.short_protocols()}


def run_check(control: Control, check: Check, *, before: Mapping[str, Any]) -> Tuple[str, ...]:
    """Why ``check`` does not hold, in words for the operator; () as soon as it does.

    ``before`` are the protocols before the change; where prefixes are compared with theirs, it must hold for ``settle_s``. A leak
    ends it at once.
    """
    started = uptime()
    wanted: Any = check
    held = [channel for name in check.up if name in before for channel in before[name].channels]
    keep = any(channel.routes_imported or channel.routes_exported for channel in held)
    # Only RIP and OSPF, which miss a neighbour late, have names with an interface in them.
    keep = keep or any(":" in name for name in check.up)
    while True:
        current = look(control, prefixes=keep or bool(check.announce_most))
        leaked = leaks(wanted, current, before)
        if leaked:
            return leaked
        found = findings(wanted, current, before)
        passed_s = uptime() - started
        end_s = check.timeout_s if found else min(check.settle_s, check.timeout_s) if keep else 0.0
        if passed_s >= end_s:
            return found
        is_urgent = found and passed_s < _FAST_FOR_S  # somebody waits for what is about to come
        wait(min(_FAST_INTERVAL_S if is_urgent else _SLOW_INTERVAL_S, end_s - passed_s))
