"""Foresees whether a new BIRD configuration may change what BGP sessions accept.

A new filter takes effect only when the neighbour has sent its routes again, so that right after such a change the counts of
accepted prefixes are still the old ones. BIRD asks for the routes only where a filter or something in it changed.

Source: bird nest/proto.c, channel_reconfigure(); filter/filter.c, filter_commit().
"""

from __future__ import annotations

from typing import List, Tuple

from netorch.model.conventions import BIRD_STAMP
from netorch.plan.bird.statements import Statement, statements, top_level

_APART = frozenset({"bfd", "device", "direct", "kernel", "pipe", "static"})
_ROA = frozenset({"roa4", "roa6"})
_OF_ANY = frozenset({"description"})
_OF_SESSION = _OF_ANY | {"disabled"}


def may_change_imports(old: str, new: str) -> bool:
    """Whether anything differs between ``old`` and ``new``, whole BIRD configurations, that an import may depend on.

    Not counted are comments, netorch's stamp, descriptions, and protocols that no filter can look at (a static one that
    feeds a ROA table is one that it can). Nor is which sessions are closed: what a session accepts depends on no other.
    """
    return _relevant(old) != _relevant(new)


def _relevant(text: str) -> List[Tuple[Statement, Tuple[Statement, ...]]]:
    return [
        (head, tuple(s for s in statements(body) if s[0] not in (_OF_SESSION if head[1:2] == ("bgp",) else _OF_ANY)))
        for head, body in top_level(text)
        if head[:2] != ("define", BIRD_STAMP) and not _is_apart(head, body)
    ]


def _is_apart(head: Statement, body: List[str]) -> bool:
    return head[:1] == ("protocol",) and len(head) > 1 and head[1] in _APART and _ROA.isdisjoint(body)
