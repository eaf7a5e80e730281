"""The agents' settings, as deploy writes them; checked whole before any of it is used."""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Callable, Dict, FrozenSet, List, Optional, Tuple, TypeVar

from netorch.model.types import Mac

VERSION = 1
MAX_BYTES = 4 << 20
MAX_NEXT_HOPS = 8192
_INTERFACE_BYTES = 15  # IFNAMSIZ of linux/if.h, its zero byte left out

T = TypeVar("T")


class SettingsError(Exception):
    """What is wrong with settings: where, what was found, what was expected."""


@dataclass(frozen=True)
class HoldDownSettings:
    """More than ``changes`` changes of one MAC within ``period_s`` hold it as it is for ``hold_s``."""

    changes: int = 6
    period_s: float = 10.0
    hold_s: float = 30.0


@dataclass(frozen=True)
class ServedHop:
    """A provider's address as its switch has it. ``macs``: the only ones that may be told, () for any."""

    address: str
    interface: str
    provider: str
    circuit: int
    macs: FrozenSet[Mac]


@dataclass(frozen=True)
class FeedSettings:
    """What a switch's agent is to do. ``hosts``: the addresses that each may be told."""

    switch: str
    port: int
    listen: Tuple[str, ...]
    next_hops: Tuple[ServedHop, ...]
    hosts: Dict[str, FrozenSet[str]]
    probe_s: float = 0.75
    metrics: Optional[str] = None


@dataclass(frozen=True)
class FollowedHop:
    """A provider's address as a host is to have it; ``local`` is the host's own address on that interface."""

    address: str
    local: str
    provider: str
    circuit: int
    macs: FrozenSet[Mac]


@dataclass(frozen=True)
class FollowedFeed:
    """A switch that a host listens to, and the only addresses that it is believed of."""

    switch: str
    addresses: Tuple[str, ...]
    port: int
    interface: str
    next_hops: Tuple[FollowedHop, ...]


@dataclass(frozen=True)
class MirrorSettings:
    """What a host's agent is to do."""

    host: str
    hold_down: HoldDownSettings
    feeds: Tuple[FollowedFeed, ...]
    metrics: Optional[str] = None


def parse_feed(data: bytes) -> FeedSettings:
    """The settings of a switch's agent. Raises SettingsError."""
    top = _document(data)
    hops = tuple(_served(part) for part in top.parts("next_hops"))
    known = _unique((hop.address for hop in hops), "next_hops: address")
    hosts = {}
    for host, addresses in top.mapping("hosts").items():
        found = frozenset(_text_address(address, f"hosts.{host}") for address in _listed(addresses, f"hosts.{host}"))
        if not found <= known:
            raise SettingsError(f"hosts.{host}: found {sorted(found - known)[0]}, expected an address of next_hops")
        hosts[host] = found
    return FeedSettings(
        switch=top.text("switch"),
        port=top.port(),
        listen=tuple(_text_address(one, "listen") for one in _listed(top.value("listen", list), "listen")),
        next_hops=hops,
        hosts=hosts,
        probe_s=top.number("probe_s", least=0.1, most=60.0, default=0.75),
        metrics=top.optional_path("metrics"),
    )


def parse_mirror(data: bytes) -> MirrorSettings:
    """The settings of a host's agent. Raises SettingsError."""
    top = _document(data)
    feeds = tuple(_followed_feed(part) for part in top.parts("feeds"))
    _unique((feed.switch for feed in feeds), "feeds: switch")
    _unique(((feed.interface, hop.address) for feed in feeds for hop in feed.next_hops), "feeds: interface, address")
    if sum(len(feed.next_hops) for feed in feeds) > MAX_NEXT_HOPS:
        raise SettingsError(f"feeds: expected at most {MAX_NEXT_HOPS} next hops")
    hold = _Part(top.mapping("hold_down") if "hold_down" in top.document else {}, "hold_down.")
    return MirrorSettings(
        host=top.text("host"),
        hold_down=HoldDownSettings(
            changes=int(hold.number("changes", least=1, most=1000, default=6)),
            period_s=hold.number("period_s", least=0.1, most=3600, default=10),
            hold_s=hold.number("hold_s", least=0.1, most=86400, default=30),
        ),
        feeds=feeds,
        metrics=top.optional_path("metrics"),
    )


