"""What people are told of routes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from netorch.api import (
    DeviceIntent,
    Facts,
    Family,
    Overlay,
    OverlayEntry,
    StaticHop,
    VerbContext,
    family_of,
    newest,
    utc_text,
)

from .allow import may_announce
from .entries import HeldRoute, device_of, held_routes, in_force, owner_of, routes_on
from .reading import WantedRoute


@dataclass
class InUse:
    """Whether daemons use all routes that they were given by ``entries``, by device. They leave out those whose next hop is not
    connected or whose interface is down. A daemon that does not count them is taken at its word."""

    entries: Mapping[str, Tuple[OverlayEntry, ...]]
    facts: Facts = field(default_factory=dict)

    def __call__(self, history: Tuple[Tuple[float, Facts], ...]) -> bool:
        self.facts = newest(history)
        return not any(self.unused(name) for name in self.entries)

    def unused(self, name: str) -> List[str]:
        """What is not in use on a device, in words."""
        notes = []
        for family in Family:
            given = sum(family_of(prefix) is family for prefix in in_force(self.entries[name]))
            protocol = self.facts[name].protocol(f"own_routes_{family.value}") if name in self.facts else None
            channel = protocol.channel(family.value) if protocol is not None else None
            used = channel.routes_imported if channel is not None else None
            if used is not None and used < given:
                notes.append(
                    f"only {used} of {given} {family.value} routes in use: is each next hop on a connected subnet?"
                )
        return notes


def hidden_by_others(owner: str, routes: Sequence[WantedRoute], entries: Iterable[OverlayEntry]) -> Tuple[str, ...]:
    """Which of ``routes`` do not count on a device, since another owner has the prefix; in words."""
    best = in_force(entries)
    return tuple(
        f"{route.prefix} counts as {best[route.prefix][0]} has it"
        for route in routes
        if route.prefix in best and best[route.prefix][0] != owner
    )


def owner_rows(context: VerbContext, overlay: Overlay, entry: OverlayEntry) -> List[Dict[str, Any]]:
    """One for each route of ``entry``; times in UTC."""
    device = next((one for one in context.intent.devices if one.name == device_of(entry)), None)
    best = in_force(routes_on(overlay, device_of(entry)))
    return [_row(context, entry, held, device=device, best=best[held.route.prefix]) for held in held_routes(entry)]


def _row(
    context: VerbContext,
    entry: OverlayEntry,
    held: HeldRoute,
    *,
    device: Optional[DeviceIntent],
    best: Tuple[str, WantedRoute],
) -> Dict[str, Any]:
    route = held.route
    counts = best == (owner_of(entry), route) and device is not None
    return {
        "owner": owner_of(entry),
        "device": device_of(entry),
        "prefix": str(route.prefix),
        "type": route.type,
        "via": [_hop(hop) for hop in route.hops],
        "metric": route.metric,
        "in_force": counts,
        "announced": counts and route.announce and may_announce(context.intent, device, route.prefix)
        if device
        else False,
        "until": utc_text(held.until) if held.until is not None else None,
        "author": entry.author,
        "since": utc_text(entry.created),
        "reason": entry.reason or None,
    }


def _hop(hop: StaticHop) -> str:
    return "%".join(filter(None, (str(hop.address or ""), hop.interface)))
