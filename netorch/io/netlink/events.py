"""What the kernel tells unasked: neighbours, links, addresses and routes, as they change.

By hand, like the route counts: a burst of 45,000 neighbour events takes a quarter of a second so, and pyroute2 four times as
long, in which the socket's buffer would fill. A dump of neighbours is read in the same way.

Source: linux/rtnetlink.h, linux/neighbour.h, linux/if_link.h, linux/if_addr.h; linux/filter.h for the filter.
"""

from __future__ import annotations

import array
import errno
import socket
import struct

from pyroute2.netlink import NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR
from pyroute2.netlink.rtnl import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_DELNEIGH,
    RTM_DELROUTE,
    RTM_GETNEIGH,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWNEIGH,
    RTM_NEWROUTE,
)
from pyroute2.netlink.rtnl.ndmsg import NUD_NOARP, NUD_VALUES, ndmsg

from netorch.io.netlink.route_socket import AF_INET, AF_INET6, FAMILIES, RouteSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple

BUFFER_BYTES = 8 << 20
"""45,000 events in a burst fit; the kernel counts some 800 bytes for each."""

_SO_RCVBUFFORCE, _SO_ATTACH_FILTER = 33, 26  # asm-generic/socket.h
_NEIGHBOURS, _LINKS, _ADDRESSES4, _ROUTES4, _ADDRESSES6, _ROUTES6 = 1 << 2, 1 << 0, 1 << 4, 1 << 6, 1 << 8, 1 << 10
_RECEIVE_BYTES = 1 << 16
_IFF_UP, _IFF_LOWER_UP = 1, 1 << 16

_HEADER = struct.Struct("=IHHII")  # length, kind, flags, sequence number, port
_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # family, interface, state, flags, type
_LINK = struct.Struct("=BxHiII")  # family, device type, index, flags, changed flags
_ADDRESS = struct.Struct("=BBBBi")  # family, length, flags, scope, interface
_ROUTE = struct.Struct("=BBBBBBBBI")  # family, lengths (destination, source), tos, table, protocol, scope, type, flags
_ATTRIBUTE = struct.Struct("=HH")

STATES: Dict[int, str] = {number: name[4:].lower() for number, name in NUD_VALUES.items()}
"""The kernel's words for a neighbour's states (``reachable``)."""


class Event:
    """Something as it is now, or, where it ``is_gone``, as it was."""

    __slots__ = ("is_gone",)

    def __init__(self, *, is_gone: bool) -> None:
        self.is_gone = is_gone


class NeighbourEvent(Event):
    """An ARP or ND entry; ``mac`` None while it is not known."""

    __slots__ = ("address", "index", "mac", "protocol", "state")

    def __init__(
        self, index: int, address: str, *, mac: Optional[str], state: str, protocol: int, is_gone: bool
    ) -> None:
        super().__init__(is_gone=is_gone)
        self.index = index
        self.address = address
        self.mac = mac
        self.state = state
        self.protocol = protocol


class LinkEvent(Event):
    """An interface; ``up`` is what somebody set, ``carrier`` whether there is somebody at the other end."""

    __slots__ = ("carrier", "index", "mac", "name", "up")

    def __init__(self, index: int, name: str, *, mac: Optional[str], up: bool, carrier: bool, is_gone: bool) -> None:
        super().__init__(is_gone=is_gone)
        self.index = index
        self.name = name
        self.mac = mac
        self.up = up
        self.carrier = carrier


class AddressEvent(Event):
    """An address of an interface, with its ``peer`` where it is the end of a pair."""

    __slots__ = ("index", "local", "peer", "protocol")

    def __init__(self, index: int, *, local: str, peer: Optional[str], protocol: int, is_gone: bool) -> None:
        super().__init__(is_gone=is_gone)
        self.index = index
        self.local = local
        self.peer = peer
        self.protocol = protocol


class RouteEvent(Event):
    """A route; ``prefix`` None for a default route, ``index`` None for one through several interfaces."""

    __slots__ = ("index", "prefix", "protocol")

    def __init__(self, index: Optional[int], *, prefix: Optional[str], protocol: int, is_gone: bool) -> None:
        super().__init__(is_gone=is_gone)
        self.index = index
        self.prefix = prefix
        self.protocol = protocol


