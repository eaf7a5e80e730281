"""``netorch arp show`` and ``netorch arp sync``."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from netorch.api import (
    Argument,
    Deploy,
    DeviceFacts,
    Facts,
    Gather,
    Intent,
    Mac,
    NeighbourItem,
    NextHop,
    Report,
    Sighting,
    Steps,
    UsageError,
    Verb,
    VerbContext,
    neighbour_key,
    own_macs_by_pop,
    reachability,
    sighting_in,
)

_HINT = "name a POP, a host, or a switch that hosts have uplinks to"
_TARGET = Argument("target", "POPs, hosts, or switches whose hosts are meant", many=True, kind="targets")


def show(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
    """Both sides of the mirror, one row for each next hop of each host."""
    chosen = _chosen(context.intent, arguments["target"])
    yield from _report(context.intent, chosen)


def sync(context: VerbContext, arguments: Mapping[str, Any]) -> Steps:
    """Apply the mirror's items, and nothing else, to the hosts; then show both sides."""
    chosen = _chosen(context.intent, arguments["target"])
    hosts = tuple(dict.fromkeys(host for host, _ in chosen))
    yield Deploy(hosts, why="mirror of the providers' MAC addresses", only=frozenset({"arp_mirror"}))
    yield from _report(context.intent, chosen)


def _chosen(intent: Intent, targets: Iterable[str]) -> Tuple[Tuple[str, NextHop], ...]:
    """The next hops of hosts in ``targets``, and those that other hosts have from switches in ``targets``."""
    wanted = set(targets)
    chosen = tuple(
        (device.name, next_hop)
        for device in intent.devices
        for next_hop in device.next_hops
        if device.name in wanted or next_hop.switch in wanted
    )
    if not chosen:
        raise UsageError("these targets have no next hops to mirror", hint=_HINT)
    return chosen


def _report(intent: Intent, chosen: Tuple[Tuple[str, NextHop], ...]) -> Steps:
    hosts = [host for host, _ in chosen]
    switches = [next_hop.switch for _, next_hop in chosen]
    devices = tuple(dict.fromkeys((*switches, *hosts)))
    facts: Facts = yield Gather(devices, wants=("neighbours", "links", "protocols"))
    rows = mirror_rows(intent, facts, chosen)
    bad = sum(not row["ok"] for row in rows)
    text = f"{bad} of {len(rows)} next hops need a look" if bad else f"all {len(rows)} next hops are mirrored"
    yield Report(text=text, rows=tuple(rows))


def mirror_rows(intent: Intent, facts: Facts, chosen: Iterable[Tuple[str, NextHop]]) -> List[Dict[str, Any]]:
    """One row for each next hop; ``ok`` is False where the host may send to a wrong MAC, or to none."""
    macs = own_macs_by_pop(intent, facts)
    closed = {
        (device.name, session.circuit, session.family)
        for device in intent.devices
        for session in device.sessions
        if session.kind == "provider" and not session.enabled
    }
    rows = []
    for host, next_hop in chosen:
        sighting = sighting_in(facts, next_hop, macs[intent.device(host).pop])
        host_mac = _host_mac(facts.get(host), next_hop)
        is_closed = (next_hop.switch, next_hop.circuit, next_hop.family) in closed
        verdict = _verdict(sighting, facts.get(host), next_hop, is_closed=is_closed)
        rows.append(
            {
                "host": host,
                "interface": next_hop.interface,
                "next_hop": str(next_hop.address),
                "provider": next_hop.provider,
                "circuit": next_hop.circuit,
                "switch": next_hop.switch,
                "switch_mac": sighting.mac if sighting else None,
                "switch_state": sighting.state if sighting else None,
                "host_mac": host_mac,
                "ok": verdict in ("mirrored", "session closed"),
                "verdict": verdict,
            }
        )
    return rows


def _host_mac(host: Optional[DeviceFacts], next_hop: NextHop) -> Optional[Mac]:
    items = host.items if host is not None else ()
    key = neighbour_key(next_hop)
    return next((item.mac for item in items if isinstance(item, NeighbourItem) and item.key == key), None)


def _verdict(sighting: Optional[Sighting], host: Optional[DeviceFacts], next_hop: NextHop, *, is_closed: bool) -> str:
    if host is None:
        return "host cannot be asked"
    mac = _host_mac(host, next_hop)
    if sighting is None:
        return "switch cannot be asked" + (", host keeps its entry" if mac else "")
    if sighting.refusal:
        return f"refused: {sighting.refusal}"
    if sighting.mac is None:
        if is_closed:
            return "session closed"
        return "not resolved" + (", host keeps its entry" if mac else "")
    if mac is None:
        return "missing on the host"
    if mac != sighting.mac:
        return "host has another MAC"
    return "mirrored" if any(item == reachability(next_hop) for item in host.items) else "not reachable on the host"


VERBS = (
    Verb("arp show", "neighbours on switches and their mirror on hosts", show, arguments=(_TARGET,)),
    Verb("arp sync", "mirror the switches' neighbours to hosts, once", sync, arguments=(_TARGET,)),
)
