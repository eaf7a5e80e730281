"""Desired items: what a device is to have. The same classes say what it has, so that a plan is a comparison.

Every item has a ``key`` that names the slot it fills; two items with one key and different values are a change. The
agent reports only items that netorch owns (by protocol number, or by netorch's record), so an item that is present and
not desired is removed, save for the kinds in ``NEVER_REMOVED``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Tuple, Union

from netorch.model.overlay import OverlayEntry
from netorch.model.types import Family, IPAddress, IPInterface, IPNetwork, Mac

Key = Tuple[str, ...]


@dataclass(frozen=True)
class FileItem:
    """A file, whole. ``text`` may hold secrets and is therefore never shown as it is. ``daemon`` names the routing
    daemon whose main configuration it is, "" for other files.
    """

    path: str
    text: str = field(repr=False)
    mode: int = 0o640
    group: str = "root"
    daemon: str = ""

    @property
    def key(self) -> Key:
        return ("file", self.path)


@dataclass(frozen=True)
class SysctlItem:
    """A kernel setting, by its dotted name (``net.ipv4.conf.all.rp_filter``)."""

    name: str
    value: str

    @property
    def key(self) -> Key:
        return ("sysctl", self.name)


@dataclass(frozen=True)
class AddressItem:
    """An address of the device's own, such as a service address on ``lo``."""

    interface: str
    address: IPInterface

    @property
    def key(self) -> Key:
        return ("address", self.interface, str(self.address))


@dataclass(frozen=True)
class PeerItem:
    """A point-to-point address pair (IPv4): makes ``peer`` directly connected through ``interface``."""

    interface: str
    local: IPAddress
    peer: IPAddress

    @property
    def key(self) -> Key:
        return ("peer", self.interface, str(self.peer))


@dataclass(frozen=True)
class NeighbourItem:
    """A permanent ARP or ND entry."""

    interface: str
    address: IPAddress
    mac: Mac

    @property
    def key(self) -> Key:
        return ("neighbour", self.interface, str(self.address))


@dataclass(frozen=True)
class RouteItem:
    """A device route in the main table: makes ``prefix`` on-link through ``interface`` (IPv6's way to a next hop)."""

    prefix: IPNetwork
    interface: str

    @property
    def key(self) -> Key:
        return ("route", str(self.prefix), self.interface)


@dataclass(frozen=True)
class RuleItem:
    """A policy rule: packets with ``mark`` look into ``table``."""

    family: Family
    priority: int
    mark: int
    table: int

    @property
    def key(self) -> Key:
        return ("rule", self.family.value, str(self.priority))


@dataclass(frozen=True)
class AliasItem:
    """An interface's alias (its description field)."""

    interface: str
    alias: str

    @property
    def key(self) -> Key:
        return ("alias", self.interface)


@dataclass(frozen=True)
class OverlayItem:
    """An overlay entry that the device keeps."""

    entry: OverlayEntry

    @property
    def key(self) -> Key:
        return ("overlay", self.entry.id)


@dataclass(frozen=True)
class ClosedSessionItem:
    """A session that is administratively down; ``message`` is told to the neighbour when it closes (RFC 9003).

    Present as a fact for every session that is disabled, by the configuration or by hand; there the message is "".
    """

    session: str
    message: str = field(default="", compare=False)

    @property
    def key(self) -> Key:
        return ("closed", self.session)


@dataclass(frozen=True)
class ServiceItem:
    """An agent of the mirror that runs as a service: ``feed`` on a switch, ``mirror`` on a host. Present as a fact only while
    it runs the very agent that reports it, so that a dead one, or an upgrade, is something to do.
    """

    name: str

    @property
    def key(self) -> Key:
        return ("service", self.name)


Item = Union[
    FileItem,
    SysctlItem,
    AddressItem,
    PeerItem,
    NeighbourItem,
    RouteItem,
    RuleItem,
    AliasItem,
    OverlayItem,
    ClosedSessionItem,
    ServiceItem,
]

NEVER_REMOVED = (FileItem, SysctlItem, AliasItem, OverlayItem)
"""Kinds that stay when they are no longer desired: their former value is not netorch's to guess."""

MIRROR_KINDS = (NeighbourItem, PeerItem, RouteItem)
"""What the mirror puts into the kernel. Where its agent runs these may change at any moment."""

APPLY_ORDER = (
    SysctlItem,
    AddressItem,
    NeighbourItem,
    PeerItem,
    RouteItem,
    RuleItem,
    ClosedSessionItem,
    FileItem,
    ServiceItem,
    OverlayItem,
    AliasItem,
)
"""Additions and changes in this order, removals in the reverse.

A service address exists before a route names it as source, and a next hop becomes reachable only once its MAC is known.
All of it comes before the configuration, whose full table would otherwise drown the news of addresses on BIRD's netlink
socket. A session is closed with its message before the configuration that keeps it closed is loaded. A service comes after its
settings.
"""