class EventSocket:
    """A subscription, for an event loop: ``fileno`` is readable when there is something to ``read``.

    ``routes_of``: routes with this protocol number only, picked out by the kernel, since a host's full table would drown all
    else. ``but_of``: nothing that these sockets have caused, by their ports. ``buffer_bytes`` is what the kernel keeps for a
    slow reader. Raises OSError where the kernel refuses.
    """

    def __init__(
        self,
        *,
        neighbours: bool = False,
        links: bool = False,
        addresses: bool = False,
        routes_of: Optional[int] = None,
        but_of: Sequence[int] = (),
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        groups = (_NEIGHBOURS if neighbours else 0) | (_LINKS if links else 0)
        groups |= (_ADDRESSES4 | _ADDRESSES6 if addresses else 0) | (_ROUTES4 | _ROUTES6 if routes_of else 0)
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        try:
            self._socket.setblocking(False)
            _set_buffer(self._socket, buffer_bytes)
            if routes_of is not None or but_of:
                _attach_filter(self._socket, protocol=routes_of, ports=but_of)
            self._socket.bind((0, groups))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        """End the subscription."""
        self._socket.close()

    def read(self, *, limit: int = 2000) -> List[Event]:
        """What has come, oldest first, [] if nothing has; at most ``limit`` messages, so that other work gets its turn.

        Raises OSError with ENOBUFS when events were lost: then only a new subscription and a dump tell the truth.
        """
        found: List[Event] = []
        for _ in range(limit):
            try:
                data, sender = self._socket.recvfrom(_RECEIVE_BYTES)
            except BlockingIOError:
                break
            if sender[0] == 0:  # the kernel; anything else is another process that plays it
                found += events_in(data)
        return found


def _set_buffer(made: socket.socket, size: int) -> None:
    try:
        made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except PermissionError:  # in a container that lacks CAP_NET_ADMIN of the machine: as much as is allowed
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def _attach_filter(made: socket.socket, *, protocol: Optional[int], ports: Sequence[int]) -> None:
    """Keep out what ``ports`` have caused, and routes of another ``protocol``."""
    out, through = (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF)
    program = [(0x20, 0, 0, 12)]  # load word: the port, in network order as everything that a filter loads
    for port in ports:
        program += [(0x15, 0, 1, socket.htonl(port)), out]
    if protocol is not None:
        program += [
            (0x28, 0, 0, 4),  # load half-word: the message's kind
            (0x15, 1, 0, socket.htons(RTM_NEWROUTE)),
            (0x15, 0, 2, socket.htons(RTM_DELROUTE)),
            (0x30, 0, 0, _HEADER.size + 5),  # load byte: the route's protocol
            (0x15, 0, 1, protocol),
            through,
            out,
        ]
    else:
        program.append(through)
    code = array.array("B", b"".join(struct.pack("=HBBI", *step) for step in program))
    made.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), code.buffer_info()[0]))


def dump_neighbours(kernel: RouteSocket) -> List[NeighbourEvent]:
    """Every ARP and ND entry of unicast addresses.

    Raises OSError; EINTR where the table changed while it was read.
    """
    sequence = kernel.send(RTM_GETNEIGH, ndmsg(), flags=NLM_F_REQUEST | NLM_F_DUMP)
    found: List[NeighbourEvent] = []
    is_disturbed = False
    while True:
        data = kernel.receive()
        # First, since the kernel (6.9 and later) tells that it is done in the message that has the last entries.
        found += (event for event in events_in(data) if isinstance(event, NeighbourEvent))
        for start, _, kind, flags, number in _messages(data):
            if number != sequence:
                continue
            is_disturbed = is_disturbed or bool(flags & NLM_F_DUMP_INTR)
            if kind == NLMSG_ERROR:
                raise OSError(-struct.unpack_from("=i", data, start)[0], "the kernel does not tell its neighbours")
            if kind == NLMSG_DONE:
                if is_disturbed:
                    raise OSError(errno.EINTR, "the kernel's neighbours changed while they were read")
                return found


