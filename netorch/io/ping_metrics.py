"""Figures of pings for node_exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from netorch.io.metrics_file import write_registry

LABELS = ("pop", "host", "provider", "family", "destination", "protocol")
QUANTILES = {"0": "min_ms", "0.5": "median_ms", "0.9": "p90_ms", "0.99": "p99_ms"}


def write_ping_metrics(path: Path, rows: Iterable[Mapping[str, Any]], *, finished: float) -> None:
    """Replace the file at ``path``, whole or not at all. ``rows`` are documents of tracks, ``finished`` seconds since the epoch.

    Raises NetorchError where it cannot be written.
    """
    from prometheus_client import CollectorRegistry, Gauge

    registry = CollectorRegistry()

    def gauge(name: str, text: str, *more: str) -> Gauge:
        return Gauge(f"netorch_ping_{name}", text, [*LABELS, *more], registry=registry)

    Gauge("netorch_ping_timestamp_seconds", "When the last run ended.", registry=registry).set(finished)
    sent = gauge("sent_packets", "Packets of the last run.")
    loss = gauge("loss_ratio", "Share of them that was lost; absent where none could be sent.")
    rtt = gauge("rtt_seconds", "Round-trip time of the last run; absent where nothing was answered.", "quantile")
    jitter = gauge("jitter_seconds", "Mean absolute difference of successive round-trip times.")
    state = gauge("state", "1 for the state that the way is in: ok, drained, down, no route, ...", "state")
    for row in rows:
        labels = [str(row[label]) for label in LABELS]
        sent.labels(*labels).set(row["sent"])
        state.labels(*labels, row["state"]).set(1)
        if row["sent"]:
            loss.labels(*labels).set(1.0 - row["received"] / row["sent"])
        for quantile, key in QUANTILES.items():
            if row[key] is not None:
                rtt.labels(*labels, quantile).set(row[key] / 1000.0)
        if row["jitter_ms"] is not None:
            jitter.labels(*labels).set(row["jitter_ms"] / 1000.0)
    write_registry(path, registry)
