"""What a program writes to add routes: JSON, one object per line or one list of them, checked as a whole before anything is
done."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from netorch.api import InputFile, IPAddress, IPNetwork, StaticHop, UsageError, did_you_mean

KEYS = ("prefix", "via", "interface", "type", "metric", "announce", "for")
TYPES = ("unicast", "blackhole", "unreachable")
MAX_METRIC = 4294967295
SHORTEST_S = 60.0
LONGEST_S = 3650 * 86400.0
"""A change of devices takes seconds: what lasts no longer would be past its time before it is there."""

_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,14}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_EXAMPLE = '{"prefix": "198.51.100.128/25", "via": "10.1.1.9"}'
_SHOWN = 20


@dataclass(frozen=True)
class WantedRoute:
    """A route as somebody asks for it. Of several for one prefix on a device the lowest ``metric`` counts. ``announce``: the
    POP is to know of it. It ends ``lasts_s`` seconds after it was asked for, None: when it is withdrawn."""

    prefix: IPNetwork
    type: str = "unicast"
    hops: Tuple[StaticHop, ...] = ()
    metric: int = 0
    announce: bool = False
    lasts_s: Optional[float] = None


class _Wrong(Exception):
    """One finding about one key of a route."""

    def __init__(self, key: str, expected: str, found: object, hint: str = "") -> None:
        super().__init__(key)
        where = f"{key}: " if key else ""
        self.text = f"{where}expected {expected}, found {_shown(found)}"
        self.hint = hint


def read_routes(file: InputFile, *, lasts_s: Optional[float]) -> Tuple[WantedRoute, ...]:
    """The routes of ``file``, those of one prefix and metric joined, by prefix. ``lasts_s`` is for those that do not say.

    Raises UsageError with every finding, each with its place.
    """
    findings: List[str] = []
    routes: Dict[Tuple[IPNetwork, int], WantedRoute] = {}
    for place, value in _values(file):
        try:
            route = _route(value, lasts_s)
            key = (route.prefix, route.metric)
            routes[key] = _joined(routes[key], route) if key in routes else route
        except _Wrong as wrong:
            findings.append(f"{place}: {wrong.text}" + (f"\n  hint: {wrong.hint}" if wrong.hint else ""))
    if findings:
        more = len(findings) - _SHOWN
        text = "\n".join(findings[:_SHOWN]) + (f"\nand {more} more like these" if more > 0 else "")
        raise UsageError(text, hint="nothing was changed; docs/own-routes.md says what a route may have")
    return tuple(routes[key] for key in sorted(routes, key=_order))


def _values(file: InputFile) -> Iterator[Tuple[str, Any]]:
    """What each route is written as, with its place."""
    if file.text.lstrip().startswith("["):
        for number, value in enumerate(_loaded(file.text, file.name), start=1):
            yield f"{file.name}: route {number}", value
        return
    for number, line in enumerate(file.text.split("\n"), start=1):
        if line.strip():
            yield f"{file.name}:{number}", _loaded(line, f"{file.name}:{number}")


def _loaded(text: str, place: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        at = f"{place}:{error.lineno}:{error.colno}" if "\n" in text else f"{place}:{error.colno}"
        raise UsageError(
            f"{at}: no JSON: {error.msg}", hint=f"one route per line, such as {_EXAMPLE}, or a list of them"
        ) from error
    except (_Wrong, RecursionError) as error:
        found = error.text if isinstance(error, _Wrong) else "nested too deeply"
        raise UsageError(f"{place}: {found}", hint=f"a route is written like {_EXAMPLE}") from error


def _once(pairs: Sequence[Tuple[str, Any]]) -> Dict[str, Any]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise _Wrong(key, "each key once", f"{key} {keys.count(key)} times")
    return dict(pairs)


def _route(value: Any, lasts_s: Optional[float]) -> WantedRoute:
    if not isinstance(value, dict):
        raise _Wrong("", f"an object such as {_EXAMPLE}", value)
    for key in value:
        if key not in KEYS:
            raise _Wrong("", "no other keys than " + ", ".join(KEYS), key, did_you_mean(key, KEYS))
    if "prefix" not in value:
        raise _Wrong("prefix", "a prefix", None, f"a route is written like {_EXAMPLE}")
    prefix = _prefix(value["prefix"])
    kind = value.get("type", "unicast")
    if kind not in TYPES:
        raise _Wrong("type", "one of " + ", ".join(TYPES), kind, did_you_mean(kind, TYPES))
    return WantedRoute(
        prefix=prefix,
        type=kind,
        hops=_hops(value, prefix, kind),
        metric=_metric(value.get("metric", 0)),
        announce=_flag(value.get("announce", False)),
        lasts_s=_duration(value["for"]) if "for" in value else lasts_s,
    )


def _prefix(found: Any) -> IPNetwork:
    expected = "a prefix with its length, such as 198.51.100.128/25"
    if not isinstance(found, str) or not found.partition("/")[2].isdigit() or "%" in found:
        raise _Wrong("prefix", expected, found)
    try:
        prefix = ip_network(found)
    except ValueError as error:
        hint = ""
        try:
            hint = f"did you mean {ip_network(found, strict=False)}? bits behind the length must be zero"
        except ValueError:
            raise _Wrong("prefix", expected, found) from error
        raise _Wrong("prefix", expected, found, hint) from error
    if prefix.is_multicast or prefix.is_loopback or (prefix.is_link_local and prefix.prefixlen):
        raise _Wrong("prefix", "addresses that are routed", found, "multicast, loopback and link-local ones are not")
    return prefix


def _hops(value: Mapping[str, Any], prefix: IPNetwork, kind: str) -> Tuple[StaticHop, ...]:
    interface, via = value.get("interface", ""), value.get("via", [])
    if not isinstance(interface, str) or ("interface" in value and not _INTERFACE.fullmatch(interface)):
        raise _Wrong("interface", "the name of an interface, at most 15 letters, digits and any of _.:-", interface)
    addresses = tuple(_address(one, prefix, interface) for one in (via if isinstance(via, list) else [via]))
    if len(set(addresses)) < len(addresses):
        raise _Wrong("via", "each address once", via)
    if kind != "unicast":
        if addresses or interface:
            raise _Wrong("type", f"neither via nor interface with {kind}", [*map(str, addresses), interface])
        return ()
    if not addresses and not interface:
        raise _Wrong("via", "a next hop, an interface, or type blackhole or unreachable", None)
    return tuple(StaticHop(address, interface) for address in addresses) or (StaticHop(None, interface),)


def _address(found: Any, prefix: IPNetwork, interface: str) -> IPAddress:
    expected = f"the address of a next hop (IPv{prefix.version}, without length), or a list of them"
    if not isinstance(found, str):
        raise _Wrong("via", expected, found)
    try:
        address = ip_address(found)
    except ValueError as error:
        raise _Wrong("via", expected, found) from error
    if address.version != prefix.version:
        raise _Wrong("via", expected, found)
    if "%" in found or (address.is_link_local and not interface):
        raise _Wrong(
            "via", "a link-local address together with interface", found, 'write "interface": "eth0" beside it'
        )
    if address.is_multicast or address.is_loopback or address.is_unspecified:
        raise _Wrong("via", expected, found, "it must be a neighbour's")
    return address


def _metric(found: Any) -> int:
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= MAX_METRIC:
        raise _Wrong("metric", f"a whole number from 0 to {MAX_METRIC}", found)
    return found


def _flag(found: Any) -> bool:
    if not isinstance(found, bool):
        raise _Wrong("announce", "true or false", found)
    return found


def _duration(found: Any) -> float:
    match = _DURATION.fullmatch(found) if isinstance(found, str) else None
    seconds = float(match.group(1)) * _UNITS[match.group(2)] if match else 0.0
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise _Wrong("for", "a duration from a minute to ten years, such as 10m, 2h or 1d", found)
    return seconds


def _joined(first: WantedRoute, second: WantedRoute) -> WantedRoute:
    """Two lines for one prefix and metric: one route over the next hops of both."""
    hops = (*first.hops, *second.hops)
    if first.type != "unicast" or replace(first, hops=hops) != replace(second, hops=hops):
        raise _Wrong(
            "prefix", "each prefix once, or with next hops that are alike but for via and interface", str(second.prefix)
        )
    if len(set(hops)) < len(hops):
        raise _Wrong("prefix", "each next hop once", str(second.prefix))
    return replace(first, hops=hops)


def _order(key: Tuple[IPNetwork, int]) -> Tuple[int, int, int, int]:
    prefix, metric = key
    return prefix.version, int(prefix.network_address), prefix.prefixlen, metric


def _shown(found: object) -> str:
    text = "nothing" if found is None else repr(found)
    return text if len(text) <= 80 else f"{text[:77]}..."
