"""What others say about routes: validators of RPKI, registries of routes (IRR), PeeringDB; and their last good answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Optional, Tuple

from netorch.model.types import Family, IPAddress, IPNetwork

RTR_PORT = 323
"""RTR over plain TCP. Source: RFC 8210 section 12."""


@dataclass(frozen=True)
class Validator:
    """A validator that switches ask for the list of who may announce what (RFC 8210)."""

    name: str
    address: IPAddress
    port: int = RTR_PORT


@dataclass(frozen=True)
class Rpki:
    """The validators, the preferred one first. Seconds that are None are the validator's own to say.

    ``refresh_s``: how often it is asked; ``retry_s``: after how long again where it did not answer; ``expire_s``: how long its
    last answer is good. ``drop_percent``: a list that lost more than this is told of.
    """

    validators: Tuple[Validator, ...] = ()
    refresh_s: Optional[int] = None
    retry_s: Optional[int] = None
    expire_s: Optional[int] = None
    drop_percent: float = 20.0


@dataclass(frozen=True)
class Irr:
    """The whois server of an IRR that ``bgpq4`` asks; ``sources`` are the registries in its database, () for all."""

    server: str
    port: int = 43
    sources: Tuple[str, ...] = ()


@dataclass(frozen=True)
class PeeringDb:
    """PeeringDB's API: the address before ``/net``. So much is added to what a network says of itself."""

    url: str
    margin_percent: float = 20.0

    def limit(self, count: int) -> int:
        """So many prefixes are accepted of a network that says it has ``count``: ten more at least."""
        return max(math.ceil(count * (1 + self.margin_percent / 100)), count + 10)


@dataclass(frozen=True)
class Registries:
    """How registries are asked, and where their last good answers are kept (``folder``, an absolute path).

    A new answer in which more than ``max_change_percent`` of a list came or went, and more than ``free_changes`` entries, waits
    for a person. ``timeout_s`` bounds each question, ``parallel`` is how many providers are asked about at once.
    """

    folder: str
    irr: Optional[Irr] = None
    peeringdb: Optional[PeeringDb] = None
    max_age_days: float = 7.0
    max_change_percent: float = 30.0
    free_changes: int = 5
    timeout_s: float = 60.0
    parallel: int = 4


@dataclass(frozen=True)
class AsSet:
    """What a provider registers its routes under. ``longer_prefixes``: also what lies inside of a registered prefix."""

    name: str
    longer_prefixes: bool = False


@dataclass(frozen=True)
class IrrAnswer:
    """All that an AS-SET comes to, sorted: the numbers in it, and the prefixes that they register. ``fetched`` is seconds since
    the epoch."""

    as_set: str
    fetched: float
    asns: Tuple[int, ...] = ()
    ipv4: Tuple[IPNetwork, ...] = ()
    ipv6: Tuple[IPNetwork, ...] = ()

    def prefixes(self, family: Family) -> Tuple[IPNetwork, ...]:
        """The prefixes of ``family``."""
        return self.ipv4 if family is Family.IPV4 else self.ipv6


@dataclass(frozen=True)
class PeeringDbAnswer:
    """How many prefixes a network says that it announces; 0 where it says nothing."""

    asn: int
    fetched: float
    ipv4: int = 0
    ipv6: int = 0

    def prefixes(self, family: Family) -> int:
        """The count of ``family``."""
        return self.ipv4 if family is Family.IPV4 else self.ipv6


@dataclass(frozen=True)
class Registered:
    """The last good answers about one provider; None for one that there never was."""

    irr: Optional[IrrAnswer] = None
    peeringdb: Optional[PeeringDbAnswer] = None


@dataclass(frozen=True)
class IrrFilter:
    """What a session's routes are held against: the prefixes of one family, and the AS numbers that may originate them.
    ``missing`` says why there are none, "" where they are there."""

    as_set: str
    prefixes: Tuple[IPNetwork, ...] = ()
    asns: Tuple[int, ...] = ()
    longer_prefixes: bool = False
    missing: str = ""


UP, DOWN, EMPTY, STANDBY = "up", "down", "empty", "standby"


@dataclass(frozen=True)
class ValidatorFacts:
    """A validator as a switch sees it.

    ``state`` is UP, DOWN (its last answer is still good), EMPTY (there is none, or it expired) or STANDBY (not asked while one
    before it answers). ``error`` is what the daemon says of one that is not up. ``age_s`` is that of its last answer,
    ``expires_s`` how long that is good; None where the daemon does not tell. ``ipv4`` and ``ipv6`` count its entries,
    ``before`` is the most that both came to within a day.
    """

    address: IPAddress
    port: int
    state: str
    error: str = ""
    age_s: Optional[float] = None
    expires_s: Optional[float] = None
    ipv4: Optional[int] = None
    ipv6: Optional[int] = None
    before: Optional[int] = None

    @property
    def entries(self) -> Optional[int]:
        """Of both families together."""
        return None if self.ipv4 is None or self.ipv6 is None else self.ipv4 + self.ipv6


@dataclass(frozen=True)
class OriginFacts:
    """What a switch's validators say of a prefix with an origin: ``valid``, ``invalid`` or ``not-found``; ``unknown`` where none
    has answered."""

    prefix: IPNetwork
    asn: int
    state: str
