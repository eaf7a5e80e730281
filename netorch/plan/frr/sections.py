"""FRR's configuration language, as far as plans look into it: lines, and what they stand in.

FRR itself does not care for indentation: which section a line belongs to depends on what it says.
"""

from __future__ import annotations

import re
from typing import Dict, FrozenSet, Iterator, List, Mapping, NamedTuple, Optional, Set, Tuple

Statement = Tuple[str, ...]

_OPENING = re.compile(
    r"(router|route-map|interface|vrf|bfd|line|key chain|rpki|nexthop-group|pbr-map|segment-routing)\b"
)
# What a section of BGP may hold, wherever its lines begin.
_IN_BGP = re.compile(
    r"(no )?(neighbor|network|aggregate-address|redistribute|timers|table-map|maximum-paths|distance|address-family"
    r"|exit-address-family|bgp (?!as-path|community-list|large-community-list|extcommunity-list))\b"
)
_NAME = re.compile(r"\[(\w+)\]")
_FAMILIES = {"ipv4": "ipv4", "ipv6": "ipv6", "ipv4 unicast": "ipv4", "ipv6 unicast": "ipv6"}


class Section(NamedTuple):
    """A line that others belong to, and those, without their indentation."""

    head: str
    lines: Tuple[str, ...]


class Neighbor(NamedTuple):
    """A BGP session. ``said`` and ``families`` hold what follows the address, peer groups included; of families those that it
    carries."""

    name: str
    address: str
    said: FrozenSet[Statement]
    families: Mapping[str, FrozenSet[Statement]]

    @property
    def closed(self) -> bool:
        """Whether it is shut down."""
        return any(words[:1] == ("shutdown",) for words in self.said)

    def value(self, keyword: str) -> Optional[str]:
        """The word after ``keyword``, None where it is not said."""
        return next((words[1] for words in self.said if words[0] == keyword and len(words) > 1), None)


class Bgp(NamedTuple):
    """``router bgp``: its AS number, what concerns all sessions, and these by name."""

    asn: str
    common: FrozenSet[str]
    neighbors: Mapping[str, Neighbor]


def sections(text: str) -> Iterator[Section]:
    """Everything that ``text`` says, in order; a line that stands alone is a section without lines."""
    head: Optional[str] = None
    lines: List[str] = []
    for raw in text.splitlines():
        line = " ".join(raw.split())
        if not line or line[0] in "!#":
            continue
        belongs = head is not None and (raw[:1].isspace() or (head.startswith("router bgp") and _IN_BGP.match(line)))
        if belongs:
            lines.append(line)
            continue
        if head is not None:
            yield Section(head, tuple(lines))
            head, lines = None, []
        if _OPENING.match(line):
            head = line
        elif line not in ("exit", "end"):
            yield Section(line, ())
    if head is not None:
        yield Section(head, tuple(lines))


def read_router(text: str) -> Bgp:
    """What ``text`` says of BGP; a router without sessions where it says nothing."""
    asn, common = "", set()
    said: Dict[Tuple[str, str], Set[Statement]] = {}
    for section in sections(text):
        if not section.head.startswith("router bgp "):
            continue
        asn, family = section.head.split()[2], ""
        for line in section.lines:
            if line.startswith("address-family "):
                family = _FAMILIES.get(line[len("address-family ") :], line)
            elif line == "exit-address-family":
                family = ""
            elif not _note(said, line, family):
                common.add(line)
    default = "" if "no bgp default ipv4-unicast" in common else "ipv4"
    neighbors = [_neighbor(address, said, default) for address, family in said if not family]
    return Bgp(asn, frozenset(common), {one.name: one for one in neighbors if one.value("remote-as")})


def _note(said: Dict[Tuple[str, str], Set[Statement]], line: str, family: str) -> bool:
    """Whether ``line`` is about a neighbour, which is then noted."""
    words = line.split()
    negative = words[0] == "no"
    words = words[1:] if negative else words
    if words[0] != "neighbor" or len(words) < 3:
        return False
    if negative:
        words[2:] = ["no", *words[2:]]
    if words[2] == "interface" and len(words) > 3:
        # ``neighbor eth0 interface remote-as 65001``: the neighbour of an unnumbered link, and what it is.
        said.setdefault((words[1], family), set()).add(("interface",))
        del words[2]
    said.setdefault((words[1], family), set()).add(tuple(words[2:]))
    return True


def _neighbor(address: str, said: Mapping[Tuple[str, str], Set[Statement]], default: str) -> Neighbor:
    def all_of(family: str) -> FrozenSet[Statement]:
        own = said.get((address, family), set())
        groups = [words[1] for words in said.get((address, ""), set()) | own if words[0] == "peer-group" and words[1:]]
        return frozenset(own.union(*(said.get((group, family), set()) for group in groups)))

    general = all_of("")
    families = {}
    for family in ("ipv4", "ipv6"):
        found = all_of(family)
        if ("activate",) in found or (family == default and ("no", "activate") not in found):
            families[family] = found
    description = " ".join(next((words[1:] for words in general if words[0] == "description"), ()))
    named = _NAME.match(description)
    return Neighbor(named.group(1) if named else address, address, general, families)
