"""From a neighbour's change on the switch to the entry in each host's kernel, beside a bare subscriber, TCP and a bare writer."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks.mirror.failover import failover
from benchmarks.mirror.floor import floor_running
from benchmarks.report import Progress
from netorch.io.netlink.events import EventSocket, NeighbourEvent
from netorch.io.netlink.neighbour_writer import NeighbourWriter
from tests.lab.mirror_bed import V4, Bed, Node
from tests.lab.namespaces import inside
from tests.waiting import wait_until

HOSTS = (1, 10, 50)
CHANGES = 1000
ROUNDS = 4
PAUSE_S = 0.01
LOST_S = 5.0
BARE = "203.0.113.77"
"""The floor's address, which no agent looks after."""


def run(progress: Progress) -> dict[str, Any]:
    """Two rows for each number of hosts, and one for each way to swap a router; milliseconds."""
    rows: list[dict[str, Any]] = []
    agents: list[dict[str, Any]] = []
    for hosts in HOSTS:
        progress(f"mirror: {hosts} hosts")
        both, agent_rows = compare(hosts)
        rows += both
        agents += agent_rows
    progress("mirror: routers swapped under traffic")
    return {"changes": CHANGES, "rounds": ROUNDS, "rows": rows, "agents": agents, "failover": failover()}


def compare(hosts: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The floor and netorch in turns, on one bed; and what its agents took."""
    bed = Bed(hosts)
    floor: list[float] = []
    ours: list[float] = []
    try:
        for number, host in enumerate(bed.hosts, start=1):
            host.configure(bed.mirror_settings(number, hold_down=(1000, 0.1, 1.0)))
        bed.start()
        before = [node.status() for node in bed.nodes]
        for turn in range(ROUNDS):
            _signal_all(bed, signal.SIGSTOP)
            try:
                with floor_running(bed, BARE):
                    floor += measure(bed, BARE, turn)
            finally:
                _signal_all(bed, signal.SIGCONT)
            for host in bed.hosts:
                wait_until(partial(_hears, bed, host), what=f"{host.name} follows again")
            ours += measure(bed, V4, turn)
        after = [node.status() for node in bed.nodes]
    finally:
        bed.close()
    rows = [_row(hosts, "floor", floor, floor), _row(hosts, "netorch", ours, floor)]
    return rows, [_agent_row(hosts, *pair) for pair in list(zip(before, after, strict=True))[:2]]


def _signal_all(bed: Bed, number: int) -> None:
    for node in bed.nodes:
        assert node.process is not None
        os.kill(node.process.pid, number)


def _hears(bed: Bed, host: Node) -> bool:
    """It follows the feed, over a connection that is not the one from before it was stopped."""
    status = host.status()
    return bed.is_up(host) and status["feeds"][0]["since"] < time.time() - 1.0


def measure(bed: Bed, address: str, turn: int) -> list[float]:
    """Seconds from each change to each host's entry."""
    taken: list[float] = []
    with ExitStack() as stack, selectors.DefaultSelector() as ready:
        for number, host in enumerate(bed.hosts):
            events = inside(host.space.pid, lambda: EventSocket(neighbours=True))
            stack.callback(events.close)
            ready.register(events, selectors.EVENT_READ, number)
        writer = inside(bed.switch.space.pid, NeighbourWriter)
        stack.callback(writer.close)
        index = inside(bed.switch.space.pid, lambda: socket.if_nametoindex("br0"))
        for number in range(-5, CHANGES // ROUNDS):
            mac = f"02:dd:{turn:02x}:00:{number >> 8 & 255:02x}:{number & 255:02x}"
            begun = time.monotonic()
            writer.put(index, address, mac=mac, protocol=0)
            times = _arrivals(ready, address, mac, range(len(bed.hosts)))
            if number >= 0:  # the first few find everything cold, the floor's as well
                taken += [at - begun for at in times]
            time.sleep(PAUSE_S)
    return taken


def _arrivals(ready: selectors.BaseSelector, address: str, mac: str, hosts: Sequence[int]) -> list[float]:
    """When each host's kernel told of it."""
    times: dict[int, float] = {}
    while len(times) < len(hosts):
        found = ready.select(LOST_S)
        at = time.monotonic()
        assert found, f"{address} at {mac} has not reached hosts {sorted(set(hosts) - set(times))}"
        for key, _ in found:
            for event in key.fileobj.read():  # type: ignore[union-attr]
                if isinstance(event, NeighbourEvent) and (event.address, event.mac) == (address, mac):
                    times.setdefault(key.data, at)
    return list(times.values())


def _row(hosts: int, name: str, seconds: list[float], floor: list[float]) -> dict[str, Any]:
    return {
        "hosts": hosts,
        "name": name,
        "p50_ms": quantile_ms(seconds, 0.5),
        "p99_ms": quantile_ms(seconds, 0.99),
        "max_ms": quantile_ms(seconds, 1.0),
        "p99_to_floor": round(quantile_ms(seconds, 0.99) / quantile_ms(floor, 0.99), 2),
        "entries": len(seconds),
    }


def quantile_ms(seconds: Sequence[float], share: float) -> float:
    """In milliseconds; ``share`` 1.0 is the longest."""
    ordered = sorted(seconds)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 2)


def _agent_row(hosts: int, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    changes = after["counters"]["changes"] - before["counters"]["changes"]
    cpu_s = after["cpu_s"] - before["cpu_s"]
    return {
        "hosts": hosts,
        "agent": after["service"],
        "memory_mib": round(after["memory_bytes"] / 2**20, 1),
        "cpu_ms_per_change": round(cpu_s / max(1, changes) * 1000, 2),
        "cpu_share": round(cpu_s / (after["updated"] - before["updated"]), 3),
    }