class _Part:
    """An object of the document, and the place where it stands, for messages."""

    def __init__(self, document: Dict[str, Any], where: str) -> None:
        self.document = document
        self.where = where

    def value(self, name: str, kind: type) -> Any:
        found = self.document.get(name)
        if type(found) is not kind:  # a bool would pass for a number
            raise SettingsError(f"{self.where}{name}: found {_shown(found)}, expected {_KINDS[kind]}")
        return found

    def text(self, name: str) -> str:
        found = str(self.value(name, str))
        if not found:
            raise SettingsError(f"{self.where}{name}: found an empty text, expected a name")
        return found

    def mapping(self, name: str) -> Dict[str, Any]:
        return dict(self.value(name, dict))

    def parts(self, name: str) -> List[_Part]:
        found = self.value(name, list)
        if len(found) > MAX_NEXT_HOPS:
            raise SettingsError(f"{self.where}{name}: found {len(found)}, expected at most {MAX_NEXT_HOPS}")
        places = [f"{self.where}{name}[{number}]" for number in range(len(found))]
        for place, part in zip(places, found):
            if type(part) is not dict:
                raise SettingsError(f"{place}: found {_shown(part)}, expected an object")
        return [_Part(part, f"{place}.") for place, part in zip(places, found)]

    def number(self, name: str, *, least: float, most: float, default: float) -> float:
        found = self.document.get(name, default)
        if type(found) not in (int, float) or not least <= found <= most:
            raise SettingsError(f"{self.where}{name}: found {_shown(found)}, expected a number from {least} to {most}")
        return float(found)

    def port(self) -> int:
        found = int(self.value("port", int))
        if not 0 < found < 65536:
            raise SettingsError(f"{self.where}port: found {found}, expected a TCP port")
        return found

    def address(self, name: str) -> str:
        return _text_address(self.value(name, str), f"{self.where}{name}")

    def interface(self) -> str:
        found = self.text("interface")
        if len(found.encode()) > _INTERFACE_BYTES or "/" in found:
            raise SettingsError(f"{self.where}interface: found {found!r}, expected the name of an interface")
        return found

    def macs(self) -> FrozenSet[Mac]:
        where = f"{self.where}macs"
        return frozenset(_checked(Mac, one, where=where) for one in _listed(self.document.get("macs", []), where))

    def optional_path(self, name: str) -> Optional[str]:
        found = self.document.get(name)
        if found is not None and (type(found) is not str or not found.startswith("/")):
            raise SettingsError(f"{self.where}{name}: found {_shown(found)}, expected an absolute path")
        return found


_KINDS = {str: "a text", int: "a whole number", list: "a list", dict: "an object"}


def _document(data: bytes) -> _Part:
    if len(data) > MAX_BYTES:
        raise SettingsError(f"found {len(data)} bytes, expected at most {MAX_BYTES}")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise SettingsError(f"not JSON: {exc}") from None
    if type(found) is not dict:
        raise SettingsError(f"found {_shown(found)}, expected an object")
    if found.get("version") != VERSION or type(found["version"]) is not int:
        raise SettingsError(f"version: found {_shown(found.get('version'))}, expected {VERSION}")
    return _Part(found, "")


def _served(part: _Part) -> ServedHop:
    return ServedHop(
        part.address("address"),
        part.interface(),
        part.text("provider"),
        part.value("circuit", int),
        part.macs(),
    )


def _followed_feed(part: _Part) -> FollowedFeed:
    addresses = tuple(_text_address(one, f"{part.where}addresses") for one in part.value("addresses", list))
    if not addresses:
        raise SettingsError(f"{part.where}addresses: found none, expected those of the switch")
    hops = tuple(_followed_hop(one) for one in part.parts("next_hops"))
    return FollowedFeed(part.text("switch"), addresses, part.port(), part.interface(), hops)


def _followed_hop(part: _Part) -> FollowedHop:
    hop = FollowedHop(
        part.address("address"),
        part.address("local"),
        part.text("provider"),
        part.value("circuit", int),
        part.macs(),
    )
    if (":" in hop.address) != (":" in hop.local):
        raise SettingsError(f"{part.where}local: found {hop.local}, expected the family of {hop.address}")
    return hop


def _text_address(text: Any, where: str) -> str:
    """An address as the kernel's reader writes it; one that a next hop can have."""
    found = _checked(ip_address, text, where=where)
    if found.is_multicast or found.is_unspecified or found.is_loopback or "%" in str(found):
        raise SettingsError(f"{where}: found {text}, expected a unicast address")
    return str(found)


def _checked(make: Callable[[str], T], text: Any, *, where: str) -> T:
    try:
        if type(text) is str:
            return make(text)
    except ValueError:
        pass
    raise SettingsError(f"{where}: found {_shown(text)}, expected {'a MAC' if make is Mac else 'an IP address'}")


def _listed(found: Any, where: str) -> List[Any]:
    if type(found) is not list:
        raise SettingsError(f"{where}: found {_shown(found)}, expected a list")
    return found


def _unique(values: Any, where: str) -> FrozenSet[Any]:
    seen = set()
    for value in values:
        if value in seen:
            raise SettingsError(f"{where}: found {value} twice, expected it once")
        seen.add(value)
    return frozenset(seen)


def _shown(found: Any) -> str:
    text = json.dumps(found)
    return text if len(text) <= 60 else f"{text[:57]}..."
