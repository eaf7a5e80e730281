"""What an FRR configuration says about BGP sessions, and how it says that one is closed."""

from __future__ import annotations

import re
from typing import AbstractSet, Dict, FrozenSet, List, Mapping, Optional, Set, Tuple

from netorch.plan.bgp_text import BgpText, TextSession
from netorch.plan.frr.sections import Neighbor, Statement, read_router, sections

_ANNOUNCED = re.compile(r"ipv?6? prefix-list announced_(ipv[46]) (?:seq \d+ )?(permit|deny) (\S+)")
_CHOOSING = ("route-map", "prefix-list", "filter-list", "distribute-list")
_LINE = re.compile(r"(?P<indent>\s*)neighbor (?P<address>\S+) (?P<keyword>\S+)")

_ALL, _SOME, _NOTHING = "all", "some", "nothing"


def read_bgp(text: str, *, own_asn: int) -> BgpText:
    """What the configuration ``text`` says; anything that is no FRR configuration says nothing."""
    bgp = read_router(text)
    maps = _route_maps(text)
    usual = _SOME if not bgp.neighbors else _without_policy(text, bgp.common)
    return BgpText(
        {name: _session(one, own_asn or bgp.asn, maps=maps, usual=usual) for name, one in bgp.neighbors.items()},
        _announced(text),
    )


def _without_policy(text: str, common: AbstractSet[str]) -> str:
    """What passes between networks where no filter is named. Source: FRR doc/user/bgp.rst, "bgp ebgp-requires-policy"."""
    if "bgp ebgp-requires-policy" in common:
        return _NOTHING
    relaxed = any(section.head == "frr defaults datacenter" for section in sections(text))
    return _ALL if relaxed or "no bgp ebgp-requires-policy" in common else _NOTHING


def _session(one: Neighbor, own_asn: object, *, maps: Mapping[str, str], usual: str) -> TextSession:
    remote = one.value("remote-as")
    external = remote not in ("internal", str(own_asn))
    imports = {family: _passes(said, "in", maps, usual=usual if external else _ALL) for family, said in _of(one)}
    exports = {family: _passes(said, "out", maps, usual=usual if external else _ALL) for family, said in _of(one)}
    return TextSession(
        name=one.name,
        is_external=external,
        closed=one.closed,
        families=tuple(one.families),
        unfiltered=tuple(family for family, what in imports.items() if what == _ALL),
        leaky=tuple(family for family, what in exports.items() if what == _ALL),
        mute=tuple(family for family, what in exports.items() if what == _NOTHING),
    )


def _of(one: Neighbor) -> Tuple[Tuple[str, FrozenSet[Statement]], ...]:
    return tuple(one.families.items())


def _passes(said: AbstractSet[Statement], direction: str, maps: Mapping[str, str], *, usual: str) -> str:
    chosen = [words for words in said if words[0] in _CHOOSING and words[-1] == direction and len(words) == 3]
    if not chosen:
        return usual
    found = [maps.get(words[1], _NOTHING) if words[0] == "route-map" else _SOME for words in chosen]
    return _NOTHING if _NOTHING in found else _SOME if _SOME in found else _ALL


def _route_maps(text: str) -> Dict[str, str]:
    """What each route map lets through. One that is not defined lets nothing through."""
    entries: Dict[str, List[Tuple[int, str, bool]]] = {}
    for section in sections(text):
        words = section.head.split()
        if words[0] == "route-map" and len(words) == 4 and words[3].isdigit():
            asks = any(line.startswith(("match ", "call ")) for line in section.lines)
            entries.setdefault(words[1], []).append((int(words[3]), words[2], asks))
    return {name: _let_through(sorted(found)) for name, found in entries.items()}


def _let_through(entries: List[Tuple[int, str, bool]]) -> str:
    if all(action == "deny" for _, action, _ in entries):
        return _NOTHING
    _, action, asks = entries[0]
    return _ALL if action == "permit" and not asks else _SOME


def _announced(text: str) -> Dict[str, FrozenSet[str]]:
    """The prefix lists ``announced_ipv4`` and ``announced_ipv6``, which the export route maps ask."""
    found: Dict[str, Set[str]] = {}
    for section in sections(text):
        match = _ANNOUNCED.match(section.head)
        if match is not None:
            prefixes = found.setdefault(match.group(1), set())
            if match.group(2) == "permit":
                prefixes.add(match.group(3))
    return {family: frozenset(prefixes) for family, prefixes in found.items()}


def rewrite_closed(text: str, *, to_close: AbstractSet[str], to_open: AbstractSet[str]) -> str:
    """``text`` with the sessions ``to_close`` closed and those ``to_open`` open, otherwise as it was."""
    bgp = read_router(text)
    opening = {one.address for name, one in bgp.neighbors.items() if name in to_open}
    closing = {one.address for name, one in bgp.neighbors.items() if name in to_close and not one.closed}
    described = {one.address for one in bgp.neighbors.values() if one.value("description")}
    lines: List[str] = []
    for line in text.splitlines(keepends=True):
        match = _LINE.match(line)
        address, keyword = (match["address"], match["keyword"]) if match else ("", "")
        if keyword == "shutdown" and address in opening:
            continue
        lines.append(line)
        # Where FRR itself shows it.
        if match and address in closing and keyword == ("description" if address in described else "remote-as"):
            lines.append(f"{match['indent']}neighbor {address} shutdown\n")
    return "".join(lines)


def read_passwords(text: str) -> Dict[str, Optional[str]]:
    """The password, None without one, of every session, by the neighbour's address."""
    return {one.address: one.value("password") for one in read_router(text).neighbors.values()}
