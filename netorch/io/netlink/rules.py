"""Policy rules by firewall mark. Every function raises OSError with the kernel's error number.

Source: linux/fib_rules.h.
"""

from __future__ import annotations

from pyroute2.netlink import NLM_F_CREATE, NLM_F_EXCL
from pyroute2.netlink.rtnl import RTM_DELRULE, RTM_GETRULE, RTM_NEWRULE
from pyroute2.netlink.rtnl.fibmsg import FR_ACT_TO_TBL, fibmsg

from netorch.io.netlink.route_socket import FAMILIES, RouteSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List


class Rule:
    """A policy rule by firewall mark (0: any)."""

    __slots__ = ("family", "mark", "priority", "protocol", "table")

    def __init__(self, family: int, priority: int, *, mark: int, table: int, protocol: int) -> None:
        self.family = family
        self.priority = priority
        self.mark = mark
        self.table = table
        self.protocol = protocol


def read_rules(kernel: RouteSocket) -> List[Rule]:
    """Every policy rule of both families."""
    return [
        Rule(
            entry["family"],
            entry.get_attr("FRA_PRIORITY", 0),
            mark=entry.get_attr("FRA_FWMARK", 0),
            table=entry.get_attr("FRA_TABLE") or entry["table"],
            protocol=entry.get_attr("FRA_PROTOCOL", 0),
        )
        for entry in kernel.dump(RTM_GETRULE, fibmsg())
        if entry["family"] in FAMILIES
    ]


def put_rule(kernel: RouteSocket, family: int, *, priority: int, mark: int, table: int, protocol: int) -> None:
    """Packets with ``mark`` look into ``table``. EEXIST where the same rule is there already."""
    message = _message(family, priority, mark=mark, table=table, protocol=protocol)
    kernel.change(RTM_NEWRULE, message, flags=NLM_F_CREATE | NLM_F_EXCL)


def drop_rule(kernel: RouteSocket, family: int, *, priority: int, mark: int, table: int, protocol: int) -> None:
    """Take a rule away; nothing happens if it is not there."""
    kernel.drop(RTM_DELRULE, lambda: _message(family, priority, mark=mark, table=table, protocol=protocol))


def _message(family: int, priority: int, *, mark: int, table: int, protocol: int) -> fibmsg:
    message = fibmsg()
    message.update(family=family, table=table if table < 256 else 0, action=FR_ACT_TO_TBL)
    message["attrs"] = [
        ["FRA_PRIORITY", priority],
        ["FRA_FWMARK", mark],
        ["FRA_TABLE", table],
        ["FRA_PROTOCOL", protocol],
    ]
    return message
