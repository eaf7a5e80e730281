"""The operations of a change, as the JSON documents that they come as.

Checked here rather than read into the model's classes, whose import takes longer than everything else an apply does.
"""

from __future__ import annotations

import socket

from netorch.agent.outcome import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    Operation = Dict[str, Any]
    Item = Dict[str, Any]

ITEMS: Dict[str, Dict[str, type]] = {
    "FileItem": {"path": str, "text": str, "mode": int, "group": str, "daemon": str},
    "SysctlItem": {"name": str, "value": str},
    "AddressItem": {"interface": str, "address": str},
    "PeerItem": {"interface": str, "local": str, "peer": str},
    "NeighbourItem": {"interface": str, "address": str, "mac": str},
    "RouteItem": {"prefix": str, "interface": str},
    "RuleItem": {"family": str, "priority": int, "mark": int, "table": int},
    "AliasItem": {"interface": str, "alias": str},
    "OverlayItem": {"entry": dict},
    "ClosedSessionItem": {"session": str, "message": str},
    "ServiceItem": {"name": str},
}
"""The members of each kind of netorch.model.items, as JSON."""

NEVER_REMOVED = ("FileItem", "SysctlItem", "AliasItem", "OverlayItem")
SERVICES = ("feed", "mirror")
_ACTIONS = ("add", "change", "remove")


def checked_operations(documents: List[Operation]) -> List[Operation]:
    """``documents``; Refused where one is not as the model has it."""
    for operation in documents:
        action, item, before = operation["action"], operation["item"], operation.get("before")
        if action not in _ACTIONS:
            raise Refused(f"{action!r} is no action")
        if action == "change" and before is None:
            raise Refused(f"a change of a {item['kind']} that does not say of what")
        for found in (item, before):
            if found is not None:
                _check_item(found)
        if action == "remove" and item["kind"] in NEVER_REMOVED:
            raise Refused(f"{item['kind']} is never removed")
    return documents


def _check_item(item: Item) -> None:
    kind = item.get("kind")
    if kind not in ITEMS:
        raise Refused(f"{kind!r} is no kind of item")
    if kind == "ServiceItem" and item.get("name") not in SERVICES:
        raise Refused(f"{item.get('name')!r} is no service of netorch's")
    for name, expected in ITEMS[kind].items():
        if type(item.get(name)) is not expected:  # a bool would pass for a number
            found = type(item.get(name)).__name__
            raise Refused(f"{kind}: {name}: expected {expected.__name__}, found {found}")


def plain_address(text: str) -> str:
    """An IP address as the kernel's reader writes it; Refused for anything else."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, text))
    except OSError:
        raise Refused(f"{text!r} is no IP address") from None


def plain_prefix(text: str) -> str:
    """An address and a prefix length as the kernel's reader writes them; Refused for anything else."""
    address, _, length = text.partition("/")
    address = plain_address(address)
    if not (length.isascii() and length.isdigit() and int(length) <= full_length(address)):
        raise Refused(f"{text!r} is no address with its prefix length")
    return f"{address}/{int(length)}"


def full_length(address: str) -> int:
    """32 or 128."""
    return 128 if ":" in address else 32


def plain_mac(text: str) -> str:
    """A MAC in lower case with colons; Refused for anything else."""
    try:
        octets = bytes.fromhex(text.replace(":", ""))
    except ValueError:
        octets = b""
    if len(octets) != 6:
        raise Refused(f"{text!r} is no MAC address")
    return octets.hex(":")
