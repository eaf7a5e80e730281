"""What FRR announces: ``show bgp FAMILY unicast neighbors ADDRESS advertised-routes [detail] json``.

FRR 8.4.4 has no ``detail``, and does not tell the communities of what it announces: they follow from the route maps that it runs.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

from netorch.errors import ParseError
from netorch.model.announced import Announcement
from netorch.model.communities import WELL_KNOWN
from netorch.model.types import IPNetwork
from netorch.parse.announced import announcement, in_order
from netorch.parse.frr.answer import Fields, read_json
from netorch.parse.textfsm_rows import refused_values

_NUMBERS = {name: f"{asn}:{value}" for (asn, value), name in WELL_KNOWN.items()}
_MATCH_PREFIXES = ("ip address prefix-list ", "ipv6 address prefix-list ")
_SET_COMMUNITY, _SET_LARGE = "community ", "large-community "
_DEEPEST = 10
_FIRST, _LAST = 0, 65536


def read_announcements(text: str, *, asn: int, own: Iterable[IPNetwork]) -> Tuple[Announcement, ...]:
    """Read the ``detail`` form, of the prefixes inside ``own``. FRR puts ``asn``, our own, in front of the path on its way out.

    Raises ParseError for what is not such an answer, or cut; FrrError where FRR complains.

    Source: FRR 10.3 bgpd/bgp_route.c show_adj_route(); samples in tests/unit/test_announced.py.
    """
    table = Fields(read_json(text), "answer").part("advertisedRoutes")
    with refused_values():
        return in_order(_detailed(table, prefix, asn) for prefix in _inside(table, own))


def _detailed(table: Fields, prefix: str, asn: int) -> Announcement:
    path = table.part(prefix).parts("paths")[0]
    return announcement(
        prefix,
        (str(asn), *(path.part("aspath").text("string", unless="Local") or "").split()),
        communities=_numbers(path.part("community").text("string")),
        large_communities=(path.part("largeCommunity").text("string") or "").split(),
    )


def read_brief_announcements(
    text: str, *, asn: int, own: Iterable[IPNetwork], policy: RouteMaps, route_map: Optional[str]
) -> Tuple[Announcement, ...]:
    """Read the form without ``detail``; communities are what ``route_map`` of ``policy`` sets, none without one.

    Raises as ``read_announcements``. Source: FRR 8.4.4 bgpd/bgp_route.c route_vty_out_tmp().
    """
    table = Fields(read_json(text), "answer").part("advertisedRoutes")
    found: List[Announcement] = []
    with refused_values():
        for prefix in _inside(table, own):
            path = (table.part(prefix).text("path") or "").split()
            lists = policy.communities(route_map, ip_network(prefix)) if route_map else ((), ())
            found.append(announcement(prefix, (str(asn), *path), communities=lists[0], large_communities=lists[1]))
    return in_order(found)


def _inside(table: Fields, own: Iterable[IPNetwork]) -> Iterator[str]:
    spaces = tuple(own)
    for name in table.named():
        prefix = ip_network(name)
        if any(prefix.version == one.version and prefix.subnet_of(one) for one in spaces):  # type: ignore[arg-type]
            yield name


def _numbers(text: Optional[str]) -> Tuple[str, ...]:
    return tuple(_NUMBERS.get(word, word) for word in (text or "").split())


class RouteMaps:
    """What bgpd says of its route maps and prefix lists, as far as it takes to tell which communities it sets.

    Of a prefix that is announced it is known that it is permitted. What an entry asks beside the prefix (its path, its
    communities) is taken for so where a prefix list of the same entry names the prefix, and for not so elsewhere.
    """

    def __init__(self, maps: str, prefix_lists: Iterable[str]) -> None:
        """Of ``show route-map json`` and ``show ip prefix-list json``, ``show ipv6 prefix-list json``.

        Raises ParseError for what is not such an answer, or cut; FrrError where FRR complains.
        """
        self._maps = _of_bgpd(maps)
        self._lists: Dict[str, Tuple[_Range, ...]] = {}
        for text in prefix_lists:
            lists = _of_bgpd(text)
            for name in lists.named():
                self._lists[name] = tuple(_Range(row) for row in lists.part(name).parts("entries"))

    def communities(self, route_map: str, prefix: IPNetwork) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
        """Those that ``route_map`` leaves on ``prefix``, and the large ones."""
        found: Dict[str, List[str]] = {_SET_COMMUNITY: [], _SET_LARGE: []}
        self._apply(route_map, prefix, found=found, depth=0)
        return _numbers(" ".join(found[_SET_COMMUNITY])), tuple(found[_SET_LARGE])

    def _apply(self, route_map: str, prefix: IPNetwork, *, found: Dict[str, List[str]], depth: int) -> None:
        if depth > _DEEPEST or not self._maps.is_object(route_map):
            return
        wanted = _FIRST
        for rule in self._maps.part(route_map).parts("rules"):
            if (rule.number("sequenceNumber") or 0) < wanted or rule.text("type") != "permit":
                continue
            if not self._matches(rule.words("matchClauses"), prefix):
                continue
            for clause in rule.words("setClauses"):
                _set(found, clause)
            called = rule.text("callClause")
            if called:
                self._apply(called, prefix, found=found, depth=depth + 1)
            wanted = _next(rule.text("action") or "")

    def _matches(self, clauses: Tuple[str, ...], prefix: IPNetwork) -> bool:
        lists = [clause[len(start) :] for clause in clauses for start in _MATCH_PREFIXES if clause.startswith(start)]
        return not clauses or (bool(lists) and all(self._permits(name, prefix) for name in lists))

    def _permits(self, name: str, prefix: IPNetwork) -> bool:
        return next((one.is_permit for one in self._lists.get(name, ()) if one.holds(prefix)), False)


class _Range:
    """An entry of a prefix list."""

    def __init__(self, row: Fields) -> None:
        self.is_permit = row.text("type") == "permit"
        self._lengths: Tuple[int, int] = (
            row.number("minimumPrefixLength") or 0,
            row.number("maximumPrefixLength") or 0,
        )
        word = row.text("prefix") or "any"
        self._network = None if word == "any" else ip_network(word)

    def holds(self, prefix: IPNetwork) -> bool:
        network = self._network
        if network is None:
            return True
        if prefix.version != network.version or not prefix.subnet_of(network):  # type: ignore[arg-type]
            return False
        shortest, longest = self._lengths
        if not shortest and not longest:
            return prefix.prefixlen == network.prefixlen
        return (shortest or network.prefixlen) <= prefix.prefixlen <= (longest or network.max_prefixlen)


def _of_bgpd(text: str) -> Fields:
    """What bgpd's own socket says: an object with one member, its name in either case."""
    found = Fields(read_json(text), "answer")
    for name in ("BGP", "bgpd"):
        if found.is_object(name):
            return found.part(name)
    if not found.named():
        return found
    raise ParseError(f"expected an answer of bgpd, found one of {', '.join(found.named())}", where="answer")


def _set(found: Mapping[str, List[str]], clause: str) -> None:
    for start, words in found.items():
        if clause.startswith(start):
            given = clause[len(start) :].split()
            if given[-1:] != ["additive"]:
                words.clear()
            words += (word for word in given if word not in ("additive", "none") and word not in words)


def _next(action: str) -> int:
    """The lowest number of an entry that is looked at after one with this ``action``."""
    kind, _, number = action.rpartition(" ")
    if kind.lower() == "goto" and number.isdigit():
        return int(number)
    return _LAST if action == "Exit routemap" else _FIRST
