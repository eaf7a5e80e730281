"""The network resolved per device, daemon-neutral: what each device is meant to be, before it is written in a daemon's
language.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from netorch.model.bogons import BOGON_ASNS, AsnRange
from netorch.model.inventory import Circuit, Provider
from netorch.model.policy import Limits, OverLimit
from netorch.model.sessions import AoKey, BfdTimers, SecretRef
from netorch.model.sources import IrrFilter, Rpki, Validator
from netorch.model.types import Family, IPAddress, IPInterface, IPNetwork, Mac

PROVIDER_TABLE_BASE = 1000
"""mark = table = 1000 + provider id, both families: applications rely on it."""

PROVIDER_COMMUNITY = 1
"""Large community OWN:1:PROVIDER-ID on every route that a provider sent."""

CIRCUIT_COMMUNITY = 2
"""Large community OWN:2:CIRCUIT-ID on every route that arrived on a circuit."""

USUAL, LAST, NOTHING = "usual", "last", "nothing"
"""What a device tells over the fabric: all there is; the same as the last choice, with local preference 0; nothing."""

RELATION_COMMUNITY = 3
"""Large community OWN:3:RELATION on every route of a switch: who it is from decides to whom it may be announced."""

ORIGIN_OWN = 1
"""OWN:3:1: from a host of ours."""

ORIGIN_RELATIONS = {"customer": 2, "peer": 3, "ixp": 4, "transit": 5}
"""OWN:3:RELATION of a provider's routes, by its relation."""


@dataclass(frozen=True)
class ImportPolicy:
    """What is accepted from a provider, and what it becomes. Bogons and own prefixes are always refused.

    ``bogon_asns`` are numbers that no path may hold, in order; ``never_via`` those that it may not hold behind this neighbour;
    ``prefixes`` all that it may announce of the session's family, and what is inside, None for no such list and () for nothing of
    that family. ``blackhole``: single addresses inside of
    ``prefixes`` may be announced to be dropped. ``keep_refused``: refused routes are kept apart, with their reasons. ``irr``:
    what is registered for it, and nothing else, is accepted. ``rpki``: origins are held against the device's validators.
    """

    limits: Limits
    max_path_length: int
    local_preference: int
    large_communities: Tuple[Tuple[int, int, int], ...]
    relation: str = "transit"
    bogon_asns: Tuple[AsnRange, ...] = BOGON_ASNS
    never_via: Tuple[int, ...] = ()
    prefixes: Optional[Tuple[IPNetwork, ...]] = None
    over_limit: OverLimit = field(default_factory=OverLimit)
    blackhole: bool = False
    keep_refused: bool = True
    role: bool = True
    irr: Optional[IrrFilter] = None
    rpki: bool = False


@dataclass(frozen=True)
class PrefixExport:
    """What is otherwise for one prefix that may be announced, and for nothing inside it. A ``withheld`` one is not announced;
    the rest is added beside what the policy adds to every prefix."""

    prefix: IPNetwork
    withheld: bool = False
    prepend: int = 0
    communities: Tuple[Tuple[int, int], ...] = ()
    large_communities: Tuple[Tuple[int, int, int], ...] = ()

    def with_added(self, other: PrefixExport) -> PrefixExport:
        """Both at once, for ``self.prefix``: withheld by one is withheld, prepends add up, each community is there once."""
        return PrefixExport(
            self.prefix,
            self.withheld or other.withheld,
            self.prepend + other.prepend,
            tuple(dict.fromkeys((*self.communities, *other.communities))),
            tuple(dict.fromkeys((*self.large_communities, *other.large_communities))),
        )


@dataclass(frozen=True)
class ExportPolicy:
    """What is added to own prefixes when they are announced to a provider; ``prefixes`` is what is otherwise for some of
    them, each once. Customers' prefixes go to everybody; ``default_route`` to a customer that wants it."""

    communities: Tuple[Tuple[int, int], ...] = ()
    large_communities: Tuple[Tuple[int, int, int], ...] = ()
    prepend: int = 0
    prefixes: Tuple[PrefixExport, ...] = ()
    default_route: bool = False

    def of_prefix(self, prefix: IPNetwork) -> PrefixExport:
        """All that becomes of ``prefix``: what every prefix gets, and what is its own."""
        every = PrefixExport(prefix, False, self.prepend, self.communities, self.large_communities)
        return next((every.with_added(own) for own in self.prefixes if own.prefix == prefix), every)

    def with_prefix(self, added: PrefixExport) -> ExportPolicy:
        """A copy in which ``added`` holds too, beside what others ask for the same prefix."""
        former = next((own for own in self.prefixes if own.prefix == added.prefix), PrefixExport(added.prefix))
        others = tuple(own for own in self.prefixes if own.prefix != added.prefix)
        return replace(self, prefixes=(*others, former.with_added(added)))


