"""What a switch is asked about the routes that it refused, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

from netorch.model.bogons import AsnRange
from netorch.model.types import Family, IPAddress, IPNetwork


@dataclass(frozen=True)
class Rules:
    """The import policy of one session, as far as prefix, path and next hop decide. ``bogons`` and ``own`` hold for all that is
    inside, as ``excluded`` does, further networks that nobody may announce; only what is inside of ``universe`` is global, all
    where it is None; ``listed`` is all that may be announced, None for no such list. ``takes_default``: the default route is
    wanted. ``has_role``: leaks are told by OTC (RFC 9234)."""

    own_asn: int
    neighbor: IPAddress
    neighbor_asn: int
    own: Tuple[IPNetwork, ...]
    bogons: Tuple[IPNetwork, ...]
    universe: Optional[IPNetwork]
    shortest: int
    longest: int
    listed: Optional[Tuple[IPNetwork, ...]]
    takes_default: bool
    max_path_length: int
    bogon_asns: Tuple[AsnRange, ...]
    never_via: Tuple[int, ...]
    has_role: bool
    excluded: Tuple[IPNetwork, ...] = ()


@dataclass(frozen=True)
class Received:
    """A route as a neighbour sent it. ``path`` are its numbers, a set in braces as one of them: ``("64496", "{2,3}")``."""

    prefix: IPNetwork
    path: Tuple[str, ...]
    next_hop: Optional[IPAddress]


@dataclass(frozen=True)
class Evidence:
    """What only the daemon can tell: its route map ``route_map`` denies the routes that there is ``reason`` to refuse."""

    reason: int
    route_map: str


@dataclass(frozen=True)
class RejectedQuery:
    """One session whose refused routes are asked for. ``evidence`` is for daemons that keep no reasons, in order."""

    session: str
    family: Family
    neighbor: IPAddress
    rules: Rules
    evidence: Tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class RejectedRequest:
    """The refused routes of ``sessions``: how many for each reason, and ``limit`` of them at most, of one ``reason`` where it is
    given."""

    device: str
    daemon: str
    own_asn: int
    sessions: Tuple[RejectedQuery, ...]
    limit: int = 0
    reason: Optional[int] = None


@dataclass(frozen=True)
class RejectedRoute:
    """A route that was refused; ``as_path`` and ``next_hop`` are the daemon's words, "" where there are none."""

    prefix: str
    reason: int
    as_path: str = ""
    next_hop: str = ""


@dataclass(frozen=True)
class ReasonCount:
    """How many routes were refused for ``reason``."""

    reason: int
    routes: int


INVALID, WITHDRAWN = "invalid", "withdrawn"


@dataclass(frozen=True)
class Dropped:
    """What a daemon dropped by itself since the session came up, before any filter, and keeps nothing of but its count.

    ``kind`` is INVALID (a prefix that cannot be a route) or WITHDRAWN (taken as a withdrawal for its attributes, RFC 7606; a
    daemon may count with these what is withdrawn of the refused). ``announcements`` counts each, also the same route again.
    """

    kind: str
    announcements: int


@dataclass(frozen=True)
class RejectedSession:
    """What a session's neighbour sent and was refused. ``problem``: why it cannot be told, "" where it can. ``dropped`` is None
    where the daemon does not count."""

    session: str
    counts: Tuple[ReasonCount, ...] = ()
    routes: Tuple[RejectedRoute, ...] = ()
    problem: str = ""
    dropped: Optional[Tuple[Dropped, ...]] = None


@dataclass(frozen=True)
class RejectedAnswer:
    """One member for every session that was asked for, in their order."""

    sessions: Tuple[RejectedSession, ...]
