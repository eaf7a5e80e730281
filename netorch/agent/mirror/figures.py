"""What a host's agent tells Prometheus. Pure, but for the time."""

from __future__ import annotations

from netorch.agent.clock import now, uptime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, List

    from netorch.agent.mirror.entries import Entry
    from netorch.agent.mirror.follow import FeedLink
    from netorch.agent.mirror.service import Metric

_STATES = ("mirrored", "kept", "held_down", "refused", "unresolved")


def mirror_metrics(links: Iterable[FeedLink], entries: Iterable[Entry]) -> List[Metric]:
    """Its feeds, its next hops by state, and how old their MACs are."""
    feeds = sorted(links, key=lambda link: link.feed.switch)
    hops = list(entries)
    present, ticks = now(), uptime()
    states = [entry.describe(ticks)[0] for entry in hops]
    up = [({"switch": link.feed.switch}, float(link.is_up)) for link in feeds]
    ages = [
        (
            {"address": entry.hop.address, "interface": entry.feed.interface, "provider": entry.hop.provider},
            None if entry.since is None else present - entry.since,
        )
        for entry in hops
    ]
    counts = [({"state": state}, float(states.count(state))) for state in _STATES]
    return [
        ("netorch_mirror_feed_up", "gauge", "Whether the switch's feed is followed.", [*up]),
        ("netorch_mirror_entries", "gauge", "Next hops by state.", [*counts]),
        ("netorch_mirror_entry_age_seconds", "gauge", "How long the MAC has been what it is.", [*ages]),
    ]
