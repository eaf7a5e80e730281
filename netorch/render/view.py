"""What templates see: every decision is made here, so that they only print."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from ipaddress import ip_network
from typing import Any, Optional

from netorch.model.bogons import BOGON_PREFIXES, GLOBAL_UNICAST, Bogon
from netorch.model.capabilities import Capabilities
from netorch.model.conventions import KERNEL_PROTOCOL
from netorch.model.intent import (
    PROVIDER_COMMUNITY,
    STEERED_PREFERENCE,
    DeviceIntent,
    NextHop,
    PrefixExport,
    ProviderTable,
    Session,
    StaticRoute,
    Steer,
    UnderlayInterface,
)
from netorch.model.sessions import BfdTimers
from netorch.model.types import Family, IPAddress, IPNetwork, family_of
from netorch.render.plain import Bounds
from netorch.render.policy_view import (
    CustomerView,
    NeverVia,
    accepted_of,
    listed_of,
    never_via_of,
    policy_view,
    receive_limit_of,
    retry_s_of,
    role_of,
)
from netorch.render.sources_view import RegisteredView, registered_of, sources_view


@dataclass(frozen=True)
class SteerView:
    """Routes to ``prefix``, or to what is inside it, that carry ``community`` are the first choice."""

    prefix: IPNetwork
    provider: str
    community: tuple[int, int, int]


@dataclass(frozen=True)
class FamilyView:
    """One family of a device. ``name`` (``ipv4``) and ``number`` (4) are for the daemon's words, ``upper`` (``IPV4``) for
    symbols.

    ``own`` are the network's prefixes, ``excluded`` further ones that nobody may announce to it, ``announced`` those that may
    leave (a switch) or are originated (a host), ``service`` single addresses as prefixes, ``source`` the address that routes of
    providers prefer, ``next_hops`` the providers' addresses as prefixes, ``routes`` the static ones, ``routes_announced`` what of
    them switches are told of.

    ``customers`` are a switch's sessions with customers. ``steers`` are a host's, the narrowest first: the first one that a
    prefix lies in decides.

    ``underlay`` is what routers may tell each other of, ``underlay_here`` what of it this one is the origin of, ``interfaces``
    those of the underlay.
    """

    name: str
    upper: str
    number: int
    host_length: int
    own: tuple[IPNetwork, ...]
    announced: tuple[IPNetwork, ...]
    service: tuple[IPNetwork, ...]
    source: Optional[IPAddress]
    next_hops: tuple[IPNetwork, ...]
    routes: tuple[StaticRoute, ...]
    routes_announced: tuple[IPNetwork, ...]
    bogons: tuple[Bogon, ...]
    universe: Optional[IPNetwork]
    default: IPNetwork
    underlay: tuple[IPNetwork, ...] = ()
    underlay_here: tuple[IPNetwork, ...] = ()
    interfaces: tuple[UnderlayInterface, ...] = ()
    steers: tuple[SteerView, ...] = ()
    customers: tuple[CustomerView, ...] = ()
    excluded: tuple[IPNetwork, ...] = ()


@dataclass(frozen=True)
class SessionView:
    """A session with what its policy comes to. ``takes_default`` is true where the switch may install the default route,
    ``sends_default`` where it tells a customer of it; ``leaves_first_as``: the daemon is to leave the first AS of paths to the
    filter, which tells the reason; ``families`` are all that it carries, ``family`` the first where it is
    unnumbered, and the only one elsewhere."""

    session: Session
    family: FamilyView
    families: tuple[FamilyView, ...]
    takes_default: bool
    sends_default: bool
    leaves_first_as: bool = False

    @property
    def role(self) -> str:
        """What we are to the provider, "" where it is not told."""
        return role_of(self.session)

    @property
    def listed(self) -> Optional[tuple[IPNetwork, ...]]:
        """All that the provider may announce of the family, None for no such list."""
        return listed_of(self.session)

    @property
    def accepted(self) -> tuple[Bounds, ...]:
        """The prefixes that the provider may announce."""
        family = self.family
        default = family.default if self.takes_default else None
        return accepted_of(self.session, universe=family.universe or family.default, default=default)

    @property
    def droppable(self) -> tuple[Bounds, ...]:
        """Single addresses of what is listed: those that a customer may have dropped; none where it has no right to that."""
        policy = self.session.import_policy
        return self._single_of(self.listed or () if policy is not None and policy.blackhole else ())

    @property
    def registered_droppable(self) -> tuple[Bounds, ...]:
        """Single addresses of what its provider registered."""
        return self._single_of(entry.prefix for entry in self.registered.entries) if self.registered else ()

    def _single_of(self, prefixes: Iterable[IPNetwork]) -> tuple[Bounds, ...]:
        length = self.family.host_length
        return tuple(Bounds(prefix, length, length) for prefix in prefixes)

    @property
    def never_via(self) -> NeverVia:
        """The numbers that cannot be behind the provider."""
        return never_via_of(self.session)

    @property
    def receive_limit(self) -> int:
        """How many routes it may send, refused ones included."""
        return receive_limit_of(self.session)

    @property
    def retry_s(self) -> int:
        """The longest time until a session that was closed over its limit is tried again."""
        return retry_s_of(self.session)

    @property
    def forget_s(self) -> int:
        """For how long failures are remembered, so that each is waited for twice as long as the one before."""
        return 2 * self.retry_s

    @property
    def registered(self) -> Optional[RegisteredView]:
        """What its provider registered; None for a session that is held against no list."""
        return registered_of(self.session)

    @property
    def prepends(self) -> range:
        """One member for every time that the own ASN is prepended."""
        policy = self.session.export_policy
        return range(policy.prepend if policy else 0)

    @property
    def withheld(self) -> tuple[IPNetwork, ...]:
        """What may be announced, and is not to this neighbour."""
        return tuple(own.prefix for own in self._exports if own.withheld)

    @property
    def exports(self) -> tuple[PrefixExport, ...]:
        """What is added to single prefixes, beside what is added to all."""
        return tuple(own for own in self._exports if not own.withheld and own != PrefixExport(own.prefix))

    @property
    def _exports(self) -> list[PrefixExport]:
        policy = self.session.export_policy
        here = [own for own in policy.prefixes if own.prefix in self.family.announced] if policy else []
        return sorted(here, key=lambda own: _by_prefix(own.prefix))

    @property
    def bfd_profile(self) -> str:
        """The name of its timers, for daemons that give them names."""
        return _profile_name(self.session.bfd_timers)


@dataclass(frozen=True)
class TableView:
    """A provider's table of one family; routes that carry ``community`` belong into it. ``is_single`` where no prefix can
    have more than one route, since the provider has one circuit. ``next_hops`` are the provider's of that family."""

    table: ProviderTable
    family: FamilyView
    community: tuple[int, int, int]
    is_single: bool
    next_hops: tuple[NextHop, ...]

    @cached_property
    def symbol(self) -> str:
        """``1001_ipv4``; the end of the names of table, pipe and kernel protocol."""
        return f"{self.table.number}_{self.family.name}"


