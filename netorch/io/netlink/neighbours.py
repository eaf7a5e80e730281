"""ARP and ND entries. Every function raises OSError with the kernel's error number.

Source: linux/neighbour.h.
"""

from __future__ import annotations

from pyroute2.netlink import NLM_F_CREATE, NLM_F_REPLACE
from pyroute2.netlink.rtnl import RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWNEIGH
from pyroute2.netlink.rtnl.ndmsg import NUD_NOARP, NUD_NONE, NUD_PERMANENT, NUD_VALUES, ndmsg

from netorch.io.netlink.interfaces import Names, index_of
from netorch.io.netlink.route_socket import FAMILIES, RouteSocket, family_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional


class NeighbourEntry:
    """An ARP or ND entry; ``mac`` None while it is not known. ``state`` is the kernel's word: ``reachable``, ``permanent``."""

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


def read_neighbours(kernel: RouteSocket) -> List[NeighbourEntry]:
    """Every ARP and ND entry of unicast addresses."""
    names = Names()
    found = []
    for entry in kernel.dump(RTM_GETNEIGH, ndmsg()):
        address, state = entry.get_attr("NDA_DST"), entry["state"]
        if entry["family"] not in FAMILIES or address is None or state == NUD_NOARP:
            continue
        found.append(
            NeighbourEntry(
                entry["family"],
                names[entry["ifindex"]],
                address=address,
                mac=_mac(entry.get_attr("NDA_LLADDR")),
                state=NUD_VALUES[state][4:].lower() if state in NUD_VALUES else str(state),
                protocol=entry.get_attr("NDA_PROTOCOL", 0),
            )
        )
    return found


def put_neighbour(kernel: RouteSocket, interface: str, *, address: str, mac: str, protocol: int) -> None:
    """A permanent entry for ``address``, whatever was there before."""
    message = _message(interface, address, state=NUD_PERMANENT)
    message["attrs"] += [["NDA_LLADDR", mac], ["NDA_PROTOCOL", protocol]]
    kernel.change(RTM_NEWNEIGH, message, flags=NLM_F_CREATE | NLM_F_REPLACE)


def drop_neighbour(kernel: RouteSocket, interface: str, *, address: str) -> None:
    """Take an entry away; nothing happens if it, or its interface, is not there."""
    kernel.drop(RTM_DELNEIGH, lambda: _message(interface, address, state=NUD_NONE))


def _message(interface: str, address: str, *, state: int) -> ndmsg:
    message = ndmsg()
    message.update(family=family_of(address), ifindex=index_of(interface), state=state)
    message["attrs"] = [["NDA_DST", address]]
    return message


def _mac(address: Optional[str]) -> Optional[str]:
    """pyroute2 gives link addresses of 4 and 16 bytes as IP addresses, of other lengths as more or fewer pairs of digits."""
    return address if address is not None and [len(pair) for pair in address.split(":")] == [2] * 6 else None
