"""What a routing daemon reports about itself, whichever daemon it is; filled by ``netorch.parse``.

A value that the daemon did not print is None, never an empty string. Times are the router's local time as printed, without
a zone (BIRD), or UTC with its offset (FRR, which tells seconds since the epoch). Collections are tuples in the daemon's order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Optional, Tuple

from netorch.model.types import IPAddress, IPInterface, IPNetwork


@dataclass(frozen=True)
class UpdateCounts:
    """One row of a channel's counters since the session came up; None where the daemon does not count."""

    received: Optional[int] = None
    rejected: Optional[int] = None
    filtered: Optional[int] = None
    ignored: Optional[int] = None
    accepted: Optional[int] = None


@dataclass(frozen=True)
class Updates:
    """The four rows of a channel's counters."""

    import_updates: UpdateCounts
    import_withdraws: UpdateCounts
    export_updates: UpdateCounts
    export_withdraws: UpdateCounts


@dataclass(frozen=True)
class Channel:
    """One address family of a protocol.

    ``family`` is the daemon's name of it (``ipv4``, ``ipv6``, ``ipv4-mpls``, ``roa4``, ...; ``main`` for a pipe). The
    ``*_limit_hit`` values are None where there is no such limit. A pipe has ``peer_table`` and the states of both feeds
    instead of ``state``, and no ``routes_preferred``; BIRD 3 has the feeds of other channels, too. ``next_hops`` are those
    written into announcements.
    """

    family: str
    state: Optional[str] = None
    table: Optional[str] = None
    preference: Optional[int] = None
    input_filter: Optional[str] = None
    output_filter: Optional[str] = None
    receive_limit: Optional[int] = None
    receive_limit_hit: Optional[bool] = None
    receive_limit_action: Optional[str] = None
    import_limit: Optional[int] = None
    import_limit_hit: Optional[bool] = None
    import_limit_action: Optional[str] = None
    export_limit: Optional[int] = None
    export_limit_hit: Optional[bool] = None
    export_limit_action: Optional[str] = None
    routes_imported: Optional[int] = None
    routes_filtered: Optional[int] = None
    routes_exported: Optional[int] = None
    routes_preferred: Optional[int] = None
    updates: Optional[Updates] = None
    next_hops: Tuple[IPAddress, ...] = ()
    igp_table_ipv4: Optional[str] = None
    igp_table_ipv6: Optional[str] = None
    base_table: Optional[str] = None
    graceful_restart_recovery: Optional[str] = None
    neighbor_graceful_restart: Optional[str] = None
    peer_table: Optional[str] = None
    import_state: Optional[str] = None
    export_state: Optional[str] = None


@dataclass(frozen=True)
class Protocol:
    """One protocol instance: a BGP session, a static or kernel protocol, a pipe, ...

    ``state`` is the instance's (``up``, ``start``, ``down``, ...), ``bgp_state`` the session's (``Established``, ...).
    ``message`` is the text given when it was disabled, or received with the neighbour's shutdown. ``last_error`` keeps its
    source (``Received: Administrative shutdown``). ``hold_timer_s`` and ``keepalive_timer_s`` are the negotiated values,
    ``*_remaining_s`` what is left of them. ``neighbor_range`` is set instead of ``neighbor_address`` on a session that
    accepts a whole prefix. ``session`` lists the session's properties (``internal``, ``multihop``, ``AS4``, ...).
    """

    name: str
    protocol: str
    table: Optional[str] = None
    state: Optional[str] = None
    since: Optional[str] = None
    info: Optional[str] = None
    description: Optional[str] = None
    message: Optional[str] = None
    router_id: Optional[str] = None
    vrf: Optional[str] = None
    bgp_state: Optional[str] = None
    neighbor_address: Optional[IPAddress] = None
    neighbor_range: Optional[IPNetwork] = None
    neighbor_port: Optional[int] = None
    neighbor_asn: Optional[int] = None
    local_asn: Optional[int] = None
    neighbor_id: Optional[str] = None
    neighbor_graceful_restart: Optional[bool] = None
    session: Tuple[str, ...] = ()
    source_address: Optional[IPAddress] = None
    last_error: Optional[str] = None
    hold_timer_s: Optional[int] = None
    hold_timer_remaining_s: Optional[float] = None
    keepalive_timer_s: Optional[int] = None
    keepalive_timer_remaining_s: Optional[float] = None
    channels: Tuple[Channel, ...] = ()

    def channel(self, family: str) -> Optional[Channel]:
        """The channel of ``family``, None where the protocol has none."""
        return next((channel for channel in self.channels if channel.family == family), None)


