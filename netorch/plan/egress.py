"""By which route a host's packets leave: what its rules and its daemon's routes come to, and whether its kernel agrees. Pure.

Source: RFC 4271 section 9.1.2; BIRD 2.0.12 proto/bgp/attrs.c bgp_rte_better(), bgp_rte_mergable(); FRR bgpd/bgp_route.c
bgp_path_info_cmp(); Linux net/core/fib_rules.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from typing import AbstractSet, Callable, FrozenSet, Iterable, List, Mapping, Optional, Sequence, Tuple

from netorch.model.conventions import MAIN_TABLE
from netorch.model.state import Route
from netorch.model.trace import KernelAnswer, KernelHop, KernelRoute, KernelRule
from netorch.model.types import IPAddress, IPNetwork, family_of

LOCAL_TABLE, DEFAULT_TABLE = 255, 253
UNICAST, LOCAL = 1, 2  # RTN_UNICAST, RTN_LOCAL in linux/rtnetlink.h
_TYPES = {"unicast": UNICAST, "blackhole": 6, "unreachable": 7, "prohibit": 8}

_ORIGINS = ("IGP", "EGP", "Incomplete")


@dataclass(frozen=True)
class Lost:
    """A path that is not taken. ``reason`` is one word for programs (``local_preference``, ``path_length``, ``origin``, ``med``,
    ``igp_metric``, ``unresolved``), ``words`` says the same to people."""

    path: Route
    reason: str
    words: str


@dataclass(frozen=True)
class Choice:
    """What becomes of the paths to one prefix: ``chosen`` share the packets."""

    chosen: Tuple[Route, ...]
    lost: Tuple[Lost, ...]


def choose(paths: Iterable[Route]) -> Choice:
    """Which of the paths to one prefix a daemon takes; several where they are equal in all that counts."""
    left: List[Route] = []
    lost: List[Lost] = []
    for path in paths:
        if is_resolved(path):
            left.append(path)
        else:
            lost.append(Lost(path, "unresolved", "its next hop cannot be reached"))
    for reason, value, words in _STEPS:
        best = {id(path): min(map(value, _compared(reason, path, left))) for path in left}
        beaten = [path for path in left if value(path) > best[id(path)]]
        lost += (Lost(path, reason, _say(reason, words, value(path), best=best[id(path)])) for path in beaten)
        left = [path for path in left if path not in beaten]
    return Choice(tuple(left), tuple(lost))


def _compared(reason: str, path: Route, left: Sequence[Route]) -> List[Route]:
    """MEDs of different neighbours have nothing to do with each other."""
    if reason != "med":
        return list(left)
    return [other for other in left if _neighbour_as(other) == _neighbour_as(path)]


def _say(reason: str, words: str, mine: int, *, best: int) -> str:
    if reason == "local_preference":
        return words.format(mine=-mine, best=-best)
    if reason == "origin":
        return words.format(mine=_ORIGINS[mine], best=_ORIGINS[best])
    return words.format(mine=mine, best=best)


def is_resolved(path: Route) -> bool:
    """Whether its next hop can be sent to."""
    return path.destination == "unicast" and path.resolvable is not False


def path_length(path: Route) -> int:
    """As BGP counts: a set is one, a confederation none."""
    return sum(not part.startswith("(") for part in path.bgp.as_path) if path.bgp else 0


def _preference(path: Route) -> int:
    preference = path.bgp.local_preference if path.bgp else None
    return 100 if preference is None else preference  # what FRR takes for one that was not told


def _origin(path: Route) -> int:
    origin = path.bgp.origin if path.bgp else None
    return _ORIGINS.index(origin) if origin in _ORIGINS else len(_ORIGINS) - 1


def _med(path: Route) -> int:
    return (path.bgp.med if path.bgp else None) or 0


def _neighbour_as(path: Route) -> str:
    return path.bgp.as_path[0] if path.bgp and path.bgp.as_path else ""


_Value = Callable[[Route], int]
_STEPS: Tuple[Tuple[str, _Value, str], ...] = (
    ("local_preference", lambda path: -_preference(path), "local preference {mine}, the one taken has {best}"),
    ("path_length", path_length, "its AS path is {mine} long, that of the one taken {best}"),
    ("origin", _origin, "origin {mine}, the one taken has {best}"),
    ("med", _med, "MED {mine}, the one taken of the same neighbour AS has {best}"),
    ("igp_metric", lambda path: path.metric or 0, "its next hop is {mine} away, that of the one taken {best}"),
)


@dataclass(frozen=True)
class Table:
    """What one kernel table ought to hold for a destination. ``paths`` are those of the daemon to the longest prefix that it has,
    ``others`` routes that the daemon did not bring."""

    paths: Tuple[Route, ...] = ()
    others: Tuple[KernelRoute, ...] = ()


@dataclass(frozen=True)
class Decision:
    """How a packet leaves, by what netorch knows. ``table`` None: by none. ``type`` is the kernel's number (linux/rtnetlink.h);
    ``choice`` None: no route of the daemon's decided. ``unknown`` says what netorch cannot judge, "" for nothing."""

    rule: Optional[KernelRule] = None
    table: Optional[int] = None
    prefix: Optional[IPNetwork] = None
    type: int = UNICAST
    hops: FrozenSet[KernelHop] = frozenset()
    choice: Optional[Choice] = None
    unknown: str = ""


