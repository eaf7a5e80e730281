"""A POP before and after a deploy: what it lost, and the figures that show it."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from netorch.model.checks import findings, is_up
from netorch.model.conventions import MAIN_TABLE
from netorch.model.facts import DeviceFacts
from netorch.model.intent import NOTHING, DeviceIntent, Intent
from netorch.model.plan import Check
from netorch.model.policy import Tolerance
from netorch.model.types import Family
from netorch.plan.checks import must_announce

Facts = Mapping[str, DeviceFacts]

WANTS = ("protocols", "route_counts")
"""What both sides of a comparison must have been asked for."""


def find_losses(intent: Intent, before: Facts, after: Facts, *, tolerance: Tolerance) -> Dict[str, Tuple[str, ...]]:
    """What devices of ``before`` lost that ``intent`` does not take away, in words by device; devices that are well are missing.

    Every session that was up is up, or is meant to be closed; it accepts its prefixes and still announces some; the hosts'
    main tables are not much smaller. Where the change closed a provider's sessions, or silenced a host, these routes are missing
    inside of the POP as well: then the providers' sessions alone are judged by their prefixes.
    """
    lost: Dict[str, Tuple[str, ...]] = {}
    for name, held in before.items():
        device, now = intent.device(name), after.get(name)
        if now is None:
            continue
        fewer_is_meant = _closes_a_provider(intent, device.pop, before) or _silences_a_host(intent, device.pop, before)
        found = _sessions(device, held, now, tolerance=tolerance, fewer_is_meant=fewer_is_meant)
        found += _exports(device, held, now)
        if not fewer_is_meant:
            found += _tables(held, now, tolerance)
        if found:
            lost[name] = tuple(found)
    return lost


def _closes_a_provider(intent: Intent, pop: str, before: Facts) -> bool:
    for device in intent.in_pop(pop, "switch"):
        stays = {session.name for session in device.sessions if session.enabled}
        held = before.get(device.name)
        for protocol in held.daemon.protocols if held is not None else ():
            is_external = protocol.neighbor_asn not in (None, intent.asn)
            if protocol.bgp_state == "Established" and is_external and protocol.name not in stays:
                return True
    return False


def _silences_a_host(intent: Intent, pop: str, before: Facts) -> bool:
    for device in intent.in_pop(pop, "host"):
        held = before.get(device.name)
        if device.fabric_export == NOTHING and held is not None:
            for protocol in held.daemon.protocols:
                if any(channel.routes_exported for channel in protocol.channels if protocol.protocol == "BGP"):
                    return True
    return False


def _sessions(
    device: DeviceIntent, before: DeviceFacts, after: DeviceFacts, *, tolerance: Tolerance, fewer_is_meant: bool
) -> List[str]:
    held = {protocol.name: protocol for protocol in before.daemon.protocols}
    now = {protocol.name: protocol for protocol in after.daemon.protocols}
    found: List[str] = []
    for session in device.sessions:
        was = held.get(session.name)
        if session.enabled and is_up(was):
            is_judged = session.kind == "provider" or not fewer_is_meant
            limit = tolerance.prefix_drop_percent if is_judged else None
            found += findings(Check(up=(session.name,), prefix_drop_percent=limit), now, held)
    return found


def _exports(device: DeviceIntent, before: DeviceFacts, after: DeviceFacts) -> List[str]:
    found: List[str] = []
    for session in device.sessions:
        if must_announce(device, session):
            had = _routes(before, session.name, session.family, "routes_exported")
            has = _routes(after, session.name, session.family, "routes_exported")
            if had and has == 0:
                found.append(f"{session.name}: announces nothing, {had} {session.family.value} prefixes before")
    return found


def _routes(facts: DeviceFacts, session: str, family: Family, counter: str) -> Optional[int]:
    protocol = facts.protocol(session)
    channel = protocol.channel(family.value) if protocol is not None else None
    value: Optional[int] = getattr(channel, counter) if channel is not None else None
    return value


def _tables(before: DeviceFacts, after: DeviceFacts, tolerance: Tolerance) -> List[str]:
    found: List[str] = []
    for family in Family:
        had, has = _fib(before, family), _fib(after, family)
        if had and has is not None and 100.0 * (had - has) / had > tolerance.fib_drop_percent:
            limit = f"more than {tolerance.fib_drop_percent:g} % fewer"
            found.append(f"its main table has {has} {family.value} routes, {had} before: {limit}")
    return found


def _fib(facts: DeviceFacts, family: Family) -> Optional[int]:
    counts = [count.routes for count in facts.route_counts if (count.family, count.table) == (family, MAIN_TABLE)]
    return counts[0] if counts else None


def compare_rows(intent: Intent, before: Facts, after: Facts) -> Tuple[Mapping[str, Any], ...]:
    """The figures of each device of ``before``: sessions that are up, prefixes accepted and announced (a switch's with its
    providers, a host's with its switches, a router's with others), received where the daemon keeps what it filtered, and routes
    in the main table."""
    rows: List[Mapping[str, Any]] = []
    for device in intent.devices:
        if device.name in before:
            row: Dict[str, Any] = {"device": device.name}
            for when, facts in (("before", before[device.name]), ("after", after.get(device.name))):
                figures = _figures(device, facts) if facts is not None else dict.fromkeys(FIGURES)
                row.update({f"{name}_{when}": value for name, value in figures.items()})
            for name in FIGURES:
                if row[f"{name}_after"] is None and row[f"{name}_before"] == 0:
                    row[f"{name}_before"] = None  # there was nothing yet, and what is there is not counted
            rows.append(row)
    return tuple(rows)


FAR_ENDS = {"switch": "provider", "host": "switch", "router": "router"}
"""The kind of session whose prefixes a device of each role is judged by."""

FIGURES = ("sessions", "received", "accepted", "announced", "fib_ipv4", "fib_ipv6")
"""What a row has, each with ``_before`` and ``_after``."""


def _sum(counts: Iterable[Optional[int]]) -> Optional[int]:
    """Of what is counted; None where there are sessions, and the daemon counts it of none of them."""
    found = list(counts)
    told = [count for count in found if count is not None]
    return sum(told) if told or not found else None


def _figures(device: DeviceIntent, facts: DeviceFacts) -> Dict[str, Optional[int]]:
    kind = FAR_ENDS[device.role]
    known = {session.name for session in device.sessions}
    far_ends = {session.name for session in device.sessions if session.kind == kind}
    sessions = [protocol for protocol in facts.daemon.protocols if protocol.name in known or protocol.protocol == "BGP"]
    channels = [channel for protocol in sessions if protocol.name in far_ends for channel in protocol.channels]
    accepted = _sum(channel.routes_imported for channel in channels)
    keeps_filtered = any(channel.routes_filtered is not None for channel in channels)
    filtered = sum(channel.routes_filtered or 0 for channel in channels)
    return {
        "sessions": sum(map(is_up, sessions)),
        "received": (accepted or 0) + filtered if keeps_filtered else None,
        "accepted": accepted,
        "announced": _sum(channel.routes_exported for channel in channels),
        "fib_ipv4": _fib(facts, Family.IPV4),
        "fib_ipv6": _fib(facts, Family.IPV6),
    }
