"""What the kernel has: addresses, neighbours, routes, rules, links, and how many routes per table.

Source: linux/if_addr.h, if_link.h, neighbour.h, rtnetlink.h, fib_rules.h.
"""

from __future__ import annotations

import _socket
import struct

from netorch.io.netlink.wire import (
    AF_INET,
    AF_INET6,
    RTM_GETADDR,
    RTM_GETLINK,
    RTM_GETNEIGH,
    RTM_GETROUTE,
    RTM_GETRULE,
    RouteSocket,
    attribute,
    attributes,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Tuple

TABLE_MAIN, TABLE_LOCAL = 254, 255

IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS, IFA_PROTO = 1, 2, 8, 11
IFA_F_PERMANENT = 0x80
NDA_DST, NDA_LLADDR, NDA_PROTOCOL = 1, 2, 12
RTA_DST, RTA_OIF, RTA_TABLE, RTA_MARK = 1, 4, 15, 16
RTM_F_LOOKUP_TABLE = 0x1000
FRA_PRIORITY, FRA_FWMARK, FRA_TABLE, FRA_PROTOCOL = 6, 10, 15, 21
IFLA_ADDRESS, IFLA_IFNAME, IFLA_IFALIAS, IFLA_STATS64, IFLA_EXT_MASK, IFLA_CARRIER = 1, 3, 20, 23, 29, 33
IFF_UP = 0x1
RTEXT_FILTER_SKIP_STATS = 0x8

NEIGHBOUR_STATES = {
    0x00: "none",
    0x01: "incomplete",
    0x02: "reachable",
    0x04: "stale",
    0x08: "delay",
    0x10: "probe",
    0x20: "failed",
    0x40: "noarp",
    0x80: "permanent",
}

_RTMSG = struct.Struct("=BBBBBBBBI")
_IFADDRMSG = struct.Struct("=BBBBI")
_NDMSG = struct.Struct("=BBHiHBB")
_IFINFOMSG = struct.Struct("=BBHiII")
_U32 = struct.Struct("=I")
_ROUTE_HEAD = struct.Struct("=IH14xB7xHHI")  # length, kind, table; first attribute: its length, kind and value


class Address:
    """An address of an interface; ``peer`` is the other end of a point-to-point pair, else None."""

    __slots__ = ("family", "interface", "length", "local", "peer", "protocol")

    def __init__(
        self, family: int, interface: str, *, local: str, length: int, peer: Optional[str], protocol: int
    ) -> None:
        self.family = family
        self.interface = interface
        self.local = local
        self.length = length
        self.peer = peer
        self.protocol = protocol


class NeighbourEntry:
    """An ARP or ND entry; ``mac`` None while it is not known."""

    __slots__ = ("address", "family", "interface", "mac", "protocol", "state")

    def __init__(
        self, family: int, interface: str, *, address: str, mac: Optional[str], state: str, protocol: int
    ) -> None:
        self.family = family
        self.interface = interface
        self.address = address
        self.mac = mac
        self.state = state
        self.protocol = protocol


class DeviceRoute:
    """A unicast route through one interface and no gateway."""

    __slots__ = ("family", "interface", "prefix", "protocol")

    def __init__(self, family: int, interface: str, *, prefix: str, protocol: int) -> None:
        self.family = family
        self.interface = interface
        self.prefix = prefix
        self.protocol = protocol


class Rule:
    """A policy rule by firewall mark (0: any)."""

    __slots__ = ("family", "mark", "priority", "protocol", "table")

    def __init__(self, family: int, priority: int, *, mark: int, table: int, protocol: int) -> None:
        self.family = family
        self.priority = priority
        self.mark = mark
        self.table = table
        self.protocol = protocol


class LinkEntry:
    """An interface; ``counters`` are received and sent bytes, received and sent packets, () if they were not read."""

    __slots__ = ("alias", "carrier", "counters", "index", "mac", "name", "up")

    def __init__(
        self,
        index: int,
        name: str,
        *,
        mac: Optional[str],
        up: bool,
        carrier: bool,
        alias: str,
        counters: Tuple[int, ...],
    ) -> None:
        self.index = index
        self.name = name
        self.mac = mac
        self.up = up
        self.carrier = carrier
        self.alias = alias
        self.counters = counters


class Names:
    """Interface names by index; looked up once each, ``#INDEX`` for an interface that has gone."""

    def __init__(self) -> None:
        self._known: Dict[int, str] = {}

    def __getitem__(self, index: int) -> str:
        name = self._known.get(index)
        if name is None:
            try:
                name = _socket.if_indextoname(index)
            except OSError:
                name = f"#{index}"
            self._known[index] = name
        return name


def read_addresses(kernel: RouteSocket) -> List[Address]:
    """Every permanent address of both families."""
    names = Names()

    def convert(data: bytes) -> Optional[Address]:
        family, length, flags, _, index = _IFADDRMSG.unpack_from(data)
        found = attributes(data, _IFADDRMSG.size)
        if IFA_FLAGS in found:
            flags = _U32.unpack(found[IFA_FLAGS])[0]
        if not flags & IFA_F_PERMANENT or family not in (AF_INET, AF_INET6):
            return None
        address = found.get(IFA_ADDRESS) or found[IFA_LOCAL]
        local = found.get(IFA_LOCAL, address)
        return Address(
            family,
            names[index],
            local=_socket.inet_ntop(family, local),
            length=length,
            peer=_socket.inet_ntop(family, address) if address != local else None,
            protocol=_byte(found, IFA_PROTO),
        )

    return kernel.read(RTM_GETADDR, _IFADDRMSG.pack(0, 0, 0, 0, 0), convert)


def read_neighbours(kernel: RouteSocket) -> List[NeighbourEntry]:
    """Every ARP and ND entry of unicast addresses."""
    names = Names()

    def convert(data: bytes) -> Optional[NeighbourEntry]:
        family, _, _, index, state, _, _ = _NDMSG.unpack_from(data)
        found = attributes(data, _NDMSG.size)
        mac = found.get(NDA_LLADDR)
        if family not in (AF_INET, AF_INET6) or NDA_DST not in found or state == 0x40:
            return None
        return NeighbourEntry(
            family,
            names[index],
            address=_socket.inet_ntop(family, found[NDA_DST]),
            mac=mac.hex(":") if mac is not None and len(mac) == 6 else None,
            state=NEIGHBOUR_STATES.get(state, str(state)),
            protocol=_byte(found, NDA_PROTOCOL),
        )

    return kernel.read(RTM_GETNEIGH, _NDMSG.pack(0, 0, 0, 0, 0, 0, 0), convert)


def read_device_routes(kernel: RouteSocket, *, protocol: int) -> List[DeviceRoute]:
    """The device routes of the main table that carry ``protocol``; the kernel picks them out where it can."""
    names = Names()

    def convert(data: bytes) -> Optional[DeviceRoute]:
        family, length, _, _, table, found_protocol, _, _, _ = _RTMSG.unpack_from(data)
        if found_protocol != protocol or table != TABLE_MAIN or family not in (AF_INET, AF_INET6):
            return None
        found = attributes(data, _RTMSG.size)
        if RTA_OIF not in found:
            return None
        destination = found.get(RTA_DST, bytes(4 if family == AF_INET else 16))
        return DeviceRoute(
            family,
            names[_U32.unpack(found[RTA_OIF])[0]],
            prefix=f"{_socket.inet_ntop(family, destination)}/{length}",
            protocol=found_protocol,
        )

    routes: List[DeviceRoute] = []
    for family in (AF_INET, AF_INET6):
        body = _RTMSG.pack(
            family, 0, 0, 0, TABLE_MAIN if kernel.is_strict else 0, protocol if kernel.is_strict else 0, 0, 0, 0
        )
        routes += kernel.read(RTM_GETROUTE, body, convert)
    return routes


def table_for(kernel: RouteSocket, destination: str, *, mark: int) -> int:
    """The number of the table by which a packet with ``mark`` would leave for ``destination``.

    Raises OSError where there is no route.
    """
    family = AF_INET6 if ":" in destination else AF_INET
    address = _socket.inet_pton(family, destination)
    # IPv6 always tells the table, and takes no flag.
    flags = RTM_F_LOOKUP_TABLE if family == AF_INET else 0
    body = _RTMSG.pack(family, 8 * len(address), 0, 0, 0, 0, 0, 0, flags)
    body += attribute(RTA_DST, address) + attribute(RTA_MARK, _U32.pack(mark))
    return _table(kernel.ask(RTM_GETROUTE, body))


def read_rules(kernel: RouteSocket) -> List[Rule]:
    """Every policy rule of both families."""

    def convert(data: bytes) -> Optional[Rule]:
        family, _, _, _, table, _, _, _, _ = _RTMSG.unpack_from(data)
        if family not in (AF_INET, AF_INET6):
            return None
        found = attributes(data, _RTMSG.size)
        return Rule(
            family,
            _number(found, FRA_PRIORITY),
            mark=_number(found, FRA_FWMARK),
            table=_number(found, FRA_TABLE) or table,
            protocol=_byte(found, FRA_PROTOCOL),
        )

    return kernel.read(RTM_GETRULE, _RTMSG.pack(0, 0, 0, 0, 0, 0, 0, 0, 0), convert)


def read_links(kernel: RouteSocket, *, counters: bool) -> List[LinkEntry]:
    """Every interface, with its ``counters`` if they are wanted."""

    def convert(data: bytes) -> Optional[LinkEntry]:
        _, _, _, index, flags, _ = _IFINFOMSG.unpack_from(data)
        found = attributes(data, _IFINFOMSG.size)
        mac = found.get(IFLA_ADDRESS)
        stats = found.get(IFLA_STATS64, b"")
        received, sent, received_bytes, sent_bytes = struct.unpack_from("=QQQQ", stats) if stats else (0, 0, 0, 0)
        return LinkEntry(
            index,
            _text(found, IFLA_IFNAME),
            mac=mac.hex(":") if mac is not None and len(mac) == 6 else None,
            up=bool(flags & IFF_UP),
            carrier=bool(_byte(found, IFLA_CARRIER)),
            alias=_text(found, IFLA_IFALIAS),
            counters=(received_bytes, sent_bytes, received, sent) if counters else (),
        )

    mask = _ext_mask(0 if counters else RTEXT_FILTER_SKIP_STATS)
    return kernel.read(RTM_GETLINK, _IFINFOMSG.pack(0, 0, 0, 0, 0, 0) + mask, convert)


def count_routes(kernel: RouteSocket) -> Dict[Tuple[int, int], int]:
    """How many routes each table holds, by (address family, table); the kernel's own local table left out.

    Streams the dump and looks at two numbers of each message: full tables have millions. While routes come and go the
    numbers are as good as any taken at one moment.
    """
    counts: Dict[Tuple[int, int], int] = {}
    unpack = _ROUTE_HEAD.unpack_from
    for family in (AF_INET, AF_INET6):
        tables: Dict[int, int] = {}
        for data in kernel.chunks(RTM_GETROUTE, _RTMSG.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)):
            start, end = 0, len(data) - _ROUTE_HEAD.size
            while start <= end:
                length, kind, table, _, first, value = unpack(data, start)
                if kind == 24:  # RTM_NEWROUTE; the end of the dump is another
                    if table == 252:  # RT_TABLE_COMPAT: the number does not fit into a byte
                        table = value if first == RTA_TABLE else _table(data[start + 16 : start + length])
                    tables[table] = tables.get(table, 0) + 1
                start += (length + 3) & ~3
        counts.update({(family, table): routes for table, routes in tables.items() if table != TABLE_LOCAL})
    return counts


def _table(payload: bytes) -> int:
    return _number(attributes(payload, _RTMSG.size), RTA_TABLE)


def _ext_mask(value: int) -> bytes:
    return struct.pack("=HHI", 8, IFLA_EXT_MASK, value)


def _number(found: Dict[int, bytes], kind: int) -> int:
    value = found.get(kind)
    return int(_U32.unpack(value)[0]) if value is not None else 0


def _byte(found: Dict[int, bytes], kind: int) -> int:
    value = found.get(kind)
    return value[0] if value else 0


def _text(found: Dict[int, bytes], kind: int) -> str:
    return found.get(kind, b"").rstrip(b"\0").decode("utf-8", "replace")
