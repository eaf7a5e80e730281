"""A host's kernel: interfaces, and the entries that the mirror keeps there.

An entry is a permanent neighbour and what makes its address reachable: for IPv4 a peer address of the uplink's own, for IPv6 a
device route (``netorch.plan.mirror``). Both carry netorch's protocol number; nothing else is touched.
"""

from __future__ import annotations

import errno
from typing import NamedTuple, Optional

from netorch.io.netlink.addresses import drop_address, put_address, read_addresses
from netorch.io.netlink.events import dump_neighbours
from netorch.io.netlink.links import read_links
from netorch.io.netlink.neighbour_writer import NeighbourWriter
from netorch.io.netlink.neighbours import drop_neighbour
from netorch.io.netlink.route_socket import RouteSocket
from netorch.io.netlink.routes import drop_device_route, put_device_route, read_device_routes
from netorch.model.conventions import KERNEL_PROTOCOL
from netorch.model.types import Mac

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, FrozenSet, List, Set, Tuple

    from netorch.agent.mirror.entries import Key
    from netorch.io.netlink.events import LinkEvent, NeighbourEvent

UP = "is up"

_DUMP_TRIES = 5


class Interface(NamedTuple):
    """One interface, by its ``number``; ``up`` is what somebody set, ``carrier`` whether there is anybody at the other end."""

    number: int
    mac: Optional[str]
    up: bool
    carrier: bool


class HostKernel:
    """What is there, as far as dumps and events tell, and how to change it. Methods that change raise OSError."""

    def __init__(self) -> None:
        self.interfaces: Dict[str, Interface] = {}
        self.names: Dict[int, str] = {}
        self.neighbours: Dict[Key, str] = {}
        self.reachable: Dict[Key, Set[str]] = {}
        self._socket = RouteSocket()
        self._writer = NeighbourWriter()

    @property
    def ports(self) -> Tuple[int, int]:
        """Those of its sockets: what they cause is no news."""
        return self._socket.port, self._writer.port

    def close(self) -> None:
        """Close the sockets."""
        self._socket.__exit__()
        self._writer.close()

    def own_macs(self) -> FrozenSet[Mac]:
        """Those of the host's interfaces."""
        macs = (Mac(interface.mac) for interface in self.interfaces.values() if interface.mac is not None)
        return frozenset(mac for mac in macs if mac.is_unicast)

    # ---- reading ------------------------------------------------------------------------------------------------

    def read(self) -> None:
        """Look at everything anew."""
        links = read_links(self._socket, counters=False)
        self.interfaces = {
            link.name: Interface(link.index, mac=link.mac, up=link.up, carrier=link.carrier) for link in links
        }
        self.names = {link.index: link.name for link in links}
        self.neighbours = {
            (self.names[entry.index], entry.address): entry.mac
            for entry in self._dump()
            if is_own(entry) and entry.mac is not None and entry.index in self.names
        }
        self.reachable = {}
        for address in read_addresses(self._socket):
            if address.protocol == KERNEL_PROTOCOL and address.peer is not None:
                self.reachable.setdefault((address.interface, address.peer), set()).add(address.local)
        for route in read_device_routes(self._socket, protocol=KERNEL_PROTOCOL):
            address_text, _, length = route.prefix.partition("/")
            if length == "128":
                self.reachable.setdefault((route.interface, address_text), set()).add("")

    def _dump(self) -> List[NeighbourEvent]:
        for left in reversed(range(_DUMP_TRIES)):
            try:
                return dump_neighbours(self._socket)
            except OSError as exc:
                if exc.errno != errno.EINTR or not left:
                    raise
        return []

    def take_link(self, event: LinkEvent) -> bool:
        """Note what happened to an interface; whether its entries may have gone with it."""
        old = self.names.get(event.index)
        before = self.interfaces.get(event.name)
        if old is not None and (event.is_gone or old != event.name):
            del self.names[event.index]
            self.interfaces.pop(old, None)
        if event.is_gone:
            return True
        now = Interface(event.index, mac=event.mac, up=event.up, carrier=event.carrier)
        self.names[event.index], self.interfaces[event.name] = event.name, now
        return before is None or now != before._replace(carrier=now.carrier)  # without a carrier entries stay

    def state_of(self, name: str) -> str:
        """How an interface is, in words: it ``is up``, or why nothing is sent there."""
        interface = self.interfaces.get(name)
        if interface is None:
            return "is not there"
        if not interface.up:
            return "is down"
        return UP if interface.carrier else "has no carrier"

    # ---- changing -----------------------------------------------------------------------------------------------

    def put(self, key: Key, *, mac: str, local: str) -> None:
        """The neighbour first: an address is never reachable before its MAC is known."""
        name, address = key
        interface = self.interfaces.get(name)
        if interface is None:
            raise OSError(errno.ENODEV, f"there is no interface {name}")
        self._writer.put(interface.number, address, mac=mac, protocol=KERNEL_PROTOCOL)
        self.neighbours[key] = mac
        there = self.reachable.get(key)
        wanted = "" if ":" in address else local
        if there is None or there != {wanted}:
            self._reach(key, wanted)

    def _reach(self, key: Key, wanted: str) -> None:
        name, address = key
        there = self.reachable.setdefault(key, set())
        if wanted not in there:
            if wanted:
                put_address(self._socket, name, local=wanted, length=32, peer=address, protocol=KERNEL_PROTOCOL)
            else:
                self._route(name, address)
            there.add(wanted)
        for other in sorted(there - {wanted}):
            drop_address(self._socket, name, local=other, length=32, peer=address)
            there.discard(other)

    def _route(self, name: str, address: str) -> None:
        try:
            put_device_route(self._socket, name, prefix=f"{address}/128", protocol=KERNEL_PROTOCOL)
        except OSError as exc:
            if exc.errno != errno.EEXIST:  # one that somebody else made does as well
                raise

    def drop(self, key: Key) -> None:
        """Take an entry away, in the reverse order."""
        name, address = key
        for local in sorted(self.reachable.pop(key, ())):
            if local:
                drop_address(self._socket, name, local=local, length=32, peer=address)
            else:
                drop_device_route(self._socket, name, prefix=f"{address}/128", protocol=KERNEL_PROTOCOL)
        if self.neighbours.pop(key, None) is not None:
            drop_neighbour(self._socket, name, address=address)


def is_own(entry: NeighbourEvent) -> bool:
    """Whether an entry is one of netorch's."""
    return entry.protocol == KERNEL_PROTOCOL and entry.state == "permanent" and not entry.is_gone