@dataclass(frozen=True)
class Session:
    """One session with a neighbour, seen from the device that holds it: BGP's of one family, or what RIP and OSPF have of it.

    ``name`` is the daemon's symbol, unique on the device; with RIP and OSPF it is made of instance and interface,
    ``ospf_v4:eth0``, since these know no sessions. ``kind`` says who is at the other end: ``provider`` (eBGP, on
    switches), ``host`` (iBGP to a route-reflector client, on switches), ``switch`` (iBGP to the reflector, on hosts) or
    ``router`` (of the underlay). ``peer`` is that provider's or device's name, ``peer_asn`` 0 outside of BGP. Only provider
    sessions have policies and a circuit. A session that is not ``enabled`` is closed with ``shutdown_message`` (RFC 9003).
    An unnumbered one runs between link-local addresses: ``local`` and ``neighbor`` are ``::``, and it carries the families
    ``also`` as well (RFC 8950). ``bfd_first``: the neighbour waits for BFD, which this end begins only if it is told to.
    """

    name: str
    kind: str
    peer: str
    family: Family
    peer_asn: int
    local: IPAddress
    neighbor: IPAddress
    interface: str
    description: str = ""
    password: Optional[SecretRef] = None
    bfd: bool = False
    circuit: Optional[int] = None
    import_policy: Optional[ImportPolicy] = None
    export_policy: Optional[ExportPolicy] = None
    enabled: bool = True
    shutdown_message: str = ""
    bfd_timers: BfdTimers = field(default_factory=BfdTimers)
    protocol: str = "bgp"
    also: Tuple[Family, ...] = ()
    bfd_first: bool = False
    gtsm: bool = False
    keys: Tuple[AoKey, ...] = ()

    @property
    def carried(self) -> Tuple[Family, ...]:
        """The families whose routes it carries, IPv4 first."""
        return tuple(family for family in Family if family is self.family or family in self.also)

    @property
    def is_unnumbered(self) -> bool:
        """Whether only the daemons know its addresses."""
        return self.neighbor.is_unspecified


@dataclass(frozen=True)
class Interface:
    """An interface that netorch knows of. ``role`` is ``circuit``, ``host`` (a switch port to a host), ``fabric``,
    ``uplink``, ``link`` (to another router) or ``lan``; ``peer`` the provider or device behind it; ``alias`` the label it is to
    carry, "" to leave it alone."""

    name: str
    role: str
    peer: str
    alias: str = ""


@dataclass(frozen=True)
class NextHop:
    """A provider's address that a host must be able to send to over ``interface``, and the switch that knows its MAC.

    ``local`` is the host's own address on that interface, ``switch_interface`` where the switch holds the neighbour
    entry. ``macs`` are all that the address may have, () where any will do.
    """

    family: Family
    address: IPAddress
    interface: str
    local: IPInterface
    switch: str
    switch_interface: str
    provider: str
    circuit: int
    macs: Tuple[Mac, ...] = ()


@dataclass(frozen=True)
class ProviderTable:
    """One provider's kernel table on a host; ``number`` is mark and table. ``transit``: the provider takes packets to all of
    the Internet, whatever it announces."""

    provider: str
    provider_id: int
    number: int
    transit: bool = False


@dataclass(frozen=True)
class StaticHop:
    """Where a static route leads: to ``address`` behind ``interface``; one of them may be left out (None, "")."""

    address: Optional[IPAddress] = None
    interface: str = ""


@dataclass(frozen=True)
class StaticRoute:
    """A route in the device's main table that is neither learned nor the inventory's. ``type`` is ``unicast`` (over
    ``hops``, all of them at once), ``blackhole`` or ``unreachable``. ``announced``: a host tells the switches of it."""

    prefix: IPNetwork
    type: str = "unicast"
    hops: Tuple[StaticHop, ...] = ()
    announced: bool = False


STEERED_PREFERENCE = 4294967295
"""The local preference of a route that is steered to: the highest there is (RFC 4271 section 5.1.5)."""


@dataclass(frozen=True)
class Steer:
    """A host's routes of ``provider`` to ``prefix``, and to whatever is inside it, are its first choice, except those that the
    switches have made the last choice (local preference 0)."""

    prefix: IPNetwork
    provider: str
    provider_id: int


@dataclass(frozen=True)
class UnderlayInterface:
    """An interface of an underlay. A ``passive`` one, a LAN, is announced and never spoken on; ``cost`` is OSPF's."""

    name: str
    families: Tuple[Family, ...]
    passive: bool
    cost: int


