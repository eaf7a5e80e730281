"""Circuits' states and counters for node_exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from netorch.io.metrics_file import write_registry

LABELS = ("pop", "provider", "circuit", "switch", "interface")


def write_traffic_metrics(path: Path, circuits: Iterable[Mapping[str, Any]], *, finished: float) -> None:
    """Replace the file at ``path``, whole or not at all. ``circuits`` are those of ``Status.document``, ``finished`` is seconds
    since the epoch. Counters that several circuits share are told once, with the names of all: so that a sum is right.

    Raises NetorchError where it cannot be written.
    """
    from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics

    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    Gauge("netorch_status_timestamp_seconds", "When the devices were asked.", registry=registry).set(finished)
    received = Counter("netorch_circuit_receive_bytes", "From the provider.", LABELS, registry=registry)
    sent = Counter("netorch_circuit_transmit_bytes", "To the provider.", LABELS, registry=registry)
    text = "What the inventory says that the circuit can carry."
    capacity = Gauge("netorch_circuit_capacity_bytes_per_second", text, LABELS[:3], registry=registry)
    text = "1 for the state that the circuit is in: up, partly up, down, drained, unknown."
    state = Gauge("netorch_circuit_state", text, [*LABELS[:3], "state"], registry=registry)
    told: set[tuple[str, str]] = set()
    rows = list(circuits)
    providers = {row["circuit"]: row["provider"] for row in rows}
    for row in rows:
        state.labels(row["pop"], row["provider"], row["circuit"], row["state"]).set(1)
        if row["capacity_bps"] is not None:
            capacity.labels(row["pop"], row["provider"], row["circuit"]).set(row["capacity_bps"] / 8)
        counted = (row["switch"], row["interface"])
        if row["in_bytes"] is None or counted in told:
            continue
        told.add(counted)
        names = [row["circuit"], *row["shared_with"]]
        provider = ",".join(dict.fromkeys(providers[name] for name in names))
        labels = (row["pop"], provider, ",".join(names), *counted)
        received.labels(*labels).inc(max(0, row["in_bytes"]))
        sent.labels(*labels).inc(max(0, row["out_bytes"]))
    write_registry(path, registry)
