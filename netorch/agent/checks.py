"""What the device must show after a change: asked of BIRD until it is so, or the time is up."""

from __future__ import annotations

from netorch.agent.clock import uptime, wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Tuple

    from netorch.agent.bird import Bird, Session
    from netorch.model.plan import Check

    Prefixes = Dict[str, Dict[str, int]]

_FAST_INTERVAL_S = 0.05
_SLOW_INTERVAL_S = 0.25
_FAST_FOR_S = 3.0
SETTLE_S = 3.0
"""How long prefix counts are watched after a configuration was loaded: a new filter takes effect only when the neighbour has
sent its routes again (seen: 0.1 to 3 s for ten routes), so that at first the counts are always well. What takes longer is
for the controller's checks between batches."""


def count_prefixes(daemon: Bird, sessions: Tuple[str, ...]) -> Prefixes:
    """How many prefixes each of ``sessions`` has accepted, by its name and channel; without those that are not there."""
    wanted = set(sessions)
    return {name: counts for name, counts in _blocks(daemon).items() if name in wanted}


def run_check(daemon: Bird, check: Check, *, before: Prefixes) -> Tuple[str, ...]:
    """Why ``check`` does not hold, in words for the operator; () as soon as it does.

    ``before`` are the prefixes that must not be lost; where there are any, it must hold for ``SETTLE_S``.
    """
    started = uptime()
    watched_s = SETTLE_S if any(any(had.values()) for had in before.values()) else 0.0
    while True:
        found = findings(daemon, check, before=before)
        passed_s = uptime() - started
        if passed_s >= check.timeout_s or (not found and passed_s >= watched_s):
            return found
        wait(min(_FAST_INTERVAL_S if passed_s < _FAST_FOR_S else _SLOW_INTERVAL_S, check.timeout_s - passed_s))


def findings(daemon: Bird, check: Check, *, before: Prefixes) -> Tuple[str, ...]:
    """What is not as it should be at this moment."""
    sessions = {session.name: session for session in daemon.sessions()}
    found: List[str] = []
    for name in check.up:
        session = sessions.get(name)
        if session is None:
            found.append(f"{name}: no such session, expected Established")
        elif session.bgp_state != "Established":
            found.append(f"{name}: {_state(session)}, expected Established")
    for name in check.down:
        session = sessions.get(name)
        if session is not None and session.bgp_state == "Established":
            found.append(f"{name}: Established, expected it to be closed")
    if not found and check.prefix_drop_percent is not None and any(any(had.values()) for had in before.values()):
        found += _drops(before, count_prefixes(daemon, check.up), limit_percent=check.prefix_drop_percent)
    return tuple(found)


def _state(session: Session) -> str:
    """``Active, last error: Socket: Connection refused``: ``show protocols`` has the error behind the state."""
    state = session.bgp_state or session.state
    error = session.info[len(state) :].strip() if session.info.startswith(state) else ""
    return f"{state}, last error: {error}" if error else state


def _drops(before: Prefixes, after: Prefixes, *, limit_percent: float) -> List[str]:
    found = []
    for name, channels in before.items():
        for channel, had in channels.items():
            has = after.get(name, {}).get(channel, 0)
            if had and 100.0 * (had - has) / had > limit_percent:
                found.append(
                    f"{name}: accepts {has} {channel} prefixes, {had} before: more than {limit_percent:g} % fewer"
                )
    return found


def _blocks(daemon: Bird) -> Prefixes:
    """``show protocols all``, its ``Routes:`` lines only: a full parse takes longer than the whole rest of an apply."""
    counts: Prefixes = {}
    name = channel = ""
    for line in daemon.ask("show protocols all").lines:
        if line[:1] not in ("", " "):
            name = line.split(None, 1)[0]
        elif line.startswith("  Channel "):
            channel = line.split()[1]
        elif line.startswith("    Routes: "):
            counts.setdefault(name, {})[channel] = int(line.split()[1])
    return counts
