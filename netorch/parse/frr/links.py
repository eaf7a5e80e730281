"""``show bfd peers json`` and ``show interface json``."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface
from typing import Any, Optional, Tuple

from netorch.errors import ParseError
from netorch.model.state import BfdSession, InterfaceAddress, InterfaceState
from netorch.parse.frr.answer import Fields, read_json
from netorch.parse.textfsm_rows import refused_values

_STATES = {"up": "Up", "down": "Down", "init": "Init", "shutdown": "AdminDown"}


def read_bfd_sessions(text: str) -> Tuple[BfdSession, ...]:
    """Read ``show bfd peers json``: one BfdSession per peer. ``since`` is None, since FRR tells a duration.

    Raises ParseError for what is not such an answer, or cut; FrrError where FRR complains.

    Source: FRR bfdd/bfdd_vty.c; samples of 8.4.4 and 10.3 in tests/parse.
    """
    found = read_json(text)
    with refused_values():
        return tuple(_bfd_session(row) for row in _list(found))


def _list(found: Any) -> Tuple[Fields, ...]:
    if not isinstance(found, list):
        raise ParseError(f"expected a list, found {type(found).__name__}", where="answer")
    return tuple(Fields(member, f"answer[{index}]") for index, member in enumerate(found))


def _bfd_session(row: Fields) -> BfdSession:
    state = row.required_text("status")
    if state not in _STATES:
        raise ParseError(f"expected one of {', '.join(_STATES)} in status, found {state!r}", where=row.where)
    remote_ms = row.required_number("remote-transmit-interval")
    detection_ms = row.required_number("remote-detect-multiplier") * max(
        remote_ms, row.required_number("receive-interval")
    )
    return BfdSession(
        address=ip_address(row.required_text("peer")),
        state=_STATES[state],
        since=None,
        interval_s=row.required_number("transmit-interval") / 1000,
        timeout_s=detection_ms / 1000 if state == "up" else 0.0,
        interface=row.text("interface"),
    )


def read_interfaces(text: str) -> Tuple[InterfaceState, ...]:
    """Read ``show interface json``: one InterfaceState each, in FRR's order, with its addresses.

    Raises ParseError for what is not such an answer, or cut; FrrError where FRR complains.

    Source: FRR zebra/interface.c if_dump_vty_json(); samples of 8.4.4 and 10.3 in tests/parse.
    """
    found = Fields(read_json(text), "answer")
    with refused_values():
        return tuple(_interface(name, row) for name, row in found.members())


def _interface(name: str, row: Fields) -> InterfaceState:
    flags = set(row.required_text("flags").strip("<>").split(","))
    admin_up = row.required_text("administrativeStatus") == "up"
    # FRR says nothing of the link of an interface that is down by hand.
    link_up = row.text("operationalStatus") == "up"
    return InterfaceState(
        name=name,
        up=admin_up and link_up,
        index=row.required_number("index"),
        link_type="PtP" if "POINTOPOINT" in flags else "MultiAccess",
        admin_up=admin_up,
        link_up=link_up,
        mtu=row.required_number("mtu"),
        master=row.text("masterInterface"),
        broadcast="BROADCAST" in flags,
        multicast="MULTICAST" in flags,
        loopback="LOOPBACK" in flags,
        addresses=tuple(_interface_address(address) for address in row.parts("ipAddresses")),
    )


def _interface_address(row: Fields) -> InterfaceAddress:
    address = ip_interface(row.required_text("address"))
    peer: Optional[str] = row.text("peer")
    return InterfaceAddress(
        address=address,
        rank="Secondary" if row.flag("secondary") else None,
        opposite=ip_interface(peer).ip if peer else None,
    )