@dataclass(frozen=True)
class DaemonStatus:
    """The daemon as a whole. ``state`` is ``up``, ``reconfiguring`` or ``shutting down``.

    ``graceful_restart_channels`` counts the channels still waited for after a restart, None outside of a recovery.
    """

    version: str
    state: str
    router_id: Optional[str] = None
    hostname: Optional[str] = None
    current_time: Optional[str] = None
    last_reboot: Optional[str] = None
    last_reconfiguration: Optional[str] = None
    graceful_restart_channels: Optional[int] = None
    graceful_restart_wait_s: Optional[int] = None
    graceful_restart_remaining_s: Optional[float] = None


@dataclass(frozen=True)
class MemoryUse:
    """One row of the daemon's memory report. The daemon rounds, so bytes are exact below 10,000 only."""

    name: str
    effective_bytes: int
    overhead_bytes: Optional[int] = None


@dataclass(frozen=True)
class InterfaceAddress:
    """An address of an interface. ``rank`` is ``Preferred`` or ``Secondary``; ``opposite`` the far end of a link."""

    address: IPInterface
    scope: Optional[str] = None
    rank: Optional[str] = None
    opposite: Optional[IPAddress] = None


@dataclass(frozen=True)
class InterfaceState:
    """A network interface as the daemon sees it.

    ``link_type`` is ``MultiAccess`` or ``PtP``; ``master`` a name, or ``#INDEX`` where the daemon knows no name.
    """

    name: str
    up: bool
    index: int
    link_type: str
    admin_up: bool
    link_up: bool
    mtu: int
    master: Optional[str] = None
    broadcast: bool = False
    multicast: bool = False
    loopback: bool = False
    ignored: bool = False
    addresses: Tuple[InterfaceAddress, ...] = ()


@dataclass(frozen=True)
class InterfaceSummary:
    """An interface and its preferred address of either family."""

    name: str
    up: bool
    ipv4_address: Optional[IPInterface] = None
    ipv6_address: Optional[IPInterface] = None


@dataclass(frozen=True)
class BfdSession:
    """A BFD session. ``interval_s`` is 0 before the first packet; ``timeout_s`` is the detection time."""

    address: IPAddress
    state: str
    since: Optional[str]
    interval_s: float
    timeout_s: float
    protocol: Optional[str] = None
    interface: Optional[str] = None


@dataclass(frozen=True)
class RouteNextHop:
    """Where packets go. Without ``address`` the destination is on the interface itself; ``weight`` counts among several."""

    interface: str
    address: Optional[IPAddress] = None
    weight: Optional[int] = None
    onlink: bool = False
    mpls_labels: Tuple[int, ...] = ()


@dataclass(frozen=True)
class BgpAttributes:
    """Path attributes. ``as_path`` keeps sets in braces as one element; communities are text as the daemon writes them.

    ``other`` holds what has no field here, by the daemon's name.
    """

    origin: Optional[str] = None
    as_path: Tuple[str, ...] = ()
    next_hops: Tuple[IPAddress, ...] = ()
    med: Optional[int] = None
    local_preference: Optional[int] = None
    originator_id: Optional[str] = None
    cluster_list: Tuple[str, ...] = ()
    communities: Tuple[str, ...] = ()
    extended_communities: Tuple[str, ...] = ()
    large_communities: Tuple[str, ...] = ()
    other: Optional[Mapping[str, str]] = None


@dataclass(frozen=True)
class Route:
    """One path to one prefix. Paths of a prefix follow each other, the best first.

    ``prefix`` is text, since tables also hold ROA, VPN and flow entries. ``destination`` is ``unicast``, ``blackhole``,
    ``unreachable``, ``prohibited``, ...; None for entries that lead nowhere, such as ROAs. ``sync_error`` means that the
    kernel refused the route. ``learned_from`` is the router that announced it where it is not the next hop. ``metric`` is
    the IGP metric; None also where the next hop does not resolve (``resolvable`` is False then). Only the long form fills
    ``source`` (``BGP``, ``static``, ...), ``scope``, ``bgp`` and ``attributes``, which has those of other protocols by the
    daemon's names (``OSPF.metric1``). RFC 7911 path ids are not printed by BIRD 2.
    """

    prefix: str
    destination: Optional[str]
    protocol: str
    since: Optional[str]
    table: Optional[str] = None
    best: bool = False
    sync_error: bool = False
    learned_from: Optional[IPAddress] = None
    preference: Optional[int] = None
    metric: Optional[int] = None
    resolvable: Optional[bool] = None
    stale: bool = False
    suppressed: bool = False
    origin_asn: Optional[int] = None
    next_hops: Tuple[RouteNextHop, ...] = ()
    source: Optional[str] = None
    scope: Optional[str] = None
    bgp: Optional[BgpAttributes] = None
    attributes: Optional[Mapping[str, str]] = None


@dataclass(frozen=True)
class TableCount:
    """How many routes of a table were selected (``shown``), out of how many, for how many networks."""

    table: str
    shown: int
    routes: int
    networks: int
