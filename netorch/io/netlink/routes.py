"""Routes: netorch's own device routes, and which table a packet would take. Raises OSError with the kernel's number.

Source: linux/rtnetlink.h.
"""

from __future__ import annotations

from errno import ENOENT
from socket import inet_pton

from pyroute2.netlink import NLM_F_CREATE
from pyroute2.netlink.rtnl import RTM_DELROUTE, RTM_GETROUTE, RTM_NEWROUTE, rt_scope, rt_type
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from netorch.io.netlink.interfaces import Names, index_of
from netorch.io.netlink.route_socket import AF_INET, AF_INET6, FAMILIES, RouteSocket, family_of
from netorch.model.conventions import MAIN_TABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

LOOKUP_TABLE, FIB_MATCH = 0x1000, 0x2000  # RTM_F_LOOKUP_TABLE, RTM_F_FIB_MATCH
_NEXT_HOP_OBJECT = 30  # RTA_NH_ID, which pyroute2 has no name for
_EVERYTHING = {AF_INET: "0.0.0.0", AF_INET6: "::"}  # noqa: S104 - a destination


class DeviceRoute:
    """A unicast route through one interface and no gateway."""

    __slots__ = ("family", "interface", "prefix", "protocol")

    def __init__(self, family: int, interface: str, *, prefix: str, protocol: int) -> None:
        self.family = family
        self.interface = interface
        self.prefix = prefix
        self.protocol = protocol


def read_device_routes(kernel: RouteSocket, *, protocol: int) -> List[DeviceRoute]:
    """The device routes of the main table that carry ``protocol``; the kernel picks them out where it can."""
    names = Names()
    found = []
    for family in FAMILIES:
        request = rtmsg()
        request["family"] = family
        if kernel.is_strict:
            request.update(table=MAIN_TABLE, proto=protocol)
        for entry in kernel.dump(RTM_GETROUTE, request):
            interface = entry.get_attr("RTA_OIF")
            if entry["proto"] == protocol and entry["table"] == MAIN_TABLE and interface is not None:
                destination = entry.get_attr("RTA_DST") or _EVERYTHING[family]
                prefix = f"{destination}/{entry['dst_len']}"
                found.append(DeviceRoute(family, names[interface], prefix=prefix, protocol=protocol))
    return found


def table_for(kernel: RouteSocket, destination: str, *, mark: int) -> int:
    """The number of the table by which a packet with ``mark`` would leave for ``destination``.

    Raises OSError where there is no route.
    """
    request = rtmsg()
    request["family"] = family_of(destination)
    request["dst_len"] = 32 if request["family"] == AF_INET else 128
    # IPv6 always tells the table, and takes no flag for that.
    request["flags"] = LOOKUP_TABLE if request["family"] == AF_INET else FIB_MATCH
    request["attrs"] = [["RTA_DST", destination], ["RTA_MARK", mark]]
    answer = kernel.ask(RTM_GETROUTE, request)
    if mark and is_shared(answer):
        return mark if _has_route(kernel, destination, table=mark) else MAIN_TABLE
    return int(answer.get_attr("RTA_TABLE", 0))


def is_shared(answer: rtmsg) -> bool:
    """Whether only the next hops of an answer are to be relied on, one to a question with ``FIB_MATCH``. In IPv6 the kernel
    caches what it found by the next hop object, FRR's way to write routes, and names any route and table that have the same.

    Source: net/ipv6/route.c rt6_get_pcpu_route(), inet6_rtm_getroute(); tried with Linux 6.18.
    """
    return answer["family"] == AF_INET6 and any(
        name == "UNKNOWN" and value["header"]["type"] == _NEXT_HOP_OBJECT for name, value in answer["attrs"]
    )


def _has_route(kernel: RouteSocket, destination: str, *, table: int) -> bool:
    request, wanted = rtmsg(), int.from_bytes(inet_pton(AF_INET6, destination), "big")
    request["family"] = AF_INET6
    if kernel.is_strict:
        request["attrs"] = [["RTA_TABLE", table]]
    try:
        entries = kernel.dump(RTM_GETROUTE, request)
    except OSError as exc:
        if exc.errno == ENOENT:  # no route was ever put into it
            return False
        raise
    for entry in entries:
        network = int.from_bytes(inet_pton(AF_INET6, entry.get_attr("RTA_DST") or "::"), "big")
        if entry.get_attr("RTA_TABLE") == table and (network ^ wanted) >> (128 - entry["dst_len"]) == 0:
            return True
    return False


def put_device_route(kernel: RouteSocket, interface: str, *, prefix: str, protocol: int) -> None:
    """A unicast route of the main table that makes ``prefix`` on-link, beside one through another interface. EEXIST where
    a route of that prefix, interface and metric is there already, whoever owns it."""
    # Not NLM_F_EXCL: it would also refuse the same prefix on a second interface.
    kernel.change(RTM_NEWROUTE, _message(interface, prefix, protocol=protocol), flags=NLM_F_CREATE)


def drop_device_route(kernel: RouteSocket, interface: str, *, prefix: str, protocol: int) -> None:
    """Take a route of ``protocol`` away; nothing happens if it, or its interface, is not there."""
    kernel.drop(RTM_DELROUTE, lambda: _message(interface, prefix, protocol=protocol))


def _message(interface: str, prefix: str, *, protocol: int) -> rtmsg:
    destination, _, length = prefix.partition("/")
    family = family_of(destination)
    message = rtmsg()
    message.update(
        family=family,
        dst_len=int(length),
        table=MAIN_TABLE,
        proto=protocol,
        scope=rt_scope["link" if family == AF_INET else "universe"],
        type=rt_type["unicast"],
    )
    message["attrs"] = [["RTA_DST", destination], ["RTA_OIF", index_of(interface)]]
    return message
