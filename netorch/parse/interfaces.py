"""``show interfaces``, its summary, and ``show bfd sessions``."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_interface
from typing import Tuple

from netorch.errors import ParseError
from netorch.model.state import BfdSession, InterfaceAddress, InterfaceState, InterfaceSummary
from netorch.parse.framing import read_reply
from netorch.parse.textfsm_rows import Row, elements, parse_rows, refused_values

_ADDRESS = re.compile(
    r"(?P<address>\S+) \((?:(?P<rank>Preferred|Secondary), )?(?:opposite (?P<opposite>\S+), )?scope (?P<scope>\S+)\)$"
)


def parse_interfaces(text: str) -> Tuple[InterfaceState, ...]:
    """Parse ``show interfaces``: one InterfaceState per block, in the daemon's order.

    Raises ParseError for a line that no rule matches and for a block without its flags (plain text that ends among the
    addresses goes unnoticed); ReplyError where BIRD answered with an error.

    Source: BIRD 2.0.12 nest/iface.c if_show().
    """
    rows = parse_rows("bird_show_interfaces", read_reply(text))
    with refused_values():
        return tuple(_interface(row) for row in rows)


def _interface(row: Row) -> InterfaceState:
    if "mtu" not in row:
        raise ParseError("its flags are missing: the output was cut", where=f"interface {row['name']}")
    return InterfaceState(
        name=row["name"],
        up=row["state"] == "up",
        index=int(row["index"]),
        link_type=row["link_type"],
        admin_up=row["admin"] == "Up",
        link_up=row["link"] == "Up",
        mtu=int(row["mtu"]),
        master=row.get("master"),
        broadcast="broadcast" in row,
        multicast="multicast" in row,
        loopback="loopback" in row,
        ignored="ignored" in row,
        addresses=tuple(_address(line, row["name"]) for line in elements(row, "addresses")),
    )


def _address(text: str, interface: str) -> InterfaceAddress:
    matched = _ADDRESS.match(text)
    if not matched:
        raise ParseError(f"expected an address, found {text!r}", where=f"interface {interface}")
    opposite = matched["opposite"]
    return InterfaceAddress(
        address=ip_interface(matched["address"]),
        scope=matched["scope"],
        rank=matched["rank"],
        opposite=ip_address(opposite) if opposite else None,
    )


def parse_interface_summary(text: str) -> Tuple[InterfaceSummary, ...]:
    """Parse ``show interfaces summary``: one InterfaceSummary per line, in the daemon's order.

    Raises ParseError for a line that no rule matches; ReplyError where BIRD answered with an error.

    Source: BIRD 2.0.12 nest/iface.c if_show_summary().
    """
    rows = parse_rows("bird_show_interfaces_summary", read_reply(text))
    with refused_values():
        return tuple(_summary(row) for row in rows)


def _summary(row: Row) -> InterfaceSummary:
    return InterfaceSummary(
        name=row["name"],
        up=row["state"] == "up",
        ipv4_address=ip_interface(row["ipv4"]) if "ipv4" in row else None,
        ipv6_address=ip_interface(row["ipv6"]) if "ipv6" in row else None,
    )


def parse_bfd_sessions(text: str) -> Tuple[BfdSession, ...]:
    """Parse ``show bfd sessions``: one BfdSession per line. A protocol that is not up has none.

    Raises ParseError for a line that no rule matches; ReplyError where BIRD answered with an error.

    Source: BIRD 2.0.12 proto/bfd/bfd.c bfd_show_sessions().
    """
    rows = parse_rows("bird_show_bfd_sessions", read_reply(text))
    with refused_values():
        return tuple(_session(row) for row in rows)


def _session(row: Row) -> BfdSession:
    return BfdSession(
        address=ip_address(row["address"]),
        state=row["state"],
        since=row["since"],
        interval_s=float(row["interval"]),
        timeout_s=float(row["timeout"]),
        protocol=row["protocol"],
        interface=None if row["interface"] == "---" else row["interface"],
    )
