"""Pings with several marks at once, each mark through the routing table of the same number, and through no other."""

from __future__ import annotations

import json
import os

from netorch.agent.outcome import Refused, answer
from netorch.agent.ping_echo import EchoProbe
from netorch.agent.ping_rounds import Poller, Way, run_rounds
from netorch.agent.ping_tcp import TcpProbe
from netorch.io.netlink.route_socket import RouteSocket
from netorch.io.netlink.routes import table_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List

NO_ROUTE = "no route through this provider"
_MOST_PACKETS = 10_000
_TCP_TIMEOUT_S = 0.9
"""The kernel repeats what opens a connection after 1 s: what is answered later is no answer to the first packet."""

_DESCRIPTORS = 400
"""Connections that may be open at once."""


def ping(request: Dict[str, Any]) -> Dict[str, Any]:
    """The answer to a PingRequest."""
    marks: List[int] = request["marks"]
    if not 0 < request["count"] * max(1, len(marks)) <= _MOST_PACKETS:
        raise Refused(f"{request['count']} packets with {len(marks)} marks: at most {_MOST_PACKETS} in all")
    destination, source = request["destination"], request.get("source")
    wanted = [{"destination": destination, "mark": mark, "source": source} for mark in marks]
    seen: List[List[List[Any]]] = [[] for _ in wanted]
    reasons = [""] * len(wanted)

    def keep(batch: Dict[str, Any]) -> None:
        for way, sent_ms, rtt_ms in batch["samples"]:
            seen[way].append([sent_ms, rtt_ms])
        for way, _, reason in batch["changes"]:
            reasons[way] = reason

    _run(wanted, request, keep)
    found = []
    for mark, samples, reason in zip(marks, seen, reasons):
        rtts = [rtt_ms for _, rtt_ms in sorted(samples, key=lambda sample: float(sample[0]))]
        found.append({"mark": mark, "rtts_ms": rtts, "error": "" if rtts else reason})
    return answer("ping", ping={"series": found})


def watch(request: Dict[str, Any]) -> Dict[str, Any]:
    """The answer to a PingWatch; before it each batch is a line on standard output. Ends where nobody reads these any more."""

    def tell(batch: Dict[str, Any]) -> None:
        line = json.dumps(batch, separators=(",", ":")).encode() + b"\n"
        while line:
            line = line[os.write(1, line) :]

    _run(request["ways"], request, tell)
    return answer("ping")


def _run(wanted: List[Dict[str, Any]], request: Dict[str, Any], tell: Callable[[Dict[str, Any]], None]) -> None:
    port, timeout_s = request.get("tcp_port") or 0, request["timeout_s"]
    if port:
        timeout_s = min(timeout_s, _TCP_TIMEOUT_S)
        open_at_once = len(wanted) * (1 + int(timeout_s / request["interval_s"]))
        if open_at_once > _DESCRIPTORS:
            hint = "a longer --interval, or fewer destinations"
            raise Refused(f"{open_at_once} connections at once: at most {_DESCRIPTORS}", hint=hint)
    poller = Poller()
    ways: List[Way] = []
    with RouteSocket() as kernel:
        try:
            for asked in wanted:
                ways.append(_way(asked, kernel, poller, port=port))
            run_rounds(
                ways, poller, count=request["count"], interval_s=request["interval_s"], timeout_s=timeout_s, tell=tell
            )
        finally:
            for way in ways:
                way.close()


def _way(asked: Dict[str, Any], kernel: RouteSocket, poller: Poller, *, port: int) -> Way:
    destination, mark = asked["destination"], asked["mark"]
    source = asked.get("source") or ""
    probe = (
        TcpProbe(destination, port, mark=mark, source=source) if port else EchoProbe(destination, mark, source=source)
    )
    return Way(probe, poller, detour=lambda: _detour(kernel, destination, mark))


def _detour(kernel: RouteSocket, destination: str, mark: int) -> str:
    """Why a packet with ``mark`` would not leave by that mark's table; "" when it would.

    Where that table has no route, or the rule is gone, the kernel goes on to the main table: echoes would come back by some
    other provider and be told as this one's.
    """
    try:
        return "" if table_for(kernel, destination, mark=mark) == mark else NO_ROUTE
    except OSError as exc:
        return exc.strerror or str(exc)
