"""The plugin's settings: what the operator allows programs."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any, Mapping, Tuple

from netorch.api import DeviceIntent, Intent, IPNetwork, PluginError, family_of

from .entries import NAME

SETTINGS = ("announce", "max_routes")
MAX_ROUTES = 500
"""On one device, of all owners. Every plan reads them all."""


def max_routes(settings: Mapping[str, Any]) -> int:
    """How many routes one device may have."""
    found = settings.get("max_routes", MAX_ROUTES)
    if isinstance(found, bool) or not isinstance(found, int) or found < 0:
        raise PluginError(f"max_routes: expected a whole number, found {found!r}", where=NAME)
    return found


def announceable(settings: Mapping[str, Any]) -> Tuple[IPNetwork, ...]:
    """Of what single addresses may be announced inside the POP."""
    found = settings.get("announce", [])
    try:
        return tuple(ip_network(str(one)) for one in found)
    except (TypeError, ValueError) as error:
        raise PluginError(
            f"announce: expected a list of prefixes, found {found!r}",
            where=NAME,
            hint="announce: [192.0.2.64/26], below settings of this plugin in network.yml",
        ) from error


def may_announce(intent: Intent, device: DeviceIntent, prefix: IPNetwork) -> bool:
    """Whether ``device`` may tell its switches of ``prefix``: a host, of a single address that the operator named, inside a
    prefix of the POP. Switches announce own prefixes as a whole to providers, and never a part of one."""
    family = family_of(prefix)
    own = (*device.originated, *(p for switch in intent.in_pop(device.pop, "switch") for p in switch.originated))
    allowed = announceable(intent.settings.get(NAME, {}))
    return (
        device.role == "host"
        and prefix.prefixlen == family.host_length
        and any(_is_inside(prefix, one) for one in allowed)
        and any(_is_inside(prefix, one) and one != prefix for one in own)
    )


def _is_inside(prefix: IPNetwork, outer: IPNetwork) -> bool:
    return prefix.version == outer.version and prefix.network_address in outer and prefix.prefixlen >= outer.prefixlen
