"""A POP as it is drawn: who is there, how it is, and what goes between. Everything in words and figures, nothing in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

UP, PARTLY, DOWN, DRAINED, UNKNOWN = "up", "partly up", "down", "drained", "unknown"
"""Of sessions, circuits and providers: all that are meant to be are Established, some, none; none is meant to carry traffic;
nobody can tell."""

STATES = (UP, PARTLY, DOWN, DRAINED, UNKNOWN)


@dataclass(frozen=True)
class Flow:
    """What goes over a circuit, or all circuits to a provider, in bit/s: ``in`` from the provider, ``out`` to it. None: not
    known. Shares are of the capacity, in percent."""

    in_bps: Optional[float] = None
    out_bps: Optional[float] = None
    in_share_percent: Optional[float] = None
    out_share_percent: Optional[float] = None
    capacity_bps: Optional[float] = None


@dataclass(frozen=True)
class CircuitLine:
    """A circuit from its provider to a switch; ``families`` are its sessions as (``v4``, state). ``note`` says why it is not up,
    ``problem`` why there are no figures."""

    name: str
    switch: str
    state: str
    families: Tuple[Tuple[str, str], ...]
    flow: Flow
    note: str = ""
    problem: str = ""


@dataclass(frozen=True)
class ProviderBox:
    """A provider and its circuits in this POP."""

    name: str
    asn: int
    relation: str
    state: str
    flow: Flow
    circuits: Tuple[CircuitLine, ...]


@dataclass(frozen=True)
class DeviceBox:
    """A device. ``state`` is a word or a few (``in sync``, ``unreachable``), ``is_well`` whether they are good ones; ``sessions``
    are (as they are meant to be, all)."""

    name: str
    state: str
    is_well: bool
    daemon: str
    is_drained: bool = False
    sessions: Optional[Tuple[int, int]] = None


@dataclass(frozen=True)
class HostBox(DeviceBox):
    """A host. ``links`` are its sessions with each switch, as (switch, state); ``mirror`` counts next hops as (good, all);
    ``stale`` says in words which are not good: there packets may leave with a wrong MAC, or not at all."""

    links: Tuple[Tuple[str, str], ...] = ()
    mirror: Optional[Tuple[int, int]] = None
    stale: Tuple[str, ...] = ()


@dataclass(frozen=True)
class RouterLink:
    """Two routers that speak with each other, or try to; ``words`` says which protocol."""

    first: str
    second: str
    state: str
    words: str = ""


@dataclass(frozen=True)
class PopPicture:
    """Names of devices are without the POP's. ``in_force`` are drains and whatever else differs from the inventory, ``troubles``
    what is wrong, in words. ``interval_s`` is over how long traffic was measured, None where none was."""

    name: str
    description: str
    moment: str
    interval_s: Optional[float]
    providers: Tuple[ProviderBox, ...]
    switches: Tuple[DeviceBox, ...]
    hosts: Tuple[HostBox, ...]
    routers: Tuple[DeviceBox, ...] = ()
    links: Tuple[RouterLink, ...] = ()
    in_force: Tuple[str, ...] = ()
    troubles: Tuple[str, ...] = ()
