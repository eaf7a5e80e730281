"""The network as its operators wrote it, checked and resolved; nothing here is derived."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface
from typing import Iterable, Mapping, Optional, Protocol, Tuple, TypeVar, Union

from netorch.model.lab import LabSpeaker, LabStation, LabValidator
from netorch.model.policy import OverLimit, Policy
from netorch.model.sessions import AoKey, Bfd, SecretRef
from netorch.model.sources import AsSet, Registered, Registries, Rpki
from netorch.model.types import Family, IPAddress, IPInterface, IPNetwork, Mac

DAEMONS = ("bird", "frr")


UNDERLAYS = ("rip", "ospf", "bgp")


@dataclass(frozen=True)
class Ssh:
    """How a device is reached. Empty values are taken from ``~/.ssh/config`` and its defaults.

    ``known_hosts`` and ``identity`` are absolute paths.
    """

    address: str
    port: Optional[int] = None
    user: Optional[str] = None
    known_hosts: Optional[str] = None
    identity: Optional[str] = None
    proxy_jump: Optional[str] = None


@dataclass(frozen=True)
class Action:
    """What a provider does with a prefix of ours that carries ``community`` or ``large_community``, at least one of them."""

    name: str
    community: Optional[Tuple[int, int]] = None
    large_community: Optional[Tuple[int, int, int]] = None
    description: str = ""


@dataclass(frozen=True)
class Provider:
    """A network that we buy from, peer with or sell to. ``id`` (1 to 999) goes into communities, marks and tables.

    ``prefixes`` is all that it may announce, () for no such list. ``never_via``: networks that cannot be behind it, None for what
    follows from policy and relation. Of customers: ``default_route``, it is sent the switch's; ``blackhole``, it may have
    single addresses of its ``prefixes`` dropped (RFC 7999). ``role``: sessions tell their role (RFC 9234).
    ``actions`` are communities that it acts upon.
    """

    name: str
    id: int
    asn: int
    relation: str
    description: str = ""
    local_preference: Optional[int] = None
    max_prefixes: Mapping[Family, int] = field(default_factory=dict)
    irr: Optional[AsSet] = None
    peeringdb: bool = False
    prefixes: Tuple[IPNetwork, ...] = ()
    never_via: Optional[Tuple[int, ...]] = None
    over_limit: Optional[OverLimit] = None
    default_route: bool = False
    blackhole: bool = False
    role: bool = True
    actions: Tuple[Action, ...] = ()


@dataclass(frozen=True)
class CircuitAddresses:
    """One family of a circuit: our interface address on the switch, and the provider's address (same subnet)."""

    local: IPInterface
    neighbor: IPAddress


@dataclass(frozen=True)
class Circuit:
    """One provider's line into one switch port. ``id`` and ``name`` are unique in the network; ``id`` goes into
    communities. ``switch`` is the switch's full name; ``capacity_bps`` is 0 where it is not known. ``macs`` are all that the
    provider's router may have, () where any will do. Its sessions are signed with ``password`` (TCP MD5) or ``keys`` (TCP-AO).
    ``gtsm``: both ends refuse packets that came over a router (RFC 5082)."""

    id: int
    name: str
    provider: str
    switch: str
    port: str
    vlan: Optional[int] = None
    ipv4: Optional[CircuitAddresses] = None
    ipv6: Optional[CircuitAddresses] = None
    password: Optional[SecretRef] = None
    capacity_bps: int = 0
    description: str = ""
    macs: Tuple[Mac, ...] = ()
    bfd: bool = False
    gtsm: bool = False
    keys: Tuple[AoKey, ...] = ()

    @property
    def secrets(self) -> Tuple[SecretRef, ...]:
        """Every secret that its sessions need."""
        return (*(() if self.password is None else (self.password,)), *(key.secret for key in self.keys))

    def addresses(self, family: Family) -> Optional[CircuitAddresses]:
        """The addresses of ``family``, None where the circuit does not carry it."""
        return self.ipv4 if family is Family.IPV4 else self.ipv6


