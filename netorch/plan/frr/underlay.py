"""What an FRR configuration says about neighbours of RIP and OSPF.

Source: FRR ospfd/ospf_interface.c, ospf6d/ospf6_interface.c, ripd/rip_interface.c.
"""

from __future__ import annotations

from typing import Dict, FrozenSet, Iterable, List, Mapping, Set

from netorch.plan.frr.sections import Section, sections

_OSPF = {"ospf_v4": ("ip ospf ", "router ospf"), "ospf_v6": ("ipv6 ospf6 ", "router ospf6")}
_RIP = {"rip_v4": ("ip rip ", "router rip"), "rip_v6": ("ipv6 ripng ", "router ripng")}
_IN_PLACE = ("cost ", "bfd", "passive")
_COMMON_IN_PLACE = (
    "distribute-list ",
    "ipv6 distribute-list ",
    "log-adjacency-changes",
    "maximum-paths ",
    "redistribute ",
)


def adjacencies(text: str) -> Dict[str, FrozenSet[str]]:
    """What each interface that is spoken on is to be, by ``ospf_v4:INTERFACE``; what changes in place is left out."""
    found = tuple(sections(text))
    interfaces = {section.head.split()[1]: section.lines for section in found if section.head.startswith("interface ")}
    adjacent: Dict[str, FrozenSet[str]] = {}
    for instance, (start, head) in _OSPF.items():
        common = _lines(found, head)
        for name, lines in interfaces.items():
            said = _after(start, lines)
            if any(line.startswith("area ") for line in said) and "passive" not in said:
                adjacent[f"{instance}:{name}"] = frozenset({*_kept(said), *common})
    for instance, (start, head) in _RIP.items():
        adjacent.update(_rip(instance, _lines(found, head), interfaces, start=start))
    return adjacent


def _rip(
    instance: str, said: Iterable[str], interfaces: Mapping[str, Iterable[str]], *, start: str
) -> Dict[str, FrozenSet[str]]:
    spoken: List[str] = []
    passive: Set[str] = set()
    common: List[str] = []
    for line in said:
        words = line.split()
        if words[0] == "network":
            spoken += words[1:]
        elif words[0] == "passive-interface":
            passive.update(words[1:])
        else:
            common.append(line)
    return {
        f"{instance}:{name}": frozenset({*_after(start, interfaces.get(name, ())), *common})
        for name in spoken
        if name not in passive
    }


def _after(start: str, lines: Iterable[str]) -> List[str]:
    return [line[len(start) :] for line in lines if line.startswith(start)]


def _kept(lines: Iterable[str]) -> List[str]:
    return [line for line in lines if not line.startswith(_IN_PLACE)]


def _lines(found: Iterable[Section], head: str) -> List[str]:
    return [
        line
        for section in found
        if section.head == head
        for line in section.lines
        if not line.startswith(_COMMON_IN_PLACE)
    ]