def events_in(data: bytes) -> List[Event]:
    """The events in what came from the kernel; messages of other kinds, and what cannot be read, are left out."""
    found: List[Event] = []
    for start, end, kind, _, _ in _messages(data):
        reader = _READERS.get(kind)
        if reader is None:
            continue
        try:
            event = reader(data, start, end, kind)
        except (struct.error, ValueError, OSError):
            continue
        if event is not None:
            found.append(event)
    return found


def _messages(data: bytes) -> Iterator[Tuple[int, int, int, int, int]]:
    """Of each message where its body starts and ends, its kind, flags and sequence number; a length that lies ends it."""
    start, size = 0, len(data)
    while start + 16 <= size:
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, start)
        if length < 16 or start + length > size:
            return
        yield start + 16, start + length, kind, flags, sequence
        start += (length + 3) & ~3


def _attributes(data: bytes, start: int, end: int) -> Dict[int, bytes]:
    found: Dict[int, bytes] = {}
    while start + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, start)
        if length < 4 or start + length > end:
            break
        found[kind & 0x3FFF] = data[start + 4 : start + length]
        start += (length + 3) & ~3
    return found


def _neighbour(data: bytes, start: int, end: int, kind: int) -> Optional[NeighbourEvent]:
    family, index, state, _, _ = _NEIGHBOUR.unpack_from(data, start)
    if family not in FAMILIES or state == NUD_NOARP:
        return None
    attributes = _attributes(data, start + _NEIGHBOUR.size, end)
    mac = attributes.get(2)
    return NeighbourEvent(
        index,
        socket.inet_ntop(family, attributes.get(1, b"")),
        mac=mac.hex(":") if mac is not None and len(mac) == 6 else None,
        state=STATES.get(state, str(state)),
        protocol=attributes.get(12, b"\0")[0],
        is_gone=kind == RTM_DELNEIGH,
    )


def _link(data: bytes, start: int, end: int, kind: int) -> Optional[LinkEvent]:
    family, _, index, flags, _ = _LINK.unpack_from(data, start)
    if family != 0:  # a bridge tells of its ports: one that left it is no interface that has gone
        return None
    attributes = _attributes(data, start + _LINK.size, end)
    mac = attributes.get(1)
    return LinkEvent(
        index,
        attributes.get(3, b"").rstrip(b"\0").decode("utf-8", "replace"),
        mac=mac.hex(":") if mac is not None and len(mac) == 6 else None,
        up=bool(flags & _IFF_UP),
        carrier=bool(flags & _IFF_LOWER_UP),
        is_gone=kind == RTM_DELLINK,
    )


def _address(data: bytes, start: int, end: int, kind: int) -> Optional[AddressEvent]:
    family, _, _, _, index = _ADDRESS.unpack_from(data, start)
    if family not in FAMILIES:
        return None
    attributes = _attributes(data, start + _ADDRESS.size, end)
    address = attributes.get(1) or attributes.get(2) or b""
    local = attributes.get(2) or address
    return AddressEvent(
        index,
        local=socket.inet_ntop(family, local),
        peer=socket.inet_ntop(family, address) if address != local else None,
        protocol=attributes.get(11, b"\0")[0],
        is_gone=kind == RTM_DELADDR,
    )


def _route(data: bytes, start: int, end: int, kind: int) -> Optional[RouteEvent]:
    family, length, _, _, _, protocol, _, _, _ = _ROUTE.unpack_from(data, start)
    if family not in (AF_INET, AF_INET6):
        return None
    attributes = _attributes(data, start + _ROUTE.size, end)
    destination, index = attributes.get(1), attributes.get(4)
    return RouteEvent(
        struct.unpack("=i", index)[0] if index is not None else None,
        prefix=f"{socket.inet_ntop(family, destination)}/{length}" if destination is not None else None,
        protocol=protocol,
        is_gone=kind == RTM_DELROUTE,
    )


_READERS: Dict[int, Callable[[bytes, int, int, int], Optional[Event]]] = {
    RTM_NEWNEIGH: _neighbour,
    RTM_DELNEIGH: _neighbour,
    RTM_NEWLINK: _link,
    RTM_DELLINK: _link,
    RTM_NEWADDR: _address,
    RTM_DELADDR: _address,
    RTM_NEWROUTE: _route,
    RTM_DELROUTE: _route,
}
