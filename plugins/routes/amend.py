"""What routes of programs make of the network. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import DefaultDict, Dict, List, Tuple

from netorch.api import DeviceIntent, Intent, IPAddress, Overlay, OverlayEntry, StaticRoute

from .allow import may_announce
from .entries import NAME, device_of, in_force


def amend(intent: Intent, overlay: Overlay) -> Intent:
    """Every device gets the routes that are in force on it; switches take the announced ones from their POP's hosts."""
    by_device: DefaultDict[str, List[OverlayEntry]] = defaultdict(list)
    for entry in overlay.active(NAME):
        by_device[device_of(entry)].append(entry)
    if not by_device:
        return intent
    routes = {device.name: _routes(intent, device, by_device[device.name]) for device in intent.devices}
    announced = _announced(intent, routes)

    def amended(device: DeviceIntent) -> DeviceIntent:
        heard = announced.get(device.pop, ()) if device.role == "switch" else ()
        service = dict.fromkeys((*device.service, *heard))
        return replace(device, routes=routes[device.name], service=tuple(service))

    return intent.with_devices(amended)


def _routes(intent: Intent, device: DeviceIntent, entries: List[OverlayEntry]) -> Tuple[StaticRoute, ...]:
    found = in_force(entries)
    return tuple(
        StaticRoute(
            prefix,
            type=route.type,
            hops=route.hops,
            announced=route.announce and may_announce(intent, device, prefix),
        )
        for prefix, (_, route) in found.items()
    )


def _announced(intent: Intent, routes: Dict[str, Tuple[StaticRoute, ...]]) -> Dict[str, Tuple[IPAddress, ...]]:
    """Addresses that hosts announce, by POP."""
    found: Dict[str, Dict[IPAddress, None]] = {}
    for device in intent.devices:
        for route in routes[device.name]:
            if route.announced:
                found.setdefault(device.pop, {})[route.prefix.network_address] = None
    return {pop: tuple(addresses) for pop, addresses in found.items()}
