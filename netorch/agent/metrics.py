"""A mirror agent's status as figures for node_exporter's textfile collector, in Prometheus' text format.

Names and labels are stable; docs/mirror.md lists them.
"""

from __future__ import annotations

import os

from netorch.agent.clock import now, uptime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Tuple

    Status = Dict[str, Any]
    Sample = Tuple[Dict[str, Any], float]

FEED_COUNTERS = ("changes", "dumps", "lost_events", "probes", "sent", "refused_connections")
MIRROR_COUNTERS = ("changes", "resyncs", "rejected", "repaired", "held_down")


def write_metrics(path: str, status: Status) -> None:
    """Replace the file at ``path``, readable by all, whole or not at all. Raises OSError."""
    new = f"{path}.{os.getpid()}.new"  # the collector reads names that end in .prom alone
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    with open(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o644)
        file.write(metrics_text(status))
    os.replace(new, path)


def metrics_text(status: Status) -> str:
    """The figures of ``status``, a document as the agents write it."""
    service = str(status["service"])
    lines: List[str] = []
    _add(lines, "netorch_agent_updated_timestamp_seconds", "gauge", [({"service": service}, now())])
    running_s = uptime() - float(status["started"])
    _add(lines, "netorch_agent_running_seconds", "gauge", [({"service": service}, running_s)])
    _add(lines, "netorch_agent_problem", "gauge", [({"service": service}, float(bool(status.get("problem"))))])
    _add(lines, "netorch_agent_memory_bytes", "gauge", [({"service": service}, status.get("memory_bytes") or 0)])
    _add(lines, "netorch_agent_cpu_seconds_total", "counter", [({"service": service}, status.get("cpu_s") or 0.0)])
    entries = status.get("entries", ())
    prefix = f"netorch_{service}"
    _add(lines, f"{prefix}_entries", "gauge", _by_state(entries))
    _add(lines, f"{prefix}_entry_age_seconds", "gauge", _ages(entries))
    counters = status.get("counters", {})
    for counter in FEED_COUNTERS if service == "feed" else MIRROR_COUNTERS:
        _add(lines, f"{prefix}_{counter}_total", "counter", [({}, counters.get(counter, 0))])
    if service == "feed":
        _add(lines, "netorch_feed_subscribers", "gauge", [({}, len(status.get("subscribers", ())))])
    else:
        feeds = ((({"switch": feed["switch"]}, float(bool(feed["up"])))) for feed in status.get("feeds", ()))
        _add(lines, "netorch_mirror_feed_up", "gauge", list(feeds))
    return "".join(lines)


def _by_state(entries: Iterable[Dict[str, Any]]) -> List[Sample]:
    counts: Dict[str, int] = {}
    for entry in entries:
        counts[entry["state"]] = counts.get(entry["state"], 0) + 1
    return [({"state": state}, counts[state]) for state in sorted(counts)]


def _ages(entries: Iterable[Dict[str, Any]]) -> List[Sample]:
    names = ("address", "interface", "provider", "circuit")
    return [
        ({name: entry[name] for name in names}, max(0.0, now() - float(entry["since"])))
        for entry in entries
        if entry.get("since") is not None
    ]


def _add(lines: List[str], name: str, kind: str, samples: List[Sample]) -> None:
    if samples:
        lines.append(f"# TYPE {name} {kind}\n")
    for labels, value in samples:
        said = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.append(f"{name}{{{said}}} {value:.15g}\n" if said else f"{name} {value:.15g}\n")


def _escaped(text: object) -> str:
    return str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
