"""What the mirror's agents need on devices: their settings as files, and themselves as services."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, Tuple

from netorch.api import DeviceIntent, FileItem, Intent, Item, NextHop, ServiceItem, WrongSetting

FEED_SETTINGS = "/etc/netorch/feed.json"
MIRROR_SETTINGS = "/etc/netorch/mirror.json"
VERSION = 1
PORT = 7110
HOLD_DOWN = {"changes": 6, "period_s": 10, "hold_s": 30}
"""A MAC that changes more often than ``changes`` times in ``period_s`` is held down for ``hold_s``."""

_HOLD_DOWN_MOST = {"changes": 1000, "period_s": 3600, "hold_s": 86400}
"""What agents take."""

SETTINGS = ("hold_down", "metrics", "port")


def settings_path(device: DeviceIntent) -> str:
    """Where the agent of ``device`` finds its settings."""
    return FEED_SETTINGS if device.role == "switch" else MIRROR_SETTINGS


def agent_items(intent: Intent, device: DeviceIntent) -> Tuple[Item, ...]:
    """The settings and the service of ``device``; () where it has nothing to mirror."""
    if device.role == "switch":
        document, service = _feed(intent, device), "feed"
    else:
        document, service = _mirror(intent, device), "mirror"
    if not document:
        return ()
    text = json.dumps({"version": VERSION, **document, **_metrics(intent)}, sort_keys=True, indent=1) + "\n"
    return (FileItem(settings_path(device), text, mode=0o644), ServiceItem(service))


def _feed(intent: Intent, switch: DeviceIntent) -> Dict[str, Any]:
    hops: Dict[str, Dict[str, Any]] = {}
    hosts: Dict[str, List[str]] = {}
    for host in intent.in_pop(switch.pop, "host"):
        for next_hop in (hop for hop in host.next_hops if hop.switch == switch.name):
            hops[str(next_hop.address)] = {**_next_hop(next_hop), "interface": next_hop.switch_interface}
            hosts.setdefault(host.name, []).append(str(next_hop.address))
    if not hosts:
        return {}
    listen = sorted({session.local for session in switch.sessions if session.kind == "host"}, key=_order)
    return {
        "switch": switch.name,
        "port": _port(intent),
        "listen": [str(address) for address in listen],
        "next_hops": list(hops.values()),
        "hosts": hosts,
    }


def _mirror(intent: Intent, host: DeviceIntent) -> Dict[str, Any]:
    feeds: Dict[str, Dict[str, Any]] = {}
    for next_hop in host.next_hops:
        sessions = [session for session in host.sessions if (session.kind, session.peer) == ("switch", next_hop.switch)]
        feed = feeds.setdefault(
            next_hop.switch,
            {
                "switch": next_hop.switch,
                "addresses": [str(session.neighbor) for session in sessions],
                "port": _port(intent),
                "interface": next_hop.interface,
                "next_hops": [],
            },
        )
        feed["next_hops"].append({**_next_hop(next_hop), "local": str(next_hop.local.ip)})
    if not feeds:
        return {}
    return {"host": host.name, "hold_down": _hold_down(intent), "feeds": list(feeds.values())}


def _next_hop(next_hop: NextHop) -> Dict[str, Any]:
    return {
        "address": str(next_hop.address),
        "provider": next_hop.provider,
        "circuit": next_hop.circuit,
        "macs": list(next_hop.macs),
    }


def _order(address: Any) -> Tuple[int, int]:
    return (address.version, int(address))


def _settings(intent: Intent) -> Mapping[str, Any]:
    return intent.settings.get("arp_mirror", {})


def _port(intent: Intent) -> int:
    return int(_settings(intent).get("port", PORT))


def _metrics(intent: Intent) -> Dict[str, str]:
    path = _settings(intent).get("metrics", "")
    return {"metrics": path} if path else {}


def _hold_down(intent: Intent) -> Dict[str, Any]:
    return {**HOLD_DOWN, **_settings(intent).get("hold_down", {})}


def mistakes(settings: Mapping[str, Any]) -> Tuple[WrongSetting, ...]:
    """What is wrong with the plugin's own settings."""
    found: List[WrongSetting] = []
    port, path = settings.get("port", PORT), settings.get("metrics", "")
    if not _is_number(port, 1, 65535, whole=True):
        found.append(_wrong(("port",), "a TCP port from 1 to 65535", port))
    if not isinstance(path, str) or (path and not (path.startswith("/") and path.endswith(".prom"))):
        found.append(_wrong(("metrics",), "the absolute path of a file whose name ends in .prom", path))
    hold = settings.get("hold_down", {})
    if not isinstance(hold, Mapping):
        return (*found, _wrong(("hold_down",), f"a mapping of {', '.join(HOLD_DOWN)}", hold))
    for name, value in hold.items():
        if name not in HOLD_DOWN:
            hint = f"there are {', '.join(HOLD_DOWN)}"
            found.append(WrongSetting(("hold_down", name), "unknown setting", hint, is_unknown=True))
        elif not _is_number(value, 1, _HOLD_DOWN_MOST[name], whole=name == "changes"):
            what = "a whole number" if name == "changes" else "a number"
            found.append(_wrong(("hold_down", name), f"{what} from 1 to {_HOLD_DOWN_MOST[name]}", value))
    return tuple(found)


def _is_number(value: object, least: float, most: float, *, whole: bool) -> bool:
    kinds = int if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and least <= value <= most


def _wrong(path: Tuple[str, ...], expected: str, found: object) -> WrongSetting:
    return WrongSetting(
        path, f"expected {expected}, found {found!r}", "plugins/arp_mirror/README.md lists the settings"
    )