@dataclass(frozen=True)
class Window:
    """A time during which ``netorch run`` leaves devices alone, UTC. Either once, from ``start`` to ``end`` in seconds since
    the epoch; or every week, from minute ``start`` to minute ``end`` of the week that begins on Monday at 00:00. A weekly
    one may run over the week's end: ``end`` is then less than ``start``."""

    start: float
    end: float
    weekly: bool = False


@dataclass(frozen=True)
class Port:
    """A switch port, by its interface name."""

    name: str
    description: str = ""


@dataclass(frozen=True)
class Switch:
    """A switch. ``name`` is full (``sw1.pop1``); ``fabric`` is the layer-3 interface that all ports are switched into
    (a bridge), ``fabric_ipv4``/``fabric_ipv6`` its addresses towards the hosts. ``default_route_via`` names a provider
    that has a circuit on this switch."""

    name: str
    pop: str
    ssh: Ssh
    router_id: str
    daemon: str
    version: str
    fabric: str
    fabric_ipv4: IPv4Interface
    fabric_ipv6: IPv6Interface
    ports: Tuple[Port, ...]
    default_route_via: Optional[str] = None
    maintenance: Tuple[Window, ...] = ()

    def fabric_address(self, family: Family) -> IPInterface:
        """The address of ``family`` that hosts peer with."""
        return self.fabric_ipv4 if family is Family.IPV4 else self.fabric_ipv6


@dataclass(frozen=True)
class Uplink:
    """A host's interface into a switch port; both addresses lie in that switch's fabric subnets. ``switch`` is the
    switch's full name; a host has at most one uplink to each."""

    interface: str
    switch: str
    port: str
    ipv4: IPv4Interface
    ipv6: IPv6Interface

    def address(self, family: Family) -> IPInterface:
        """The uplink's address of ``family``."""
        return self.ipv4 if family is Family.IPV4 else self.ipv6


@dataclass(frozen=True)
class Host:
    """A host. ``service`` are its own addresses, one per family or more, inside the POP's service prefixes."""

    name: str
    pop: str
    ssh: Ssh
    router_id: str
    daemon: str
    version: str
    uplinks: Tuple[Uplink, ...]
    service: Tuple[IPAddress, ...]
    maintenance: Tuple[Window, ...] = ()


@dataclass(frozen=True)
class Link:
    """The other end of a cable between two routers of one POP: the router's full name, and its interface."""

    router: str
    interface: str


@dataclass(frozen=True)
class Interface:
    """A router's interface. Without ``link`` it leads to a LAN, which is announced and never spoken on; with a link and
    without addresses it is unnumbered. ``cost`` is OSPF's, None for the default."""

    name: str
    ipv4: Optional[IPv4Interface] = None
    ipv6: Optional[IPv6Interface] = None
    link: Optional[Link] = None
    cost: Optional[int] = None

    def address(self, family: Family) -> Optional[IPInterface]:
        """The address of ``family``, None where it has none."""
        return self.ipv4 if family is Family.IPV4 else self.ipv6

    @property
    def is_unnumbered(self) -> bool:
        """A cable to another router, without addresses."""
        return self.link is not None and self.ipv4 is None and self.ipv6 is None


@dataclass(frozen=True)
class Underlay:
    """What a router tells its neighbours by: ``protocol`` is one of ``UNDERLAYS``, ``area`` OSPF's."""

    protocol: str
    area: int = 0


@dataclass(frozen=True)
class Router:
    """A router of the underlay. ``asn`` is its own with eBGP, None with other protocols."""

    name: str
    pop: str
    ssh: Ssh
    router_id: str
    daemon: str
    version: str
    interfaces: Tuple[Interface, ...]
    underlay: Underlay
    asn: Optional[int] = None
    maintenance: Tuple[Window, ...] = ()

    def interface(self, name: str) -> Interface:
        """The interface called ``name``; KeyError if there is none."""
        return next_named(self.interfaces, name)


Device = Union[Switch, Host, Router]


@dataclass(frozen=True)
class ServicePrefix:
    """A prefix of ours that a POP announces while at least one of ``originators`` (full host names) originates it."""

    prefix: IPNetwork
    originators: Tuple[str, ...]


