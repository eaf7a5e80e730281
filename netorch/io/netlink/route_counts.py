"""How many routes the kernel's tables hold.

By hand, unlike the rest. pyroute2 makes a dictionary of every route, 25 microseconds each; looking at the two numbers that
count takes 0.2. A host with full tables of two providers, in the main table and in their own, has four million routes.

Source: linux/rtnetlink.h.
"""

from __future__ import annotations

import struct

from pyroute2.netlink import NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR
from pyroute2.netlink.rtnl import RTM_GETROUTE, RTM_NEWROUTE
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from netorch.io.netlink.route_socket import FAMILIES, RouteSocket, decoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import AbstractSet, Dict, Iterator, Tuple

_TABLE_LOCAL = 255
_TABLE_IN_ATTRIBUTE = 252  # RT_TABLE_COMPAT: the number does not fit into a byte
_RTA_TABLE = 15
_HEADER = struct.Struct("=IHHI")  # length, kind, flags, sequence number
_PROTOCOL_AT = 21  # rtm_protocol, from the start of a message
_ROUTE_HEAD = struct.Struct("=IH14xB7xHHI")  # length, kind, table; first attribute: its length, kind and value


def count_routes(kernel: RouteSocket) -> Dict[Tuple[int, int], int]:
    """How many routes each table holds, by (address family, table); the kernel's own local table left out.

    While routes come and go the numbers are as good as any taken at one moment.
    """
    counts: Dict[Tuple[int, int], int] = {}
    for family in FAMILIES:
        request = rtmsg()
        request["family"] = family
        tables: Dict[int, int] = {}
        for data in route_parts(kernel, request):
            count_part(data, tables)
        counts.update({(family, table): routes for table, routes in tables.items() if table != _TABLE_LOCAL})
    return counts


def has_routes_of(kernel: RouteSocket, protocols: AbstractSet[int]) -> bool:
    """Whether any table holds a route of any of these protocols (RTPROT)."""
    for family in FAMILIES:
        request = rtmsg()
        request["family"] = family
        for data in route_parts(kernel, request):
            if not protocols.isdisjoint(route_protocols(data)):
                return True
    return False


def route_protocols(data: bytes) -> Iterator[int]:
    """The protocol of each route of one part of a dump."""
    start = 0
    while start + _PROTOCOL_AT < len(data):
        length, kind, _, _ = _HEADER.unpack_from(data, start)
        if kind == RTM_NEWROUTE:  # the end of the dump is another
            yield data[start + _PROTOCOL_AT]
        start += (max(length, 16) + 3) & ~3


def count_part(data: bytes, tables: Dict[int, int]) -> None:
    """Add the routes of one part of a dump to ``tables``, by table."""
    unpack = _ROUTE_HEAD.unpack_from
    start, end = 0, len(data) - _ROUTE_HEAD.size
    while start <= end:
        length, kind, table, _, first, value = unpack(data, start)
        if kind == RTM_NEWROUTE:  # the end of the dump is another
            if table == _TABLE_IN_ATTRIBUTE:
                table = value if first == _RTA_TABLE else _table(data[start : start + length])
            tables[table] = tables.get(table, 0) + 1
        start += (max(length, 16) + 3) & ~3


def _table(message: bytes) -> int:
    (route,) = decoded(message, RTM_GETROUTE, rtmsg)
    return int(route.get_attr("RTA_TABLE", 0))


def route_parts(kernel: RouteSocket, request: rtmsg) -> Iterator[bytes]:
    """The parts of a dump of routes as they come, each with whole messages; the last one ends with NLMSG_DONE.

    Raises OSError with the kernel's error number.
    """
    sequence = kernel.send(RTM_GETROUTE, request, flags=NLM_F_REQUEST | NLM_F_DUMP)
    while True:
        data = kernel.receive()
        if _HEADER.unpack_from(data)[3] != sequence:
            continue  # what was left of a dump that its reader gave up
        last = _last_message(data)
        kind = _HEADER.unpack_from(data, last)[1]
        if kind == NLMSG_ERROR:
            list(decoded(data[last:], RTM_GETROUTE, rtmsg))
        yield data
        if kind == NLMSG_DONE:
            return


def _last_message(data: bytes) -> int:
    """Where the last message starts: the end of a dump comes as a message of its own or behind the last entries."""
    start, end = 0, len(data)
    while True:
        length = _HEADER.unpack_from(data, start)[0]
        following = start + ((max(length, 16) + 3) & ~3)
        if following + 16 > end:
            return start
        start = following
