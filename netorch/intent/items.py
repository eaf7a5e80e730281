"""The kernel items that follow from a device's intent alone."""

from __future__ import annotations

from ipaddress import ip_interface
from typing import Iterator

from netorch.model.intent import DeviceIntent
from netorch.model.items import AddressItem, Item, RuleItem, SysctlItem
from netorch.model.types import Family, family_of

RULE_PRIORITY_BASE = 10000
"""A provider's rule has priority 10000 + provider id: after the local table (0), before main (32766)."""


def desired_items(device: DeviceIntent) -> tuple[Item, ...]:
    """Kernel settings, and on a host its service addresses on ``lo`` and the rules that lead marked packets into the
    providers' tables. Files are rendered elsewhere; neighbours and peers are the plugins' to propose."""
    return tuple(_items(device))


def _items(device: DeviceIntent) -> Iterator[Item]:
    for name, value in device.sysctls:
        yield SysctlItem(name, value)
    if device.role == "host":
        for address in device.service:
            yield AddressItem("lo", ip_interface(f"{address}/{family_of(address).host_length}"))
    for table in device.tables:
        for family in Family:
            priority = RULE_PRIORITY_BASE + table.provider_id
            yield RuleItem(family=family, priority=priority, mark=table.number, table=table.number)
