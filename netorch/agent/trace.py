"""What this host does with packets: its rules, what its kernel answers, what its daemon knows, and the frame that leaves."""

from __future__ import annotations

from netorch.agent.outcome import Refused, Stop, answer
from netorch.io.netlink.lookups import look_up, read_all_rules, read_main_routes
from netorch.io.netlink.route_socket import RouteSocket
from netorch.model.conventions import KERNEL_PROTOCOL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

MOST_QUERIES = 20_000
_NOT_OF_DAEMONS = (2, 3, 4, 9, 16, KERNEL_PROTOCOL)
"""Kernel, boot, static, router advertisements, DHCP: linux/rtnetlink.h. A daemon's own may be a million."""


def trace(request: Dict[str, Any]) -> Dict[str, Any]:
    """The answer to a TraceRequest."""
    from netorch.agent.trace_routes import checked_address, routes_of

    queries: List[Dict[str, Any]] = request["queries"]
    if len(queries) > MOST_QUERIES:
        raise Refused(f"{len(queries)} questions: at most {MOST_QUERIES} at once", hint="ask in parts")
    for query in queries:
        checked_address(query["destination"])
    with RouteSocket() as kernel:
        document: Dict[str, Any] = {
            "rules": read_all_rules(kernel),
            "others": read_main_routes(kernel, protocols=_NOT_OF_DAEMONS),
        }
        findings = [{"kernel": _kernel(kernel, query)} for query in queries]
    for finding, known in zip(findings, routes_of(request["daemon"], queries, wider=request.get("wider", False))):
        finding.update(known)
    if request.get("send"):
        from netorch.agent.trace_frames import frames_of

        for finding, seen in zip(findings, frames_of(queries, request)):
            finding.update(seen)
    document["findings"] = findings
    return answer("trace", trace=document)


def _kernel(kernel: RouteSocket, query: Dict[str, Any]) -> Dict[str, Any]:
    try:
        return look_up(kernel, query["destination"], mark=query["mark"])
    except OSError as exc:
        return {"error": exc.strerror or str(exc)}


def inside(request: Dict[str, Any]) -> Dict[str, Any]:
    """The answer to an InsideRequest."""
    from netorch.agent.trace_routes import count_inside

    return answer("inside", inside=count_inside(request))


def traffic(request: Dict[str, Any]) -> Dict[str, Any]:
    """The answer to a TrafficRequest."""
    from netorch.agent.trace_frames import measure

    try:
        return answer("traffic", traffic=measure(request))
    except OSError as exc:
        raise Stop(f"traffic cannot be measured: {exc.strerror or exc}") from None
