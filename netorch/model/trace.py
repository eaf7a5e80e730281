"""What a host is asked about the way of packets, and what it answers: its kernel's own decision, its daemon's routes, frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

from netorch.model.types import Family, IPAddress, IPNetwork, Mac


@dataclass(frozen=True)
class TraceQuery:
    """A packet to ``destination`` with ``mark`` (0: none). ``tables`` are the daemon's tables whose routes to it are wanted as
    well: BIRD's names of them; ``""`` is the only one that FRR has."""

    destination: IPAddress
    mark: int = 0
    tables: Tuple[str, ...] = ()


@dataclass(frozen=True)
class TraceRequest:
    """What becomes of each of ``queries``. ``send``: a packet of each is sent, from ``source_ipv4`` or ``source_ipv6`` (None: as
    the kernel chooses), and the frame that leaves is captured. ``wider``: where the daemon has one table, also the routes to
    all wider prefixes."""

    daemon: str
    queries: Tuple[TraceQuery, ...]
    send: bool = False
    wider: bool = False
    source_ipv4: Optional[IPAddress] = None
    source_ipv6: Optional[IPAddress] = None


@dataclass(frozen=True)
class KernelRule:
    """A policy rule of the kernel's: packets whose mark, under ``mask``, is ``mark`` look into ``table``. ``other`` names what
    else it asks of a packet, or what it does instead of looking into a table: netorch does not judge that."""

    family: Family
    priority: int
    table: int
    mark: int = 0
    mask: int = 0
    protocol: int = 0
    other: str = ""


@dataclass(frozen=True)
class KernelHop:
    """Where a route of the kernel's leads. ``gateway`` None: the destination itself is behind ``interface``."""

    gateway: Optional[IPAddress]
    interface: str


@dataclass(frozen=True)
class KernelRoute:
    """A route of the kernel's. ``type`` and ``protocol`` are its numbers of them (linux/rtnetlink.h)."""

    prefix: IPNetwork
    table: int
    type: int
    protocol: int
    hops: Tuple[KernelHop, ...] = ()


@dataclass(frozen=True)
class KernelAnswer:
    """What the kernel does with a packet: ``route`` is the entry that it takes, ``hop`` where this very packet goes, ``source``
    the address that it leaves with. ``error`` is the kernel's own where it takes none. ``shared``: only the next hops are to be
    relied on. In IPv6 the kernel caches what it found by the next hop object (FRR's way), and names any route that has the same.
    Source: Linux net/ipv6/route.c, rt6_get_pcpu_route(), inet6_rtm_getroute()."""

    error: str = ""
    route: Optional[KernelRoute] = None
    hop: Optional[KernelHop] = None
    source: Optional[IPAddress] = None
    shared: bool = False


@dataclass(frozen=True)
class DaemonAnswer:
    """What the daemon says of one table, in its own words; ``error``: why it says nothing."""

    table: str
    text: str = ""
    error: str = ""


@dataclass(frozen=True)
class SeenFrame:
    """The frame of a packet that was sent, as it left ``interface``. ``rtt_ms`` None: nothing came back within a second."""

    interface: str
    destination_mac: Mac
    source_mac: Mac
    source: IPAddress
    rtt_ms: Optional[float] = None


@dataclass(frozen=True)
class TraceFinding:
    """The answer to one query. ``frame`` None: none was seen, and ``unsent`` is the kernel's reason where it took no packet."""

    kernel: KernelAnswer
    daemon: Tuple[DaemonAnswer, ...] = ()
    wider: Tuple[str, ...] = ()
    frame: Optional[SeenFrame] = None
    unsent: str = ""


@dataclass(frozen=True)
class TraceAnswer:
    """``findings`` in the order of the queries. ``others`` are the main table's routes that no routing daemon brought."""

    rules: Tuple[KernelRule, ...] = ()
    others: Tuple[KernelRoute, ...] = ()
    findings: Tuple[TraceFinding, ...] = ()


@dataclass(frozen=True)
class ProviderView:
    """A provider as a host's daemon knows it: BIRD's ``table`` of it, FRR's next hops."""

    provider: str
    table: str
    next_hops: Tuple[IPAddress, ...] = ()


@dataclass(frozen=True)
class InsideRequest:
    """To how many prefixes inside ``prefix``, itself among them, the daemon has a route that can be used: any, and of each of
    ``views``."""

    daemon: str
    prefix: IPNetwork
    views: Tuple[ProviderView, ...]


@dataclass(frozen=True)
class InsideAnswer:
    """``all`` counts every provider's prefixes, each once; ``of_views`` those of the views in their order."""

    all: int
    of_views: Tuple[int, ...]


@dataclass(frozen=True)
class TrafficRequest:
    """How much leaves ``interfaces`` for ``prefix`` during ``window_s``, and of that to each group of next hops."""

    prefix: IPNetwork
    interfaces: Tuple[str, ...]
    window_s: float
    next_hops: Tuple[Tuple[IPAddress, ...], ...] = ()


@dataclass(frozen=True)
class TrafficAnswer:
    """``octets`` in ``packets`` during ``seconds``, Ethernet headers included; ``parts`` are the octets in frames to the MAC
    addresses of each group of next hops."""

    seconds: float
    packets: int
    octets: int
    parts: Tuple[int, ...] = ()
