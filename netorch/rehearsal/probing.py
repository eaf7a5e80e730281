"""Packets that are sent all through a rehearsal, and what became of them."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import IO, Optional

from netorch.lab import INTERNET_NODE, enter_command, expected_prefixes
from netorch.lab.topology import played
from netorch.model.inventory import Pop
from netorch.model.observation import Probe
from netorch.model.types import Family, IPNetwork
from netorch.ports import Clock
from netorch.rehearsal.twin import Twin

INTERVAL_S = 0.015
"""More than 60 packets a second."""

PROBED_HOSTS = 4
"""Of each POP: packets cost time, and hosts of a POP differ little."""

ANSWER_TIMEOUT_S = 5.0
IN_FLIGHT = 10
"""The last packets of a probe may have been on their way when it ended."""

_SENT = re.compile(r"(\d+) packets transmitted")
_ANSWERED = re.compile(r"bytes from .*icmp_seq=(\d+) ")


@dataclass(frozen=True)
class Way:
    """From ``source`` on ``node`` to ``destination``; ``via`` as in ``Probe``."""

    node: str
    source: str
    destination: str
    via: str = ""


@dataclass
class Probing:
    """Probes that run, or have run: ``results`` are there once they have."""

    results: tuple[Probe, ...] = field(default=())


@dataclass
class _Ping:
    way: Way
    process: subprocess.Popen[bytes]
    output: Path
    answered: bool = False

    def has_answer(self) -> bool:
        self.answered = self.answered or b"bytes from" in self.output.read_bytes()
        return self.answered

    def result(self) -> Probe:
        text = self.output.read_text(errors="replace")
        found = _SENT.search(text)
        sent = max(0, int(found.group(1)) - IN_FLIGHT) if found else 0
        seen = sorted({number for number in map(int, _ANSWERED.findall(text)) if number <= sent})
        gap = max((after - before - 1 for before, after in pairwise((0, *seen, sent + 1))), default=0)
        way = self.way
        gap_ms = gap * INTERVAL_S * 1000
        return Probe(way.node, way.destination, way.via, sent, sent - len(seen), gap_ms, self.answered)


@contextmanager
def probing(twin: Twin, clock: Clock, folder: Path) -> Iterator[Probing]:
    """Send over every way of ``twin`` while the block runs; it begins once all are answered, or will not be."""
    folder.mkdir(parents=True)
    probing = Probing()
    with ExitStack() as stack:
        pings = []
        for number, way in enumerate(ways(twin)):
            output = folder / f"{number}.txt"
            pings.append(_Ping(way, _start(twin, way, stack.enter_context(output.open("wb"))), output))
        deadline = clock.monotonic() + ANSWER_TIMEOUT_S
        while [ping for ping in pings if not ping.has_answer()] and clock.monotonic() < deadline:
            clock.wait(0.1)
        try:
            yield probing
        finally:
            for ping in pings:
                ping.process.send_signal(signal.SIGINT)
            for ping in pings:
                ping.process.wait(timeout=10)
    probing.results = tuple(ping.result() for ping in pings)


def ways(twin: Twin) -> tuple[Way, ...]:
    """From hosts to an address behind each provider, by its own choice of route, and from the Internet to every such host."""
    found = []
    for pop in twin.inventory.pops:
        for host in pop.hosts[:PROBED_HOSTS]:
            for family in Family:
                service = next((str(a) for a in host.service if a.version == family.number), None)
                if service is None:
                    continue
                behind = _destinations(twin, pop, family)
                found += [Way(host.name, service, address, provider) for provider, address in behind.items()]
                source = next(iter(behind.values()), None)
                if source is not None:
                    found.append(Way(INTERNET_NODE, source, service))
    return tuple(found)


def _destinations(twin: Twin, pop: Pop, family: Family) -> dict[str, str]:
    """For each provider of the POP an address that no other provider announces, where there is one."""
    providers = list(dict.fromkeys(circuit.provider for circuit in pop.circuits if circuit.addresses(family)))
    prefixes = {p.name: expected_prefixes(twin.inventory, p.name, family)[0] for p in played(twin.inventory)}
    found = {}
    for provider in providers:
        own = prefixes[provider].difference(*(others for name, others in prefixes.items() if name != provider))
        first: Optional[IPNetwork] = min(own, key=lambda prefix: int(prefix.network_address), default=None)
        if first is not None:
            found[provider] = str(first.network_address + 7)
    return found


def _start(twin: Twin, way: Way, output: IO[bytes]) -> subprocess.Popen[bytes]:
    ping = ("ping", "-n", "-i", str(INTERVAL_S), "-I", way.source, way.destination)
    target = next(word for word in enter_command(way.node, (), twin.settings) if word.startswith("--target="))
    # The network's namespace alone: with another process namespace nsenter would stay in between and take the signals.
    return subprocess.Popen(["nsenter", target, "--net", *ping], stdout=output, stderr=output)
