"""Addresses of interfaces. Text as the kernel's reader gives it; every function raises OSError with the kernel's number.

Source: linux/if_addr.h.
"""

from __future__ import annotations

from pyroute2.netlink import NLM_F_CREATE, NLM_F_REPLACE
from pyroute2.netlink.rtnl import RTM_DELADDR, RTM_GETADDR, RTM_NEWADDR
from pyroute2.netlink.rtnl.ifaddrmsg import IFA_F_NODAD, IFA_F_PERMANENT, ifaddrmsg

from netorch.io.netlink.interfaces import Names, index_of
from netorch.io.netlink.route_socket import FAMILIES, RouteSocket, family_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional


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


def read_addresses(kernel: RouteSocket) -> List[Address]:
    """Every permanent address of both families."""
    names = Names()
    found = []
    for entry in kernel.dump(RTM_GETADDR, ifaddrmsg()):
        if entry["family"] not in FAMILIES or not entry.get_attr("IFA_FLAGS", entry["flags"]) & IFA_F_PERMANENT:
            continue
        address = entry.get_attr("IFA_ADDRESS") or entry.get_attr("IFA_LOCAL")
        local = entry.get_attr("IFA_LOCAL") or address
        found.append(
            Address(
                entry["family"],
                names[entry["index"]],
                local=local,
                length=entry["prefixlen"],
                peer=address if address != local else None,
                protocol=entry.get_attr("IFA_PROTO", 0),
            )
        )
    return found


def put_address(
    kernel: RouteSocket, interface: str, *, local: str, length: int, peer: Optional[str], protocol: int
) -> None:
    """Give ``interface`` the address ``local/length``, or, with ``peer``, the pair ``local`` and ``peer/length``.

    An IPv6 address skips duplicate address detection: it is usable at once.
    """
    message = _message(interface, local, length=length, peer=peer)
    flags = IFA_F_PERMANENT | (IFA_F_NODAD if ":" in local else 0)
    message["attrs"] += [["IFA_FLAGS", flags], ["IFA_PROTO", protocol]]
    kernel.change(RTM_NEWADDR, message, flags=NLM_F_CREATE | NLM_F_REPLACE)


def drop_address(kernel: RouteSocket, interface: str, *, local: str, length: int, peer: Optional[str]) -> None:
    """Take an address away; nothing happens if it, or its interface, is not there."""
    kernel.drop(RTM_DELADDR, lambda: _message(interface, local, length=length, peer=peer))


def _message(interface: str, local: str, *, length: int, peer: Optional[str]) -> ifaddrmsg:
    message = ifaddrmsg()
    message.update(family=family_of(local), prefixlen=length, index=index_of(interface))
    message["attrs"] = [["IFA_LOCAL", local], ["IFA_ADDRESS", peer or local]]
    return message
