"""One load of the full tables, watched from the first session until the host's kernel tables are complete."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from benchmarks.fulltable.kernel import Table
from benchmarks.fulltable.network import HOST, PROVIDERS, SWITCH
from benchmarks.fulltable.pop import Daemon, Expected, Pop

SAMPLE_S = 0.05
IDLE_SAMPLES = 10
IDLE_SHARE = 0.2
REPLY_EVERY_S = 0.2


@dataclass(frozen=True)
class Load:
    """What one load took. Seconds, bytes; ``peak`` is the most that a daemon had resident, ``replies`` the longest that
    one let its control socket wait."""

    seconds: float
    cpu_s: dict[str, float]
    rss: dict[str, int]
    peak: dict[str, int]
    replies: dict[str, float]
    tables: dict[int, Table]
    switch_fib: int
    kernel_bytes: int


@dataclass(frozen=True)
class Quiet:
    """A while of quiet with full tables: processor time of the host's daemon, and the longest wait for its replies."""

    cpu_s: float
    reply_s: float


@dataclass
class Replies:
    """Asks daemons for their status all the time, as a monitor would, and keeps the longest wait for each."""

    pop: Pop
    longest_s: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def watch(self) -> Iterator[None]:
        """Ask while the context lasts."""
        done = threading.Event()
        threads = [threading.Thread(target=self._ask, args=(node, done)) for node in (SWITCH, HOST)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            done.set()
            for thread in threads:
                thread.join()

    def _ask(self, node: str, done: threading.Event) -> None:
        clock = self.pop.settings.clock
        with self.pop.bird(node) as bird:
            while not done.wait(REPLY_EVERY_S):
                start = clock.monotonic()
                bird.ask("show status")
                self.longest_s[node] = max(self.longest_s.get(node, 0.0), clock.monotonic() - start)


def measure_load(pop: Pop, expected: dict[int, Expected]) -> Load:
    """Let both providers come up and wait until the host's tables are what is ``expected``.

    The clock runs from the moment at which the first of the providers' sessions is established (the provider's own word)
    to the last moment at which the host's daemon was at work before all three tables were found exactly right.
    """
    daemons = {node: pop.daemon(node) for node in (SWITCH, HOST)}
    before = {node: daemon.cpu_s() for node, daemon in daemons.items()}
    slab = kernel_routes_bytes()
    replies = Replies(pop)
    with replies.watch():
        pop.sessions("enable")
        end = wait_until_complete(pop, {number: table.routes for number, table in expected.items()})
    start = min(datetime.fromisoformat(pop.established_at(provider)).timestamp() for provider in PROVIDERS)
    cpu = {node: daemon.cpu_s() - before[node] for node, daemon in daemons.items()}
    memory = {node: pop.daemon(node).memory() for node in (SWITCH, HOST, *PROVIDERS)}
    tables = pop.tables(HOST)
    found = {number: Expected(table.routes, table.prefixes) for number, table in tables.items()}
    assert found == expected, f"the host holds {found}, expected {expected}"
    return Load(
        seconds=end - start,
        cpu_s=cpu,
        rss={node: now for node, (now, _) in memory.items()},
        peak={node: most for node, (_, most) in memory.items()},
        replies=replies.longest_s,
        tables=tables,
        switch_fib=pop.fib_size(SWITCH),
        kernel_bytes=kernel_routes_bytes() - slab,
    )


def watch_quiet(pop: Pop, seconds: float) -> Quiet:
    """What the daemon does while nothing changes: it compares the kernel's routes with its own."""
    host = pop.daemon(HOST)
    before = host.cpu_s()
    replies = Replies(pop)
    with replies.watch():
        pop.settings.clock.wait(seconds)
    return Quiet(host.cpu_s() - before, replies.longest_s[HOST])


def wait_until_complete(pop: Pop, expected: dict[int, int]) -> float:
    """The moment (seconds since the epoch) from which the host's daemon was idle, once BIRD's part of its kernel tables has
    the sizes ``expected`` and nothing else."""
    host = pop.daemon(HOST)
    while True:
        idle_since = _wait_until_idle(pop, host)
        if pop.counts(HOST) == expected:
            return idle_since


def _wait_until_idle(pop: Pop, host: Daemon) -> float:
    """The first of several looks in a row between which the daemon had hardly anything to do."""
    clock = pop.settings.clock
    seen: list[tuple[float, float, float]] = []

    def is_idle() -> bool:
        seen.append((clock.monotonic(), clock.now(), host.busy_s()))
        last = seen[-IDLE_SAMPLES:]
        shares = [(b[2] - a[2]) / (b[0] - a[0]) for a, b in pairwise(last)]
        return len(last) == IDLE_SAMPLES and max(shares) < IDLE_SHARE

    pop.wait(is_idle, "the host's daemon is idle", interval_s=SAMPLE_S)
    return seen[-IDLE_SAMPLES][1]


def kernel_routes_bytes() -> int:
    """What the kernel's IPv4 routing tables take on this machine, in all namespaces together; entries and inner nodes of the
    tries. Source: slabinfo(5); 0 where the kernel keeps no such file."""
    try:
        lines = Path("/proc/slabinfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    fields = [line.split() for line in lines if line.startswith("ip_fib_")]
    return sum(int(objects) * int(size) for _, _, objects, size, *_ in fields)
