"""What changed announcements make of the network. Pure."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Dict, FrozenSet, Iterable, List, Optional, Tuple

from netorch.api import DeviceIntent, Intent, IPNetwork, Overlay, PrefixExport, Session, is_inside

from .entries import Wish, wishes


def amend(intent: Intent, overlay: Overlay) -> Intent:
    """Sessions announce each prefix as was asked. A part of an own prefix is originated by whoever originates the whole, let in
    and forwarded by the switches of the POP, and announced to nobody but those it was announced to. One that is a host's own
    service address is that host's alone: whoever else originated it would take the address away."""
    found: Dict[str, List[Wish]] = {}
    for _, wish in wishes(overlay):
        found.setdefault(wish.place.pop, []).append(wish)
    if not found:
        return intent
    single = {pop: frozenset(n for host in intent.in_pop(pop, "host") for n in own_networks(host)) for pop in found}
    return intent.with_devices(
        lambda device: _amended(device, found[device.pop], single[device.pop]) if device.pop in found else device
    )


def own_networks(host: DeviceIntent) -> Tuple[IPNetwork, ...]:
    """The host's own service addresses, as the prefixes that it tells switches of by itself."""
    return tuple(ip_network(address) for address in host.service)


def covering(prefixes: Iterable[IPNetwork], prefix: IPNetwork) -> Optional[IPNetwork]:
    """The narrowest of ``prefixes`` that ``prefix`` lies in."""
    around = (one for one in prefixes if is_inside(prefix, one))
    return max(around, key=lambda one: one.prefixlen, default=None)


def _amended(device: DeviceIntent, found: List[Wish], single: FrozenSet[IPNetwork]) -> DeviceIntent:
    parts = _parts(device, found)
    if device.role != "switch":
        parts = tuple(part for part in parts if part not in single)
        return replace(device, originated=(*device.originated, *parts)) if parts else device
    originated = (*device.originated, *parts)
    sessions = tuple(_with_exports(session, found, parts) for session in device.sessions)
    return replace(device, originated=originated, sessions=sessions)


def _parts(device: DeviceIntent, found: List[Wish]) -> Tuple[IPNetwork, ...]:
    """What of ``found`` is announced and is a part of a prefix that the device originates, or lets in."""
    asked = dict.fromkeys(wish.place.prefix for wish in found if not wish.export.withheld)
    whole = device.originated
    return tuple(prefix for prefix in asked if prefix not in whole and covering(whole, prefix) is not None)


def _with_exports(session: Session, found: List[Wish], parts: Tuple[IPNetwork, ...]) -> Session:
    policy = session.export_policy
    if session.kind != "provider" or policy is None:
        return session
    mine = {wish.place.prefix: wish.export for wish in found if wish.place.provider == session.peer}
    for prefix in parts:
        mine.setdefault(prefix, PrefixExport(prefix, withheld=True))
    for prefix, export in mine.items():
        if prefix.version == session.family.number:
            policy = policy.with_prefix(export)
    return replace(session, export_policy=policy)
