"""Interfaces and their descriptions. Every function raises OSError with the kernel's error number.

Source: linux/if_link.h.
"""

from __future__ import annotations

from pyroute2.netlink import nlmsg
from pyroute2.netlink.rtnl import RTM_GETLINK, RTM_SETLINK
from pyroute2.netlink.rtnl.ifinfmsg import IFF_UP, ifinfmsg

from netorch.io.netlink.interfaces import index_of
from netorch.io.netlink.route_socket import RouteSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Tuple, Union

_SKIP_STATISTICS = 1 << 3  # RTEXT_FILTER_SKIP_STATS of linux/rtnetlink.h
_MAC_ATTRIBUTE_BYTES = 4 + 6
_COUNTERS = ("rx_bytes", "tx_bytes", "rx_packets", "tx_packets")


class LinkEntry:
    """An interface; ``counters`` are received and sent bytes, received and sent packets, () if they were not read. ``vlan`` is
    its number where it is a VLAN of the interface with the index ``below``; also None if counters were not read."""

    __slots__ = ("alias", "below", "carrier", "counters", "index", "mac", "name", "up", "vlan")

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
        vlan: Optional[int],
        below: Optional[int],
    ) -> None:
        self.index = index
        self.name = name
        self.mac = mac
        self.up = up
        self.carrier = carrier
        self.alias = alias
        self.counters = counters
        self.vlan = vlan
        self.below = below


def read_links(kernel: RouteSocket, *, counters: bool) -> List[LinkEntry]:
    """Every interface, with its ``counters`` if they are wanted."""
    request = ifinfmsg()
    request["attrs"] = [["IFLA_EXT_MASK", 0 if counters else _SKIP_STATISTICS]]
    return [_entry(found, counters=counters) for found in kernel.dump(RTM_GETLINK, request)]


def _entry(found: ifinfmsg, *, counters: bool) -> LinkEntry:
    statistics = (found.get_attr("IFLA_STATS64") or {}) if counters else {}
    return LinkEntry(
        found["index"],
        _text(found.get_attr("IFLA_IFNAME", "")),
        mac=_mac(found),
        up=bool(found["flags"] & IFF_UP),
        carrier=bool(found.get_attr("IFLA_CARRIER", 0)),
        alias=_text(found.get_attr("IFLA_IFALIAS", "")),
        counters=tuple(statistics.get(name, 0) for name in _COUNTERS) if counters else (),
        vlan=_vlan(found) if counters else None,
        below=found.get_attr("IFLA_LINK"),
    )


class _AliasChange(nlmsg):  # type: ignore[misc]
    """An ifinfmsg with an alias alone. pyroute2's own ends an alias with a zero byte, for which the kernel has no room behind
    255 others; one derived from it would inherit that."""

    fields = ifinfmsg.fields
    nla_map = ((20, "IFLA_IFALIAS", "string"),)  # linux/if_link.h


def set_alias(kernel: RouteSocket, interface: str, *, alias: str) -> None:
    """Describe ``interface``; "" removes the description."""
    message = _AliasChange()
    message["index"] = index_of(interface)
    message["attrs"] = [["IFLA_IFALIAS", alias]]
    kernel.change(RTM_SETLINK, message)


def _mac(found: ifinfmsg) -> Optional[str]:
    """The address of an interface that has a MAC: pyroute2 reads six bytes whatever the length, and tunnels have others."""
    for attribute in found["attrs"]:
        if attribute.name == "IFLA_ADDRESS" and attribute.nla.length == _MAC_ATTRIBUTE_BYTES:
            return str(attribute.value)
    return None


def _vlan(found: ifinfmsg) -> Optional[int]:
    kind = found.get_attr("IFLA_LINKINFO")
    if kind is None or kind.get_attr("IFLA_INFO_KIND") != "vlan":
        return None
    vlan = kind.get_attr("IFLA_INFO_DATA").get_attr("IFLA_VLAN_ID")
    return None if vlan is None else int(vlan)


def _text(value: Union[str, bytes]) -> str:
    """pyroute2 leaves bytes that are not UTF-8 as they are."""
    return value if isinstance(value, str) else value.decode("utf-8", "replace")
