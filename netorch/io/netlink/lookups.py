"""What the kernel does with a packet, and by which rules. Raises OSError with the kernel's number.

Source: linux/rtnetlink.h, linux/fib_rules.h; net/ipv4/route.c inet_rtm_getroute(), net/ipv6/route.c inet6_rtm_getroute().
"""

from __future__ import annotations

import errno

from pyroute2.netlink.rtnl import RTM_GETROUTE, RTM_GETRULE
from pyroute2.netlink.rtnl.fibmsg import FR_ACT_TO_TBL, fibmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from netorch.io.netlink.interfaces import Names
from netorch.io.netlink.route_socket import AF_INET, FAMILIES, RouteSocket, family_of
from netorch.io.netlink.routes import FIB_MATCH, LOOKUP_TABLE, is_shared
from netorch.model.conventions import MAIN_TABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Optional

_CLONED = 0x200  # RTM_F_CLONED: a cached answer, no entry of the table
_BITS = {False: 32, True: 128}
_EVERY_MARK = 0xFFFFFFFF
_INVERTED = 0x2  # FIB_RULE_INVERT

_KNOWN = {"FRA_PRIORITY", "FRA_TABLE", "FRA_FWMARK", "FRA_FWMASK", "FRA_PROTOCOL", "FRA_SUPPRESS_PREFIXLEN"}
_NO_SUPPRESSION = 0xFFFFFFFF


def look_up(kernel: RouteSocket, destination: str, *, mark: int) -> Dict[str, Any]:
    """The entry that the kernel takes for a packet that this host sends, and what the packet makes of it, as the JSON of
    ``model.trace.KernelAnswer``."""
    entry = kernel.ask(RTM_GETROUTE, _question(destination, mark, flags=FIB_MATCH | LOOKUP_TABLE))
    taken = kernel.ask(RTM_GETROUTE, _question(destination, mark, flags=LOOKUP_TABLE))
    names = Names()
    hops = _hops(taken, names)
    return {
        "route": _route(entry, names),
        "hop": hops[0] if hops else None,
        "source": taken.get_attr("RTA_PREFSRC"),
        "shared": is_shared(entry),
    }


def _question(destination: str, mark: int, *, flags: int) -> rtmsg:
    request = rtmsg()
    family = family_of(destination)
    if family != AF_INET:
        flags &= ~LOOKUP_TABLE  # IPv6 always tells the table, and takes no such flag
    request.update(family=family, dst_len=_BITS[family != AF_INET], flags=flags)
    request["attrs"] = [["RTA_DST", destination], ["RTA_MARK", mark]]
    return request


def read_main_routes(kernel: RouteSocket, *, protocols: Iterable[int]) -> List[Dict[str, Any]]:
    """The main table's routes of ``protocols``, as the JSON of ``model.trace.KernelRoute``; the kernel picks them out where it
    can."""
    names, found = Names(), []
    wanted = frozenset(protocols)
    for family in FAMILIES:
        for protocol in sorted(wanted) if kernel.is_strict else [0]:
            request = rtmsg()
            request["family"] = family
            if kernel.is_strict:
                request.update(table=MAIN_TABLE, proto=protocol)
            for entry in kernel.dump(RTM_GETROUTE, request):
                if entry["proto"] in wanted and entry["table"] == MAIN_TABLE and not entry["flags"] & _CLONED:
                    found.append(_route(entry, names))
    return found


def has_routes(family: int, table: int) -> bool:
    """Whether a table has any route of a family; a full table is not read to its end, so this takes a socket of its own."""
    from netorch.io.netlink.route_counts import count_part, route_parts

    request = rtmsg()
    request["family"] = family
    counts: Dict[int, int] = {}
    with RouteSocket() as kernel:
        if kernel.is_strict:
            request["attrs"] = [["RTA_TABLE", table]]
        try:
            for data in route_parts(kernel, request):
                count_part(data, counts)
                if counts.get(table):
                    return True
        except OSError as exc:
            if exc.errno != errno.ENOENT:  # no route was ever put into it
                raise
    return False


def read_all_rules(kernel: RouteSocket) -> List[Dict[str, Any]]:
    """Every policy rule of both families in the order in which the kernel asks them, as the JSON of
    ``model.trace.KernelRule``."""
    rules = [
        {
            "family": "ipv4" if entry["family"] == AF_INET else "ipv6",
            "priority": entry.get_attr("FRA_PRIORITY", 0),
            "table": entry.get_attr("FRA_TABLE") or entry["table"],
            "mark": entry.get_attr("FRA_FWMARK", 0),
            "mask": entry.get_attr("FRA_FWMASK", _EVERY_MARK if entry.get_attr("FRA_FWMARK") else 0),
            "protocol": entry.get_attr("FRA_PROTOCOL", 0),
            "other": _other(entry),
        }
        for entry in kernel.dump(RTM_GETRULE, fibmsg())
        if entry["family"] in FAMILIES
    ]
    return sorted(rules, key=lambda rule: int(rule["priority"]))


def _other(entry: fibmsg) -> str:
    """What a rule asks beside the mark, or does beside looking into a table, as pyroute2 names it."""
    words = [
        name[4:].lower()
        for name, value in entry["attrs"]
        if name not in _KNOWN and value not in (None, 0) and not name.startswith("UNKNOWN")
    ]
    suppressed = entry.get_attr("FRA_SUPPRESS_PREFIXLEN")
    if suppressed not in (None, _NO_SUPPRESSION):
        words.append("suppress_prefixlen")
    if entry["flags"] & _INVERTED:
        words.append("not")
    if entry["action"] != FR_ACT_TO_TBL:
        words.append(f"action {entry['action']}")
    return ", ".join(words)


def _route(entry: rtmsg, names: Names) -> Dict[str, Any]:
    destination = entry.get_attr("RTA_DST") or ("0.0.0.0" if entry["family"] == AF_INET else "::")  # noqa: S104
    return {
        "prefix": f"{destination}/{entry['dst_len']}",
        "table": int(entry.get_attr("RTA_TABLE") or entry["table"]),
        "type": entry["type"],
        "protocol": entry["proto"],
        "hops": _hops(entry, names),
    }


def _hops(entry: rtmsg, names: Names) -> List[Dict[str, Any]]:
    several = entry.get_attr("RTA_MULTIPATH")
    if several:
        return [_hop(hop.get_attr("RTA_GATEWAY"), hop.get_attr("RTA_VIA"), hop["oif"], names=names) for hop in several]
    interface = entry.get_attr("RTA_OIF")
    if interface is None:
        return []
    return [_hop(entry.get_attr("RTA_GATEWAY"), entry.get_attr("RTA_VIA"), interface, names=names)]


def _hop(gateway: Optional[str], via: Optional[Dict[str, Any]], interface: int, *, names: Names) -> Dict[str, Any]:
    return {"gateway": gateway or (via or {}).get("addr"), "interface": names[interface]}
