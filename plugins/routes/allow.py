"""The plugin's settings: what the operator allows programs."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any, List, Mapping, Tuple

from netorch.api import DeviceIntent, Intent, IPNetwork, WrongSetting, family_of, is_inside

from .entries import NAME

SETTINGS = ("announce", "max_routes")
MAX_ROUTES = 500
"""On one device, of all owners. Every plan reads them all."""


def max_routes(settings: Mapping[str, Any]) -> int:
    """How many routes one device may have."""
    return int(settings.get("max_routes", MAX_ROUTES))


def announceable(settings: Mapping[str, Any]) -> Tuple[IPNetwork, ...]:
    """Of what single addresses may be announced inside the POP."""
    return tuple(ip_network(str(one)) for one in settings.get("announce", []))


def mistakes(settings: Mapping[str, Any]) -> Tuple[WrongSetting, ...]:
    """What is wrong with the plugin's own settings."""
    found: List[WrongSetting] = []
    limit, prefixes = settings.get("max_routes", MAX_ROUTES), settings.get("announce", [])
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
        found.append(WrongSetting(("max_routes",), f"expected a whole number, found {limit!r}"))
    if not isinstance(prefixes, (list, tuple)):
        hint = "announce: [192.0.2.64/26]"
        return (*found, WrongSetting(("announce",), f"expected a list of prefixes, found {prefixes!r}", hint))
    for number, one in enumerate(prefixes):
        try:
            ip_network(str(one))
        except ValueError:
            found.append(WrongSetting(("announce", number), f"expected a prefix, found {one!r}"))
    return tuple(found)


def may_announce(intent: Intent, device: DeviceIntent, prefix: IPNetwork) -> bool:
    """Whether ``device`` may tell its switches of ``prefix``: a host, of a single address that the operator named, inside a
    prefix of the POP. Switches announce own prefixes as a whole to providers, and never a part of one."""
    family = family_of(prefix)
    own = (*device.originated, *(p for switch in intent.in_pop(device.pop, "switch") for p in switch.originated))
    allowed = announceable(intent.settings.get(NAME, {}))
    return (
        device.role == "host"
        and prefix.prefixlen == family.host_length
        and any(is_inside(prefix, one) for one in allowed)
        and any(is_inside(prefix, one) and one != prefix for one in own)
    )
