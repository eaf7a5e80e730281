"""Overlay entries of routes: one for each owner and device, kept by the device and by the switches of its POP."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from netorch.api import (
    DeviceIntent,
    Intent,
    IPNetwork,
    Overlay,
    OverlayEntry,
    StaticHop,
    VerbContext,
    one_line,
    read_address,
    read_network,
)

from .reading import TYPES, WantedRoute

NAME = "routes"
REASON_BYTES = 1000


@dataclass(frozen=True)
class HeldRoute:
    """A route as an entry holds it; it ends at ``until`` (seconds since the epoch), or never by itself (None)."""

    route: WantedRoute
    until: Optional[float]


def entry_id(owner: str, device: str) -> str:
    """The id of what ``owner`` has on ``device``."""
    return f"{NAME}/{owner}@{device}"


def owner_of(entry: OverlayEntry) -> str:
    """Whose routes the entry holds."""
    return str(entry.data.get("owner", ""))


def device_of(entry: OverlayEntry) -> str:
    """Where the routes are."""
    return str(entry.data.get("device", ""))


def held_routes(entry: OverlayEntry) -> Tuple[HeldRoute, ...]:
    """The routes of ``entry``, less those that another version of this plugin wrote in a way that is not understood."""
    return tuple(_read(entry))


def new_entry(
    context: VerbContext,
    former: Optional[OverlayEntry],
    *,
    owner: str,
    device: DeviceIntent,
    routes: Sequence[WantedRoute],
) -> OverlayEntry:
    """What ``owner`` has on ``device`` from now on, newer than any that was ever there."""
    held = [HeldRoute(route, None if route.lasts_s is None else context.now + route.lasts_s) for route in routes]
    return _with_routes(
        OverlayEntry(
            id=entry_id(owner, device.name),
            version=former.version + 1 if former is not None else 1,
            plugin=NAME,
            devices=keepers(context.intent, device),
            author=context.author,
            created=context.now,
            data={"owner": owner, "device": device.name},
        ),
        held,
    )


def keepers(intent: Intent, device: DeviceIntent) -> Tuple[str, ...]:
    """Who keeps an entry about ``device``: itself, and the switches of its POP, where every plan looks."""
    return tuple(dict.fromkeys((device.name, *(switch.name for switch in intent.in_pop(device.pop, "switch")))))


def with_reason(entry: OverlayEntry, reason: str) -> OverlayEntry:
    """``entry`` with what people are told."""
    return replace(entry, reason=one_line(reason, max_bytes=REASON_BYTES))


def ended(entry: OverlayEntry, context: VerbContext) -> OverlayEntry:
    """The tombstone of ``entry``."""
    stone = replace(entry, version=entry.version + 1, author=context.author, created=context.now)
    return _with_routes(stone, ())


def restored(former: Optional[OverlayEntry], failed: OverlayEntry) -> OverlayEntry:
    """What was before ``failed``, in a version that overrules it."""
    if former is None:
        return _with_routes(replace(failed, version=failed.version + 1), ())
    return replace(former, version=failed.version + 1)


def lapse(overlay: Overlay, now: float) -> Tuple[OverlayEntry, ...]:
    """Entries that hold routes which are past their time, without these. The same from whatever controller looks."""
    found = []
    for entry in overlay.active(NAME):
        routes = held_routes(entry)
        left = [held for held in routes if held.until is None or held.until > now]
        if len(left) < len(routes):
            when = max(held.until for held in routes if held.until is not None and held.until <= now)
            found.append(_with_routes(replace(entry, version=entry.version + 1, created=when), left))
    return tuple(found)


def is_same(entry: Optional[OverlayEntry], wanted: Sequence[WantedRoute], now: float) -> bool:
    """Whether ``entry`` holds exactly ``wanted``. A route that ends counts as the same while half of the time that is asked
    for now is left, so that a program may ask again and again."""
    if entry is None or entry.removed:
        return not wanted
    held = held_routes(entry)
    return len(held) == len(wanted) and all(_is_same(a, b, now) for a, b in zip(held, wanted))


def _is_same(held: HeldRoute, wanted: WantedRoute, now: float) -> bool:
    if replace(held.route, lasts_s=None) != replace(wanted, lasts_s=None):
        return False
    if held.until is None or wanted.lasts_s is None:
        return held.until is None and wanted.lasts_s is None
    return wanted.lasts_s / 2 <= held.until - now <= wanted.lasts_s


def in_force(entries: Iterable[OverlayEntry]) -> Dict[IPNetwork, Tuple[str, WantedRoute]]:
    """What counts of the entries of one device, by prefix, with its owner: the lowest metric, then the owner's name."""
    best: Dict[IPNetwork, Tuple[int, str, WantedRoute]] = {}
    for entry in entries:
        for held in held_routes(entry):
            rank = (held.route.metric, owner_of(entry), held.route)
            known = best.get(held.route.prefix)
            if known is None or rank[:2] < known[:2]:
                best[held.route.prefix] = rank
    return {prefix: (owner, route) for prefix, (_, owner, route) in best.items()}


def routes_on(overlay: Overlay, device: str) -> Tuple[OverlayEntry, ...]:
    """Every entry about ``device``, of all owners."""
    return tuple(entry for entry in overlay.active(NAME) if device_of(entry) == device)


def _with_routes(entry: OverlayEntry, routes: Sequence[HeldRoute]) -> OverlayEntry:
    ends = [held.until for held in routes if held.until is not None]
    return replace(
        entry,
        removed=not routes,
        until=max(ends) if ends and len(ends) == len(routes) else None,
        data={**entry.data, "routes": [_written(held) for held in routes]},
    )


def _written(held: HeldRoute) -> Dict[str, Any]:
    route = held.route
    return {
        "prefix": str(route.prefix),
        "type": route.type,
        "hops": [[None if hop.address is None else str(hop.address), hop.interface] for hop in route.hops],
        "metric": route.metric,
        "announce": route.announce,
        "until": held.until,
    }


def _read(entry: OverlayEntry) -> Iterator[HeldRoute]:
    for data in _list(entry.data.get("routes")):
        try:
            yield _held(data)
        except (KeyError, TypeError, ValueError):
            continue


def _held(data: Mapping[str, Any]) -> HeldRoute:
    hops = tuple(
        StaticHop(None if address is None else read_address(address), str(name)) for address, name in data["hops"]
    )
    until = None if data["until"] is None else float(data["until"])
    if data["type"] not in TYPES:
        raise ValueError(data["type"])
    route = WantedRoute(read_network(data["prefix"]), data["type"], hops, int(data["metric"]), bool(data["announce"]))
    return HeldRoute(route, until)


def _list(found: Any) -> List[Any]:
    return found if isinstance(found, list) else []
