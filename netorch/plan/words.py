"""One line for each operation, as ``netorch plan`` prints it."""

from __future__ import annotations

from netorch.model.items import (
    AddressItem,
    AliasItem,
    ClosedSessionItem,
    FileItem,
    Item,
    NeighbourItem,
    OverlayItem,
    PeerItem,
    RouteItem,
    RuleItem,
    ServiceItem,
    SysctlItem,
)
from netorch.model.plan import Operation
from netorch.plan.drift import TOLD


def _describe(item: Item) -> str:
    """The item in the words of the tools that operators know; never the content of a file."""
    if isinstance(item, FileItem):
        return f"file {item.path}"
    if isinstance(item, SysctlItem):
        return f"sysctl {item.name} = {item.value}"
    if isinstance(item, AddressItem):
        return f"address {item.address} dev {item.interface}"
    if isinstance(item, PeerItem):
        return f"address {item.local} peer {item.peer} dev {item.interface}"
    if isinstance(item, NeighbourItem):
        return f"neighbour {item.address} lladdr {item.mac} dev {item.interface} nud permanent"
    if isinstance(item, RouteItem):
        return f"route {item.prefix} dev {item.interface}"
    if isinstance(item, RuleItem):
        return f"rule {item.family.value} priority {item.priority} fwmark {item.mark} lookup {item.table}"
    if isinstance(item, AliasItem):
        return f"alias of {item.interface}: {item.alias}"
    if isinstance(item, ServiceItem):
        return f"service {item.name}"
    if isinstance(item, ClosedSessionItem):
        return f"session {item.session} closed" + (f" ({item.message})" if item.message else "")
    return _describe_overlay(item)


def _describe_overlay(item: OverlayItem) -> str:
    state = "ended" if item.entry.removed else "in force"
    return f"overlay {item.entry.id} version {item.entry.version}, {state}"


def summarise(operation: Operation) -> str:
    """``+`` to add, ``~`` to change, ``-`` to remove, and the item; a change of a value names the former one. What somebody
    did on the device is told as such.
    """
    return f"{_summary(operation)} [{operation.cause}]" if operation.cause in TOLD else _summary(operation)


def _summary(operation: Operation) -> str:
    if isinstance(operation.item, ClosedSessionItem) and operation.action == "remove":
        return f"+ session {operation.item.session} open again"
    sign = {"add": "+", "change": "~", "remove": "-"}[operation.action]
    text = f"{sign} {_describe(operation.item)}"
    before = operation.before
    if isinstance(operation.item, ServiceItem):
        return f"{text}: {'stop' if operation.action == 'remove' else 'start'}"
    if operation.action == "change" and isinstance(before, SysctlItem):
        return f"{text} (was {before.value})"
    if operation.action == "change" and isinstance(before, NeighbourItem):
        return f"{text} (was {before.mac})"
    if operation.action == "change" and isinstance(before, AliasItem):
        return f"{text} (was {before.alias or 'empty'})"
    return text
