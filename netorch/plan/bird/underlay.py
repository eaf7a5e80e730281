"""What a BIRD configuration says about neighbours of RIP and OSPF.

Source: bird proto/rip/rip.c rip_reconfigure_iface(), proto/ospf/iface.c ospf_iface_reconfigure().
"""

from __future__ import annotations

from typing import Dict, FrozenSet, Iterator, List, Tuple

from netorch.plan.bird.statements import Statement, nested, statements

PROTOCOLS = ("rip", "ospf")

_ALONE = (("stub",), ("stub", "yes"), ("passive",), ("passive", "yes"), ("mode", "passive"))
_IN_PLACE = frozenset({"cost", "metric"})


def adjacencies(head: Statement, body: List[str]) -> Dict[str, FrozenSet[Statement]]:
    """What each interface that is spoken on is to be, by ``INSTANCE:INTERFACE``, of a block of RIP or OSPF.

    What changes in place is left out: a channel's filters, costs. A neighbour whose timers differ from ours is none.
    """
    said = list(_with_areas(body))
    common = {head[1:-1], *(found for _, found, _ in said if _is_common(found))}
    adjacent: Dict[str, FrozenSet[Statement]] = {}
    for area, found, inside in said:
        options = tuple(statements(inside))
        if found[:1] == ("interface",) and not any(option in _ALONE for option in options):
            kept = {option for option in options if option[0] not in _IN_PLACE}
            for name in found[1:]:
                bare = name.strip('"')
                adjacent[f"{head[-1]}:{bare}"] = frozenset({*common, *kept, *area})
    return adjacent


def _is_common(found: Statement) -> bool:
    return found[:1] not in (("interface",), ("ipv4",), ("ipv6",), ("description",), ("area",))


def _with_areas(body: List[str]) -> Iterator[Tuple[Tuple[Statement, ...], Statement, List[str]]]:
    """Each statement of the block and of its areas, behind the area that it is in."""
    for found, inside in nested(body):
        if found[:1] == ("area",):
            yield from (((found,), one, below) for one, below in nested(inside))
        else:
            yield (), found, inside
