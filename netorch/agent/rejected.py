"""The routes that the routing daemon refused of its neighbours, and why.

BIRD keeps them with the reason. FRR keeps what a neighbour sent: what its own map denies is asked for, the reason found out from
the route itself, or, where only the daemon can tell, by a map that denies nothing else.
"""

from __future__ import annotations

import _socket
import heapq

from netorch.agent.daemons import DaemonRefused
from netorch.agent.outcome import Refused
from netorch.errors import ParseError
from netorch.model.codec import from_json, to_json
from netorch.model.reject_reasons import reason_named
from netorch.model.rejected import (
    INVALID,
    WITHDRAWN,
    Dropped,
    ReasonCount,
    Received,
    RejectedAnswer,
    RejectedQuery,
    RejectedRequest,
    RejectedRoute,
    RejectedSession,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

    Ask = Callable[[str], str]

MOST = 50_000
"""Of a session with more routes FRR is not asked for each: bgpd does nothing else while it tells."""

NOT_KEPT = "refused routes are not kept here (policy.keep_refused), or the session has not been up since they are"
_UNKNOWN_PROTOCOL = "is not a protocol of BIRD's: deploy first"
_TIMEOUT_S = 60.0


def rejected(document: Dict[str, Any]) -> Dict[str, Any]:
    """A RejectedRequest answered: an Answer with a RejectedAnswer."""
    request = from_json(RejectedRequest, document)
    if request.daemon not in ("bird", "frr"):
        raise Refused(f"this agent cannot ask the daemon {request.daemon!r}", hint="supported: bird, frr")
    found = RejectedAnswer(tuple((_of_bird if request.daemon == "bird" else _of_frr)(request)))
    return {"outcome": "rejected", "message": "", "rejected": to_json(found)}


def _of_bird(request: RejectedRequest) -> Iterator[RejectedSession]:
    from netorch.agent.bird import Bird, BirdRefused, quoted_name
    from netorch.parse.rejected import read_refused

    with Bird(timeout_s=_TIMEOUT_S) as bird:
        for query in request.sessions:
            try:
                lines = bird.ask(f"show route filtered protocol {quoted_name(query.session)} all").lines
            except BirdRefused as exc:
                known = {protocol.name for protocol in bird.short_protocols()}
                words = exc.message if query.session in known else f"{query.session} {_UNKNOWN_PROTOCOL}"
                yield RejectedSession(query.session, problem=words)
                continue
            details = bird.ask(f"show protocols all {quoted_name(query.session)}").text
            yield _told(query, read_refused(lines, request.own_asn), request, dropped=_dropped_by_bird(details))


def _dropped_by_bird(text: str) -> Optional[Tuple[Dropped, ...]]:
    """By the counters of ``show protocols all``. Not those that BIRD ignored: it counts what it refuses and keeps there too.

    Source: BIRD 2.0.12 nest/rt-table.c rte_update2(), rte_recalculate().
    """
    from netorch.parse.protocols import parse_protocols

    updates = [channel.updates for protocol in parse_protocols(text) for channel in protocol.channels]
    counted = [one for one in updates if one is not None]
    if not counted:
        return None
    return _dropped(
        invalid=sum(one.import_updates.rejected or 0 for one in counted),
        withdrawn=sum(
            max((one.import_withdraws.received or 0) - (one.import_withdraws.accepted or 0), 0) for one in counted
        ),
    )


def _dropped(*, invalid: int = 0, withdrawn: int = 0) -> Tuple[Dropped, ...]:
    return tuple(Dropped(kind, count) for kind, count in ((INVALID, invalid), (WITHDRAWN, withdrawn)) if count)


def _of_frr(request: RejectedRequest) -> Iterator[RejectedSession]:
    from netorch.agent.frr_vty import Vty
    from netorch.parse.frr.received import read_withdrawn

    bgpd = Vty("bgpd", timeout_s=_TIMEOUT_S)
    try:
        for query in request.sessions:
            try:
                withdrawn = read_withdrawn(bgpd.ask(f"show bgp neighbors {query.neighbor} json"))
                dropped = None if withdrawn is None else _dropped(withdrawn=withdrawn)
                yield _told(query, _refused_by_frr(bgpd.ask, query), request, dropped=dropped)
            except (DaemonRefused, ParseError) as exc:
                yield RejectedSession(query.session, problem=exc.message)
    finally:
        bgpd.close()


def _refused_by_frr(ask: Ask, query: RejectedQuery) -> List[RejectedRoute]:
    from netorch.plan.verdict import refused_for

    other, leak = reason_named("other").code, reason_named("otc_leak").code
    start = f"show bgp {query.family.value} unicast neighbors {query.neighbor}"
    refused = {one.prefix: one for one in _asked(ask, f"{start} filtered-routes json")}
    proven: Dict[Any, int] = {}
    for evidence in query.evidence:
        for one in _asked(ask, f"{start} filtered-routes route-map {evidence.route_map} json"):
            proven.setdefault(one.prefix, evidence.reason)
            if evidence.reason == reason_named("path_own_asn").code:
                refused[one.prefix] = one  # bgpd refuses it by itself, whatever its map says
    leaked = _leaked(ask, start, refused) if query.rules.has_role else {}
    refused.update(leaked)
    return [
        RejectedRoute(
            str(one.prefix),
            refused_for(one, query.rules) or proven.get(one.prefix) or (leak if one.prefix in leaked else other),
            " ".join(one.path),
            str(one.next_hop or ""),
        )
        for one in refused.values()
    ]


def _leaked(ask: Ask, start: str, refused: Dict[Any, Received]) -> Dict[Any, Received]:
    """What bgpd neither accepted nor refused by its map: leaks by their attribute (RFC 9234)."""
    from netorch.parse.frr.received import read_accepted

    received = tuple(_asked(ask, f"{start} received-routes json"))
    if len(received) > MOST:
        return {}
    accepted = read_accepted(ask(f"{start} routes json"))
    return {one.prefix: one for one in received if one.prefix not in refused and str(one.prefix) not in accepted}


def _asked(ask: Ask, command: str) -> Iterable[Received]:
    from netorch.parse.frr.received import read_received

    found = read_received(ask(command))
    if found is None:
        raise DaemonRefused(NOT_KEPT)
    return found


def _by_prefix(one: RejectedRoute) -> Tuple[int, bytes, int]:
    address, _, length = one.prefix.partition("/")
    family = _socket.AF_INET6 if ":" in address else _socket.AF_INET
    return family, _socket.inet_pton(family, address), int(length)


def _told(
    query: RejectedQuery,
    routes: Iterable[RejectedRoute],
    request: RejectedRequest,
    *,
    dropped: Optional[Tuple[Dropped, ...]],
) -> RejectedSession:
    """All are counted, the first by prefix are listed, in that order with every daemon."""
    counts: Dict[int, int] = {}

    def counted() -> Iterator[RejectedRoute]:
        for route in routes:
            if request.reason in (None, route.reason):
                counts[route.reason] = counts.get(route.reason, 0) + 1
                yield route

    rest = counted()
    shown = tuple(heapq.nsmallest(request.limit, rest, key=_by_prefix))
    for _ in rest:  # with a limit of 0 nothing was looked at yet
        pass
    numbers = tuple(ReasonCount(reason, counts[reason]) for reason in sorted(counts))
    return RejectedSession(query.session, numbers, shown, dropped=dropped)
