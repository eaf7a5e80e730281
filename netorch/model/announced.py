"""What a device announces to neighbours, as its routing daemon says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

from netorch.model.types import IPNetwork

ANNOUNCED = "announced"
"""What asks devices for it, among the costly facts."""

Community = Tuple[int, int]
LargeCommunity = Tuple[int, int, int]


@dataclass(frozen=True)
class Announcement:
    """A prefix as the neighbour hears it: ``as_path`` begins with our own AS number; communities are in ascending order."""

    prefix: IPNetwork
    as_path: Tuple[int, ...]
    communities: Tuple[Community, ...] = ()
    large_communities: Tuple[LargeCommunity, ...] = ()


@dataclass(frozen=True)
class SessionAnnouncements:
    """What the neighbour of ``session`` hears of the prefixes that were asked for, in order; () also while the session is not
    Established. ``problem`` says why the daemon does not tell, "" where it does."""

    session: str
    announcements: Tuple[Announcement, ...] = ()
    problem: str = ""

    def of_prefix(self, prefix: IPNetwork) -> Optional[Announcement]:
        """The announcement of ``prefix``; None where it is not announced."""
        return next((found for found in self.announcements if found.prefix == prefix), None)


@dataclass(frozen=True)
class AnnouncedQuery:
    """What ``sessions`` (each with its family, ``ipv4``) announce of prefixes inside ``own``, our AS number being ``asn``."""

    asn: int
    own: Tuple[IPNetwork, ...]
    sessions: Tuple[Tuple[str, str], ...]


def own_path(asn: int, prepend: int) -> Tuple[int, ...]:
    """The path of a prefix that we originate, ``prepend`` times longer than it has to be."""
    return (asn,) * (prepend + 1)
