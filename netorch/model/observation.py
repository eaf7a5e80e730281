"""What a rehearsal sees of a POP's twin at one moment, and what it concludes from two of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, Tuple

from netorch.model.types import Family, IPNetwork

SessionEnd = Tuple[str, str]
"""One end of a BGP session: the device or provider, and the session's name in its daemon."""


@dataclass(frozen=True)
class SessionState:
    """One end of a session. ``since`` is when its daemon last saw it change, or how often it has, in that daemon's words."""

    up: bool
    since: str


@dataclass(frozen=True)
class Heard:
    """One prefix as a provider hears it from us on one circuit. ``communities`` holds plain and large ones, as text."""

    provider: str
    circuit: int
    prefix: IPNetwork
    as_path: Tuple[str, ...] = ()
    communities: Tuple[str, ...] = ()


@dataclass(frozen=True)
class HostTable:
    """A host's main table in one family: the providers that each prefix is sent to, sorted."""

    host: str
    family: Family
    providers: Mapping[IPNetwork, Tuple[str, ...]]


@dataclass(frozen=True)
class Observation:
    """The twin at one moment. ``inbound`` is the Internet's way to each prefix of ours: the provider, and the AS path."""

    sessions: Mapping[SessionEnd, SessionState]
    heard: Tuple[Heard, ...] = ()
    tables: Tuple[HostTable, ...] = ()
    inbound: Mapping[IPNetwork, Tuple[str, Tuple[str, ...]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Probe:
    """Packets that were sent all the while. ``via`` is the provider that announces the destination, "" for packets from the
    Internet. A probe that was not ``answered`` before the change tells nothing about it.
    """

    node: str
    destination: str
    via: str
    sent: int
    lost: int
    longest_gap_ms: float
    answered: bool = True


@dataclass(frozen=True)
class WatchedSession:
    """A session as people speak of it, with its ends; the first is ours."""

    label: str
    ends: Tuple[SessionEnd, ...]


@dataclass(frozen=True)
class Finding:
    """One thing that the change does. ``guard`` names what refuses it, "" for what is worth knowing only."""

    kind: str
    subject: str
    message: str
    guard: str = ""
    examples: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Moved:
    """Routes of one host in one family: how many prefixes each provider (or set of them) carries, before and after."""

    host: str
    family: Family
    before: Mapping[str, int]
    after: Mapping[str, int]
    moved: int
    gained: int
    lost: int
    examples: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Trial:
    """How the change itself went in the twin. ``failures`` are devices with what became of them, in words; ``foreseen`` the
    plan's own words for sessions that it would start, close or restart, ``refusals`` what the guards of a deploy refuse.
    """

    foreseen: Mapping[SessionEnd, str] = field(default_factory=dict)
    failures: Tuple[Tuple[str, str], ...] = ()
    refusals: Tuple[Finding, ...] = ()