@dataclass(frozen=True)
class Pop:
    """A point of presence; circuits and prefixes in the order of its file."""

    name: str
    description: str
    switches: Tuple[Switch, ...]
    hosts: Tuple[Host, ...]
    circuits: Tuple[Circuit, ...]
    prefixes: Tuple[ServicePrefix, ...]
    maintenance: Tuple[Window, ...] = ()
    routers: Tuple[Router, ...] = ()
    rpki: Rpki = field(default_factory=Rpki)

    @property
    def devices(self) -> Tuple[Device, ...]:
        """Switches, then hosts, then routers."""
        return (*self.switches, *self.hosts, *self.routers)


@dataclass(frozen=True)
class PluginSettings:
    """An enabled plugin with its own settings, as plain data. ``path`` is the absolute path of the folder that holds a
    plugin which is neither shipped nor installed."""

    name: str
    settings: Mapping[str, object] = field(default_factory=dict)
    path: Optional[str] = None


@dataclass(frozen=True)
class WrongSetting:
    """A plugin's setting that cannot be used: the keys and positions that lead to it, and what was expected and found.
    ``is_unknown``: it is the last key itself that is wrong."""

    path: Tuple[Union[str, int], ...]
    message: str
    hint: str = ""
    is_unknown: bool = False


@dataclass(frozen=True)
class Pki:
    """netorch as certificate authority. ``folder`` is the absolute path of what it keeps; a certificate is good for
    ``life_days``."""

    folder: str
    life_days: float = 30.0


@dataclass(frozen=True)
class Inventory:
    """The whole network. ``folder`` is the absolute path that it was read from; ``commit`` its git commit, "" outside git.

    Names of devices are unique by being full, those of circuits, providers and stations by themselves. ``templates`` is the
    absolute path of the folder whose templates override netorch's own, ``audit`` that of the audit log. Without ``pki`` no
    certificates are issued, and the mirror has no agents. ``registered`` is what registries last said of each provider.
    """

    folder: str
    name: str
    asn: int
    policy: Policy
    own_prefixes: Tuple[IPNetwork, ...]
    providers: Tuple[Provider, ...]
    pops: Tuple[Pop, ...]
    plugins: Tuple[PluginSettings, ...]
    lab: Tuple[LabSpeaker, ...] = ()
    templates: Optional[str] = None
    commit: str = ""
    audit: Optional[str] = None
    pki: Optional[Pki] = None
    bfd: Bfd = field(default_factory=Bfd)
    stations: Tuple[LabStation, ...] = ()
    validators: Tuple[LabValidator, ...] = ()
    registries: Registries = field(default_factory=lambda: Registries(folder=""))
    registered: Mapping[str, Registered] = field(default_factory=dict)

    def provider(self, name: str) -> Provider:
        """The provider called ``name``; KeyError if there is none."""
        return next_named(self.providers, name)

    def pop(self, name: str) -> Pop:
        """The POP called ``name``; KeyError if there is none."""
        return next_named(self.pops, name)

    def device(self, name: str) -> Device:
        """The device with the full name ``name`` (``sw1.pop1``); KeyError if there is none."""
        return next_named(self.devices, name)

    def circuit(self, name: str) -> Circuit:
        """The circuit called ``name``; KeyError if there is none."""
        return next_named(self.circuits, name)

    @property
    def devices(self) -> Tuple[Device, ...]:
        """Every device, POP by POP: switches, hosts, routers."""
        return tuple(device for pop in self.pops for device in pop.devices)

    @property
    def circuits(self) -> Tuple[Circuit, ...]:
        """Every circuit, POP by POP."""
        return tuple(circuit for pop in self.pops for circuit in pop.circuits)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Thing = TypeVar("_Thing", bound=_Named)


def next_named(things: Iterable[_Thing], name: str) -> _Thing:
    """The first of ``things`` whose ``name`` is ``name``; KeyError if there is none."""
    for thing in things:
        if thing.name == name:
            return thing
    raise KeyError(name)
