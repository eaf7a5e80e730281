"""The routes that the routing daemon refused of its neighbours, and why.

BIRD keeps them with the reason. FRR keeps what a neighbour sent: what its own map denies is asked for, the reason found out from
the route itself, or, where only the daemon can tell, by a map that denies nothing else.
"""

from __future__ import annotations

from netorch.agent.daemons import DaemonRefused
from netorch.agent.outcome import Refused
from netorch.errors import ParseError
from netorch.model.codec import from_json, to_json
from netorch.model.reject_reasons import reason_named
from netorch.model.rejected import (
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
    from typing import Any, Callable, Dict, Iterable, Iterator, List

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
            yield _told(query, read_refused(lines, request.own_asn), request)


def _of_frr(request: RejectedRequest) -> Iterator[RejectedSession]:
    from netorch.agent.frr_vty import Vty

    bgpd = Vty("bgpd", timeout_s=_TIMEOUT_S)
    try:
        for query in request.sessions:
            try:
                yield _told(query, _refused_by_frr(bgpd.ask, query), request)
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
        for one in sorted(refused.values(), key=_by_prefix)
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


def _by_prefix(one: Received) -> Any:
    return one.prefix.version, int(one.prefix.network_address), one.prefix.prefixlen


def _told(query: RejectedQuery, routes: Iterable[RejectedRoute], request: RejectedRequest) -> RejectedSession:
    counts: Dict[int, int] = {}
    shown: List[RejectedRoute] = []
    for route in routes:
        if request.reason in (None, route.reason):
            counts[route.reason] = counts.get(route.reason, 0) + 1
            if len(shown) < request.limit:
                shown.append(route)
    numbers = tuple(ReasonCount(reason, counts[reason]) for reason in sorted(counts))
    return RejectedSession(query.session, numbers, tuple(shown))
