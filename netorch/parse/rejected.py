"""Routes that BIRD refused and kept: ``show route filtered protocol NAME all``."""

from __future__ import annotations

from typing import Iterable, Iterator

from netorch.model.reject_reasons import REJECT_COMMUNITY, reason_named
from netorch.model.rejected import RejectedRoute

_PATH = ("BGP.as_path:", "bgp_path:")
_NEXT_HOP = ("BGP.next_hop:", "bgp_next_hop:")
_LARGE = ("BGP.large_community:", "bgp_large_community:")
_OTHER = reason_named("other").code


def read_refused(lines: Iterable[str], own_asn: int) -> Iterator[RejectedRoute]:
    """One route for every prefix in ``lines``, an answer without codes, in BIRD's order. A route without a reason of ours has the
    reason ``other``.

    It reads a table of any length line by line, which TextFSM would take minutes for.

    Source: BIRD nest/rt-show.c rt_show_rte(); samples of 2.0.12 and 3.1.7 in tests/unit/test_rejected.py.
    """
    mark = f"({own_asn}, {REJECT_COMMUNITY}, "
    prefix = path = hop = ""
    reason = _OTHER
    for line in lines:
        if line[:1].isalnum() or line[:1] == ":":
            if line.startswith("Table "):
                continue
            if prefix:
                yield RejectedRoute(prefix, reason, path, hop)
            prefix, path, hop, reason = line.split(None, 1)[0], "", "", _OTHER
            continue
        word, _, value = line.strip().partition(" ")
        if word in _PATH:
            path = value.strip()
        elif word in _NEXT_HOP:
            hop = value.strip().partition(" ")[0]
        elif word in _LARGE and mark in value:
            reason = int(value.partition(mark)[2].partition(")")[0])
    if prefix:
        yield RejectedRoute(prefix, reason, path, hop)
