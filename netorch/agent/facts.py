"""Facts of the device, as the JSON of model.facts.DeviceFacts.

Plain documents all the way: building the model's classes would double the time that a run without changes takes.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress

from netorch.agent import journal, services
from netorch.agent.clock import now, uptime
from netorch.agent.daemons import (
    DaemonAbsent,
    DaemonRefused,
    DaemonSilent,
    daemon_of,
    other_speaker,
    refuse_beside,
)
from netorch.agent.files import file_fact, read_json, read_sysctl, read_text, sha256_of
from netorch.agent.outcome import Busy, Refused, answer
from netorch.agent.paths import OVERLAY
from netorch.agent.record import read_state
from netorch.io.netlink.addresses import read_addresses
from netorch.io.netlink.neighbours import read_neighbours
from netorch.io.netlink.route_socket import AF_INET, RouteSocket
from netorch.io.netlink.routes import read_device_routes
from netorch.io.netlink.rules import read_rules
from netorch.model.conventions import KERNEL_PROTOCOL, ORIGIN, SILENT, VALIDATORS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

    from netorch.agent.daemons import Daemon, ShortProtocol
    from netorch.agent.journal import Journal
    from netorch.io.netlink.links import LinkEntry
    from netorch.io.netlink.neighbours import NeighbourEntry

_INTERFACES = "/sys/class/net"
_MAC_IS_SET = "3\n"


def gather(request: Dict[str, Any]) -> Dict[str, Any]:
    """The answer to a FactsRequest."""
    pending = journal.read_pending()
    if pending is not None and journal.is_decided(pending):
        _recover()
    document, _ = look(request)
    return answer("facts", facts=document, generation=document["generation"])


def _recover() -> None:
    """A change that nobody can confirm any more, such as one from before a restart, is undone before anything is told."""
    from netorch.agent.undo import recover

    with suppress(Busy), journal.Lock("netorch", "undoing a change that was not confirmed"):
        recover()


def look(request: Dict[str, Any]) -> Tuple[Dict[str, Any], List[ShortProtocol]]:
    """DeviceFacts as JSON, and the daemon's protocols in short."""
    wants = request.get("wants", ())
    waiting = journal.read_pending()
    try:
        daemon, sessions = _daemon(request["daemon"], full="protocols" in wants)
    except DaemonSilent:
        if SILENT not in wants:
            raise
        daemon, sessions = _silent(request["daemon"]), []
    files = [file_fact(path) for path in request.get("files", ())]
    overlay = overlay_entries()
    generation = journal.current_generation()
    document: Dict[str, Any] = {
        "device": request["device"],
        "agent": services.version(),
        "generation": generation,
        "daemon": daemon,
        "files": files,
        "overlay": overlay,
        "pending": _pending(waiting, daemon),
        "undone": journal.undone_since(generation),
        "confirmed": _confirmed(generation) if generation else None,
    }
    document["validators"], document["origins"] = _validators(request["daemon"], wants)
    if request.get("announced") is not None:
        document["announced"] = _announced(request)
    if "certificate" in wants:
        document["certificate"] = _certificate()
    with RouteSocket() as kernel:
        neighbours = read_neighbours(kernel)
        owned = _owned_items(kernel, neighbours)
        links = _links(kernel, counters="links" in wants) if "links" in wants or request.get("aliases") else []
        document["links_at_s"] = uptime() if "links" in wants else None
        document["neighbours"] = _neighbours(neighbours) if "neighbours" in wants else []
        document["route_counts"] = _route_counts(kernel) if "route_counts" in wants else []
    names = {link.index: link.name for link in links}
    document["links"] = [_link(link, names) for link in links] if "links" in wants else []
    document["base"] = _base(document, _not_the_mirrors(owned))
    document["items"] = [
        *owned,
        *_aliases(links, request.get("aliases", ())),
        *_sysctls(request.get("sysctls", ())),
        *({"kind": "OverlayItem", "entry": entry} for entry in overlay),
        *({"kind": "ClosedSessionItem", "session": session.name} for session in sessions if session.is_closed),
        *services.running(),
    ]
    document["agents"] = services.describe() if "mirror" in wants else []
    return document, sessions


def _announced(request: Dict[str, Any]) -> List[Dict[str, Any]]:
    from netorch.agent.announced import (
        announcements,
    )  # it reads and writes JSON, which takes as long as all other facts
    from netorch.model.codec import to_json

    with suppress(DaemonAbsent), daemon_of(request["daemon"]).connect() as control:
        return list(to_json(announcements(control, request["announced"])))
    return []