@dataclass(frozen=True)
class UnderlayIntent:
    """How a router learns the way to others. ``protocol`` is ``rip``, ``ospf`` or ``bgp``, ``area`` OSPF's.

    ``networks`` is everything that its routers may tell each other of, the same for all of a POP that speak ``protocol``;
    ``announced`` what of it this router is the origin of.
    """

    protocol: str
    area: int
    interfaces: Tuple[UnderlayInterface, ...]
    networks: Tuple[IPNetwork, ...]
    announced: Tuple[IPNetwork, ...]


@dataclass(frozen=True)
class DeviceIntent:
    """What one device is meant to be. ``role`` is ``switch``, ``host`` or ``router``; only routers have an ``underlay``.
    ``fabric_export`` is how a host tells its switches, or a switch its hosts, of routes: ``usual``, ``last`` (with local
    preference 0: whoever has another way takes that) or, of hosts, ``nothing``.

    ``own_prefixes`` are all of the network's; ``originated`` the service prefixes that this host originates, or that
    this switch may announce to providers; ``service`` a host's own addresses, or on a switch those of its hosts
    (``/32``, ``/128``). ``default_route_via`` names the provider whose default route a switch may install. ``routes`` are
    static ones, ``steers`` a host's own choice of providers, each prefix once. ``excluded`` are further networks that no
    provider may announce to a switch, with what is inside: those that links stand in, and what the policy lists.
    """

    name: str
    pop: str
    role: str
    daemon: str
    version: str
    asn: int
    router_id: str
    own_prefixes: Tuple[IPNetwork, ...]
    originated: Tuple[IPNetwork, ...]
    service: Tuple[IPAddress, ...]
    sessions: Tuple[Session, ...]
    interfaces: Tuple[Interface, ...]
    tables: Tuple[ProviderTable, ...] = ()
    next_hops: Tuple[NextHop, ...] = ()
    sysctls: Tuple[Tuple[str, str], ...] = ()
    default_route_via: Optional[str] = None
    routes: Tuple[StaticRoute, ...] = ()
    underlay: Optional[UnderlayIntent] = None
    fabric_export: str = USUAL
    steers: Tuple[Steer, ...] = ()
    rpki: Rpki = field(default_factory=Rpki)
    excluded: Tuple[IPNetwork, ...] = ()

    @property
    def validators(self) -> Tuple[Validator, ...]:
        """The validators that it asks."""
        return self.rpki.validators

    def families(self) -> Tuple[Family, ...]:
        """The families that the device's sessions carry, IPv4 first."""
        carried = {family for session in self.sessions for family in session.carried}
        return tuple(family for family in Family if family in carried)


@dataclass(frozen=True)
class Intent:
    """The whole network's intent. ``settings`` holds each enabled plugin's own settings from the inventory;
    ``providers`` and ``circuits`` are the inventory's, for what people call them. ``certificates``: devices get certificates, so
    that the mirror's agents can run."""

    asn: int
    devices: Tuple[DeviceIntent, ...]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    providers: Tuple[Provider, ...] = ()
    circuits: Tuple[Circuit, ...] = ()
    certificates: bool = False

    def device(self, name: str) -> DeviceIntent:
        """The device called ``name``; KeyError if there is none."""
        for device in self.devices:
            if device.name == name:
                return device
        raise KeyError(name)

    def in_pop(self, pop: str, role: Optional[str] = None) -> Tuple[DeviceIntent, ...]:
        """The devices of ``pop``, only those of ``role`` where one is given."""
        return tuple(d for d in self.devices if d.pop == pop and role in (None, d.role))

    def with_sessions(self, change: Callable[[DeviceIntent, Session], Session]) -> Intent:
        """A copy in which every session is what ``change`` makes of it; what most ``amend`` hooks need."""
        return self.with_devices(lambda d: replace(d, sessions=tuple(change(d, session) for session in d.sessions)))

    def with_settings(self, settings: Mapping[str, Mapping[str, Any]]) -> Intent:
        """A copy in which these settings, by plugin, are in force beside and before those of the inventory."""
        return replace(
            self, settings={**self.settings, **{n: {**self.settings.get(n, {}), **settings[n]} for n in settings}}
        )

    def with_devices(self, change: Callable[[DeviceIntent], DeviceIntent]) -> Intent:
        """A copy in which every device is what ``change`` makes of it."""
        return replace(self, devices=tuple(change(device) for device in self.devices))


def provider_ids(intent: Intent) -> Dict[str, int]:
    """Provider name to id, of every provider that some host has a table for."""
    return {table.provider: table.provider_id for device in intent.devices for table in device.tables}