HopsOf = Callable[[Route], Iterable[KernelHop]]


def decide(
    destination: IPAddress,
    mark: int,
    *,
    rules: Iterable[KernelRule],
    tables: Mapping[int, Table],
    own: AbstractSet[IPAddress],
    hops_of: HopsOf,
) -> Decision:
    """The way of a packet to ``destination`` with ``mark``: the first rule whose table has a route. ``own`` are the host's
    addresses."""
    for rule in rules:
        if rule.family is not family_of(destination) or (mark & rule.mask) != rule.mark:
            continue
        if rule.other:
            return Decision(rule=rule, unknown=f"rule {rule.priority} asks for {rule.other}")
        if rule.table == LOCAL_TABLE:
            if destination in own or destination.is_loopback:
                return Decision(rule, LOCAL_TABLE, ip_network(destination), LOCAL)
            continue
        if rule.table == DEFAULT_TABLE and rule.table not in tables:
            continue
        if rule.table not in tables:
            return Decision(rule=rule, unknown=f"table {rule.table} is none of netorch's")
        found = _in_table(destination, tables[rule.table], hops_of)
        if found is not None:
            return Decision(rule, rule.table, found[0], found[1], found[2], found[3])
    return Decision()


_Found = Tuple[IPNetwork, int, FrozenSet[KernelHop], Optional[Choice]]


def _in_table(destination: IPAddress, table: Table, hops_of: HopsOf) -> Optional[_Found]:
    """The table's longest match; None where it has no route."""
    candidates: List[_Found] = []
    if table.paths:
        choice = choose(table.paths)
        hops = frozenset(hop for path in choice.chosen for hop in hops_of(path))
        if choice.chosen:
            candidates.append((ip_network(table.paths[0].prefix), UNICAST, hops, choice))
    for route in table.others:
        if route.prefix.version == destination.version and destination in route.prefix:
            candidates.append((route.prefix, route.type, frozenset(route.hops), None))
    return max(candidates, key=lambda found: found[0].prefixlen, default=None)


def exported(paths: Iterable[Route], own_routes: str) -> Tuple[Tuple[Route, ...], Tuple[KernelRoute, ...]]:
    """What of a BIRD's routes to one prefix its kernel protocol takes: paths of BGP, or the static one of the protocol
    ``own_routes``, which comes first."""
    found = tuple(paths)
    static = next((path for path in found if path.protocol == own_routes), None)
    if static is None:
        return tuple(path for path in found if path.bgp is not None), ()
    hops = tuple(KernelHop(hop.address, hop.interface) for hop in static.next_hops)
    number = _TYPES.get(static.destination or "", UNICAST)
    return (), (KernelRoute(ip_network(static.prefix), MAIN_TABLE, number, 0, hops),)


def disagreement(decision: Decision, answer: KernelAnswer) -> str:
    """Where the kernel does something else than was decided, in words; "" where it does that."""
    if decision.unknown:
        return ""
    route = answer.route
    if decision.table is None or decision.type not in (UNICAST, LOCAL):
        if route is None or route.type not in (UNICAST, LOCAL):
            return ""
        return f"the kernel has a route, {_shown(route)}; expected none"
    if route is None:
        return f"the kernel says: {answer.error}; expected {decision.prefix} of table {decision.table}"
    if decision.type == LOCAL or route.type == LOCAL:
        return "" if decision.type == route.type else f"the kernel takes {_shown(route)} of table {route.table}"
    if not answer.shared and (route.table, route.prefix) != (decision.table, decision.prefix):
        return f"the kernel takes {_shown(route)}; expected {decision.prefix} of table {decision.table}"
    if frozenset(route.hops) != decision.hops:
        return f"the kernel sends to {hop_words(route.hops)}; expected {hop_words(decision.hops)}"
    if answer.hop is not None and not any(_is_hop(answer.hop, hop) for hop in decision.hops):
        return f"the kernel sends this packet to {hop_words([answer.hop])}; expected {hop_words(decision.hops)}"
    return ""


def _is_hop(taken: KernelHop, hop: KernelHop) -> bool:
    return taken.interface == hop.interface and hop.gateway in (taken.gateway, None)


def _shown(route: KernelRoute) -> str:
    return f"{route.prefix} of table {route.table} to {hop_words(route.hops)}"


def hop_words(hops: Iterable[KernelHop]) -> str:
    """``203.0.113.1 through eth0 or 203.0.113.5 through eth1``, in order."""
    words = sorted(f"{hop.gateway or 'the destination itself'} through {hop.interface}" for hop in hops)
    return " or ".join(words) or "nobody"
