"""Foresees whether a new FRR configuration may change what BGP sessions accept.

A changed route map, or a list that one asks, takes effect only when the neighbour has sent its routes again, so that right after
such a change the counts of accepted prefixes are still the old ones.
"""

from __future__ import annotations

from typing import List

from netorch.model.conventions import FRR_STAMP
from netorch.plan.frr.sections import Section, sections

_APART = (
    "bfd",
    "frr version",
    "hostname ",
    "ip protocol ",
    "ip route ",
    "ipv6 protocol ",
    "ipv6 route ",
    "log ",
    "service ",
)
_OF_SESSION = (["description"], ["shutdown"])


def may_change_imports(old: str, new: str) -> bool:
    """Whether anything differs between ``old`` and ``new``, whole FRR configurations, that an import may depend on.

    Not counted are comments, netorch's stamp, descriptions, static routes, what the kernel gets, BFD's timers. Nor is which
    sessions are closed: what a session accepts depends on no other.
    """
    return _relevant(old) != _relevant(new)


def _relevant(text: str) -> List[Section]:
    found = [
        section._replace(lines=tuple(line for line in section.lines if not _is_apart(line)))
        for section in sections(text)
        if not section.head.startswith((*_APART, f"route-map {FRR_STAMP} "))
    ]
    return sorted(found)


def _is_apart(line: str) -> bool:
    words = line.split()
    return line.startswith(("description ", "table-map ")) or (words[0] == "neighbor" and words[2:3] in _OF_SESSION)