@dataclass(frozen=True)
class BfdInterface:
    """An interface that BFD runs on, and the timers of its sessions that do not say otherwise."""

    name: str
    timers: BfdTimers


@dataclass(frozen=True)
class BfdProfile:
    """Timers of BFD sessions, with a name."""

    name: str
    timers: BfdTimers


_DEFAULT_ROUTE = {Family.IPV4: ip_network("0.0.0.0/0"), Family.IPV6: ip_network("::/0")}


def device_view(device: DeviceIntent, can: Capabilities) -> dict[str, Any]:
    """The names that a template may use; ``can`` is what the device's daemon is capable of."""
    families = {family: _family_view(device, family) for family in device.families()}
    sessions = [
        SessionView(
            s,
            families[s.carried[0]],
            tuple(families[family] for family in s.carried),
            s.kind == "provider" and s.peer == device.default_route_via,
            s.export_policy is not None and s.export_policy.default_route and device.default_route_via is not None,
            can.enforces_first_as and s.import_policy is not None and s.import_policy.keep_refused,
        )
        for s in device.sessions
    ]
    hops: defaultdict[tuple[str, Family], list[NextHop]] = defaultdict(list)
    for hop in device.next_hops:
        hops[hop.provider, hop.family].append(hop)
    return {
        "device": device,
        "can": can,
        "families": tuple(families.values()),
        "sessions": tuple(sorted(sessions, key=_by_address)),
        "provider_sessions": tuple(view for view in sessions if view.session.kind == "provider"),
        "host_sessions": tuple(view for view in sessions if view.session.kind == "host"),
        "switch_sessions": tuple(view for view in sessions if view.session.kind == "switch"),
        "underlay": device.underlay,
        "bfd_interfaces": _bfd_interfaces(device),
        "bfd_profiles": _bfd_profiles(device),
        "uplinks": tuple(interface.name for interface in device.interfaces if interface.role == "uplink"),
        "tables": tuple(
            TableView(
                table,
                view,
                (device.asn, PROVIDER_COMMUNITY, table.provider_id),
                is_single=len(hops[table.provider, family]) <= 1,
                next_hops=tuple(hops[table.provider, family]),
            )
            for table in device.tables
            for family, view in families.items()
        ),
        "takes_default": any(view.takes_default for view in sessions),
        **policy_view(device),
        "kernel_protocol": KERNEL_PROTOCOL,
        **sources_view(device, can),
        "steered_preference": STEERED_PREFERENCE,
    }


