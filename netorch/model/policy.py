"""What is accepted of providers, and what a deploy may do to the network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, Tuple

from netorch.model.bogons import TRANSIT_FREE
from netorch.model.types import Family, IPNetwork

RELATIONS = ("transit", "peer", "customer", "ixp")


LIMIT_ACTIONS = ("disable", "restart")


@dataclass(frozen=True)
class Limits:
    """What is accepted of one family; prefix lengths are inclusive."""

    max_prefixes: int
    min_length: int
    max_length: int


@dataclass(frozen=True)
class OverLimit:
    """What becomes of a session with more prefixes than are accepted. ``action``: ``disable`` closes it until somebody opens
    it, ``restart`` tries again, after ``retry_minutes`` at the latest."""

    action: str = "disable"
    retry_minutes: int = 30


@dataclass(frozen=True)
class Guards:
    """What a change must not go beyond unless the operator says so; percentages are of one POP.

    ``removals_percent`` of its provider sessions, or of the own prefixes that it announces, may go at once;
    ``capacity_percent`` of its circuits' capacity must stay in service.
    """

    removals_percent: float = 50.0
    capacity_percent: float = 25.0


@dataclass(frozen=True)
class Tolerance:
    """What may be lost over a deploy before it counts as broken: of the prefixes that a session accepts, and of the routes
    in a host's main table."""

    prefix_drop_percent: float = 50.0
    fib_drop_percent: float = 50.0


@dataclass(frozen=True)
class Policy:
    """Import policy defaults of the network, what a deploy may do to it, and how many generations each device keeps.

    ``never_via`` are networks that cannot be behind a peer, a customer or an exchange. ``never_accept`` are prefixes that nobody
    may announce, with what is inside. ``keep_refused``: switches keep refused routes apart, so that they can be asked for the
    reasons.
    """

    ipv4: Limits = Limits(max_prefixes=1_500_000, min_length=8, max_length=24)
    ipv6: Limits = Limits(max_prefixes=400_000, min_length=16, max_length=48)
    max_path_length: int = 64
    local_preference: Mapping[str, int] = field(
        default_factory=lambda: {"customer": 300, "peer": 200, "ixp": 200, "transit": 100}
    )
    never_via: Tuple[int, ...] = tuple(TRANSIT_FREE)
    never_accept: Tuple[IPNetwork, ...] = ()
    over_limit: OverLimit = OverLimit()
    keep_refused: bool = True
    guards: Guards = Guards()
    tolerance: Tolerance = Tolerance()
    keep_generations: int = 10

    def limits(self, family: Family) -> Limits:
        """The limits of ``family``."""
        return self.ipv4 if family is Family.IPV4 else self.ipv6