def _certificate() -> Optional[Dict[str, Any]]:
    from netorch.agent.certificates import read_certificate

    return read_certificate()


def overlay_entries() -> List[Dict[str, Any]]:
    """The overlay that this device keeps, ordered by id."""
    document = read_json(OVERLAY)
    return [] if document is None else list(document["entries"])


def _base(document: Dict[str, Any], owned: List[Dict[str, Any]]) -> str:
    """A digest of what netorch owns here; counters, sessions' states and times are none of it."""
    state = (
        document["generation"],
        document["daemon"]["live_stamp"],
        document["daemon"]["disk_stamp"],
        [(file["path"], file["sha256"]) for file in document["files"]],
        sorted(json.dumps(item, sort_keys=True) for item in owned),
        document["overlay"],
    )
    return sha256_of(json.dumps(state, sort_keys=True).encode())


def _not_the_mirrors(owned: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """What only a deploy changes. Where the mirror's agent looks after its entries they may change between plan and apply, and
    a plan that touches one says what is there afterwards, whatever was there before."""
    if not services.is_installed(services.MIRROR):
        return owned
    return [item for item in owned if item["kind"] not in ("NeighbourItem", "PeerItem", "RouteItem")]


def _silent(name: str) -> Dict[str, Any]:
    """Of a daemon that does not answer, for who wants to know the rest all the same."""
    disk = read_text(daemon_of(name).path)
    stamp = None if disk is None else daemon_of(name).stamp_of(disk)
    return {"name": name, "version": None, "running": False, "live_stamp": None, "disk_stamp": stamp}


def _daemon(name: str, *, full: bool) -> Tuple[Dict[str, Any], List[ShortProtocol]]:
    daemon = daemon_of(name)
    disk = read_text(daemon.path)
    facts: Dict[str, Any] = {
        "name": daemon.name,
        "version": None,
        "running": False,
        "live_stamp": None,
        "disk_stamp": None if disk is None else daemon.stamp_of(disk),
        "obstacle": _obstacle(daemon.refuse_manager),
    }
    try:
        with daemon.connect() as control:
            facts.update(version=control.version, running=True, live_stamp=control.live_stamp())
            facts["started_without"] = list(daemon.started_without())
            facts["live_lines"] = control.live_lines(facts["live_stamp"])
            facts["last_reconfiguration"] = control.last_reconfiguration()
            found = control.short_protocols()
            facts["protocols"] = control.full_protocols() if full else [_protocol(short) for short in found]
            return facts, found
    except DaemonAbsent:
        facts["version"] = daemon.installed_version()
    other = other_speaker(daemon)
    if other is not None:
        facts["other"] = {"name": other.name, "sessions": _open_sessions(other)}
        facts["obstacle"] = facts["obstacle"] or _obstacle(lambda: refuse_beside(daemon, other))
    return facts, []


def _validators(name: str, wants: Iterable[str]) -> Tuple[List[Dict[str, Any]], List[Dict[str, Any]]]:
    """The validators, and what they say of the origins that are wanted; nothing unless they are."""
    if VALIDATORS in wants:
        origins = [want.split()[1:] for want in wants if want.startswith(f"{ORIGIN} ")]
        with suppress(DaemonAbsent), daemon_of(name).connect() as control:
            return control.validators([(prefix, int(asn)) for prefix, asn in origins])
    return [], []


def _obstacle(refuse: Callable[[], None]) -> Optional[Dict[str, str]]:
    """What ``refuse`` has against a new configuration."""
    try:
        refuse()
    except Refused as exc:
        return {"message": exc.message, "hint": exc.hint}
    return None


def _open_sessions(daemon: Daemon) -> List[str]:
    with suppress(DaemonAbsent, DaemonSilent, DaemonRefused), daemon.connect() as control:
        return [found.name for found in control.short_protocols() if found.protocol == "BGP" and not found.is_closed]
    return []


def _protocol(short: ShortProtocol) -> Dict[str, Any]:
    return {
        "name": short.name,
        "protocol": short.protocol,
        "table": short.table,
        "state": short.state,
        "since": short.since,
        "info": short.info,
        "bgp_state": short.bgp_state,
    }


def _family(number: int) -> str:
    return "ipv4" if number == AF_INET else "ipv6"


def _owned_items(kernel: RouteSocket, neighbours: List[NeighbourEntry]) -> List[Dict[str, Any]]:
    items: List[Dict[str, Any]] = []
    for address in read_addresses(kernel):
        if address.protocol != KERNEL_PROTOCOL:
            continue
        if address.peer is not None:
            items.append(
                {"kind": "PeerItem", "interface": address.interface, "local": address.local, "peer": address.peer}
            )
        else:
            text = f"{address.local}/{address.length}"
            items.append({"kind": "AddressItem", "interface": address.interface, "address": text})
    items += (
        {"kind": "NeighbourItem", "interface": entry.interface, "address": entry.address, "mac": entry.mac}
        for entry in neighbours
        if entry.protocol == KERNEL_PROTOCOL and entry.mac is not None and entry.state == "permanent"
    )
    items += (
        {"kind": "RouteItem", "prefix": route.prefix, "interface": route.interface}
        for route in read_device_routes(kernel, protocol=KERNEL_PROTOCOL)
    )
    items += (
        {
            "kind": "RuleItem",
            "family": _family(rule.family),
            "priority": rule.priority,
            "mark": rule.mark,
            "table": rule.table,
        }
        for rule in read_rules(kernel)
        if rule.protocol == KERNEL_PROTOCOL
    )
    return items


def _neighbours(entries: List[NeighbourEntry]) -> List[Dict[str, Any]]:
    return [
        {
            "family": _family(entry.family),
            "interface": entry.interface,
            "address": entry.address,
            "mac": entry.mac,
            "state": entry.state,
            "protocol": entry.protocol,
        }
        for entry in entries
    ]


def _route_counts(kernel: RouteSocket) -> List[Dict[str, Any]]:
    from netorch.io.netlink.route_counts import count_routes

    return [
        {"family": _family(family), "table": table, "routes": routes}
        for (family, table), routes in sorted(count_routes(kernel).items())
    ]


def _links(kernel: RouteSocket, *, counters: bool) -> List[LinkEntry]:
    from netorch.io.netlink.links import read_links  # takes as long to import as the others together

    return read_links(kernel, counters=counters)


def _link(link: LinkEntry, names: Dict[int, str]) -> Dict[str, Any]:
    rx_bytes, tx_bytes, rx_packets, tx_packets = link.counters
    return {
        "name": link.name,
        "mac": link.mac,
        "up": link.up,
        "carrier": link.carrier,
        "alias": link.alias,
        "rx_bytes": rx_bytes,
        "tx_bytes": tx_bytes,
        "rx_packets": rx_packets,
        "tx_packets": tx_packets,
        "mac_follows_ports": mac_follows_ports(link.name),
        "vlan": link.vlan,
        "vlan_on": "" if link.vlan is None else names.get(link.below or 0, ""),
    }


def mac_follows_ports(interface: str) -> bool:
    """Whether ``interface`` is a bridge that nobody gave a MAC: its own is one of its ports', and changes with them.

    Source: linux/netdevice.h, NET_ADDR_SET, and net/bridge/br_stp_if.c, br_stp_recalculate_bridge_id(). Only sysfs tells.
    """
    folder = f"{_INTERFACES}/{interface}"
    if not os.path.isdir(f"{folder}/bridge"):
        return False
    try:
        return read_text(f"{folder}/addr_assign_type") not in (None, _MAC_IS_SET)
    except OSError:  # it has just gone
        return False


def _aliases(links: List[LinkEntry], wanted: Any) -> List[Dict[str, Any]]:
    names = set(wanted)
    return [
        {"kind": "AliasItem", "interface": link.name, "alias": link.alias}
        for link in links
        if link.name in names and link.alias
    ]


def _sysctls(wanted: Any) -> List[Dict[str, Any]]:
    values = ((name, read_sysctl(name)) for name in wanted)
    return [{"kind": "SysctlItem", "name": name, "value": value} for name, value in values if value is not None]


def _confirmed(generation: int) -> Dict[str, Any]:
    kept = journal.read_generation(generation)
    return {**read_state(generation), "author": kept.get("author", ""), "reason": kept.get("reason", "")}


def _pending(before: Optional[Journal], daemon: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """The change that waits; ``before`` is the one that did when ``daemon`` had not been asked yet."""
    pending = journal.read_pending()
    if pending is None:
        return None
    has_waited = before is not None and before["id"] == pending["id"] and before["phase"] == journal.APPLIED
    candidate = pending["daemon"]["candidate"]
    left_s = max(0.0, pending["deadline"] - uptime())
    return {
        "id": pending["id"],
        "author": pending["author"],
        "reason": pending.get("reason", ""),
        "since": min(pending["since"], now()),
        "remaining_s": left_s,
        "replaced": has_waited
        and pending["phase"] == journal.APPLIED
        and candidate is not None
        and daemon["running"]
        and daemon["live_stamp"] != candidate,
    }