def _by_address(view: SessionView) -> tuple[int, int, str]:
    """As FRR sorts them: those without addresses first."""
    neighbor = view.session.neighbor
    if neighbor.is_unspecified:
        return 0, 0, view.session.interface
    return neighbor.version, int(neighbor), ""


def _bfd_interfaces(device: DeviceIntent) -> tuple[BfdInterface, ...]:
    # Providers share a switch's fabric interface with the hosts: their sessions name their timers themselves.
    sessions = sorted((s for s in device.sessions if s.bfd), key=lambda session: session.kind != "provider")
    timers = {session.interface: session.bfd_timers for session in sessions}
    return tuple(BfdInterface(name, timers[name]) for name in sorted(timers))


def _bfd_profiles(device: DeviceIntent) -> tuple[BfdProfile, ...]:
    timers = {_profile_name(session.bfd_timers): session.bfd_timers for session in device.sessions if session.bfd}
    return tuple(BfdProfile(name, timers[name]) for name in sorted(timers))


def _profile_name(timers: BfdTimers) -> str:
    return f"timers_{timers.interval_ms}_{timers.multiplier}"


def _family_view(device: DeviceIntent, family: Family) -> FamilyView:
    service = tuple(address for address in device.service if family_of(address) is family)
    routes = [route for route in device.routes if family_of(route.prefix) is family]
    return FamilyView(
        name=family.value,
        upper=family.name,
        number=family.number,
        host_length=family.host_length,
        own=_of(device.own_prefixes, family),
        announced=_of(device.originated, family),
        service=_of(map(_single, service), family),
        source=service[0] if service and device.role == "host" else None,
        next_hops=_of((_single(hop.address) for hop in device.next_hops), family),
        routes=tuple(sorted(routes, key=lambda route: _by_prefix(route.prefix))),
        routes_announced=_of((route.prefix for route in routes if route.announced), family),
        bogons=BOGON_PREFIXES[family],
        universe=GLOBAL_UNICAST[family],
        default=_DEFAULT_ROUTE[family],
        underlay=_of(device.underlay.networks if device.underlay else (), family),
        underlay_here=_of(device.underlay.announced if device.underlay else (), family),
        interfaces=tuple(i for i in device.underlay.interfaces if family in i.families) if device.underlay else (),
        steers=_steers(device, family),
        customers=tuple(
            CustomerView(s.neighbor, s.peer_asn)
            for s in device.sessions
            if s.family is family and s.import_policy is not None and s.import_policy.relation == "customer"
        ),
        excluded=_of(device.excluded, family),
    )


def _steers(device: DeviceIntent, family: Family) -> tuple[SteerView, ...]:
    mine = [steer for steer in device.steers if family_of(steer.prefix) is family]
    return tuple(
        SteerView(steer.prefix, steer.provider, (device.asn, PROVIDER_COMMUNITY, steer.provider_id))
        for steer in sorted(mine, key=_narrowest_first)
    )


def _narrowest_first(steer: Steer) -> tuple[int, int]:
    return -steer.prefix.prefixlen, int(steer.prefix.network_address)


@lru_cache(maxsize=4096)
def _single(address: IPAddress) -> IPNetwork:
    """The network of one address; making one costs more than printing it."""
    return ip_network(address)


def _of(networks: Iterable[IPNetwork], family: Family) -> tuple[IPNetwork, ...]:
    """Those of ``family``, each once, in order."""
    chosen = {network for network in networks if family_of(network) is family}
    return tuple(sorted(chosen, key=_by_prefix))


def _by_prefix(network: IPNetwork) -> tuple[int, int]:
    return int(network.network_address), network.prefixlen
