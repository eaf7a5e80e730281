"""Through which switch pings go to a provider on both, and by which their answers come: seen where its circuits end."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from netorch.io.clock import SystemClock
from netorch.lab import expected_prefixes
from netorch.model.inventory import Circuit
from netorch.model.types import Family
from tests.lab.capture import Capture, capture
from tests.lab.deployed_pop import HOSTS, PROVIDERS, SWITCHES, circuits, int_of, service
from tests.lab.labs import Lab
from tests.waiting import wait_until

ON_BOTH = "northtel"
"""The provider that has a circuit on each switch."""

CANDIDATES = 16
"""How many addresses are tried for each host: every second one goes through a given switch."""

WATCHED_S = 0.5
"""For how long streams are watched that run already, with hundreds of pings a second."""

ECHO_ANSWER, ECHO_REQUEST = 0, 8


@dataclass(frozen=True)
class Stream:
    """Pings from a host's service address."""

    source: str
    target: str


@dataclass(frozen=True)
class Seen:
    """The echoes at the switches' ports to the provider, by switch; filled when the watch ends."""

    at: Mapping[str, Capture]

    def requests(self, stream: Stream) -> set[str]:
        """The switches that the stream's pings passed."""
        return self._switches(ECHO_REQUEST, (stream.source, stream.target))

    def answers(self, stream: Stream) -> set[str]:
        """The switches that its answers passed."""
        return self._switches(ECHO_ANSWER, (stream.target, stream.source))

    def passes_only(self, stream: Stream, switch: str) -> bool:
        """Whether it was seen at that switch, in both directions, and at no other."""
        return self.requests(stream) == self.answers(stream) == {switch}

    def _switches(self, kind: int, ends: tuple[str, str]) -> set[str]:
        return {
            switch
            for switch, captured in self.at.items()
            if any(f.icmp_type == kind and (str(f.source_ip), str(f.target_ip)) == ends for f in captured.frames)
        }


def choose_streams(lab: Lab, switch: str, folder: Path) -> dict[str, Stream]:
    """One for each host, whose pings and answers both pass ``switch``: of those that were tried, one that was seen there.

    The kernel's choice among next hops depends on the target, so a host without any such target uses the switch for nothing.
    """
    _steer_answers(lab, switch)
    candidates = {
        host: [Stream(service(lab.inventory, host, Family.IPV4), target) for target in _targets(lab)] for host in HOSTS
    }
    with _watch(lab, SWITCHES, folder) as seen:
        for host, streams in candidates.items():
            pings = (f"ping -n -q -c 3 -i 0.05 -W 2 -I {s.source} {s.target} >/dev/null & " for s in streams)
            lab.sh(host, "".join(pings) + "wait")
    chosen = {}
    for host, streams in candidates.items():
        passing = [stream for stream in streams if seen.passes_only(stream, switch)]
        said = [f"{s.target} {sorted(seen.requests(s))} back {sorted(seen.answers(s))}" for s in streams]
        assert passing, f"{host} uses {switch} for none of its targets: {'; '.join(said)}"
        chosen[host] = passing[0]
    return chosen


def elsewhere(
    lab: Lab, streams: Collection[Stream], switch: str, *, folder: Path, watched: Collection[str]
) -> list[str]:
    """In words, which of these streams, that run already, do not pass ``switch`` in both directions, or pass another of the
    switches ``watched``, which have power; [] where none."""
    with _watch(lab, watched, folder) as seen:
        SystemClock().wait(WATCHED_S)
    return [
        f"{s.source} to {s.target} passes {sorted(seen.requests(s))}, its answers {sorted(seen.answers(s))}"
        for s in streams
        if not seen.passes_only(s, switch)
    ]


@contextmanager
def _watch(lab: Lab, switches: Collection[str], folder: Path) -> Iterator[Seen]:
    with ExitStack() as stack:
        yield Seen(
            {
                circuit.switch: stack.enter_context(
                    capture(circuit.switch, circuit.port, lab.settings, folder=folder, only="icmp")
                )
                for circuit in map(functools.partial(_circuit, lab), switches)
            }
        )


def _targets(lab: Lab) -> list[str]:
    """Addresses of as many prefixes that nobody but the provider on both switches announces."""
    others = (expected_prefixes(lab.inventory, p, Family.IPV4)[0] for p in PROVIDERS if p != ON_BOTH)
    prefixes = expected_prefixes(lab.inventory, ON_BOTH, Family.IPV4)[0].difference(*others)
    numbered = enumerate(sorted(prefixes, key=int_of), 2)
    return [str(prefix.network_address + number) for number, prefix in islice(numbered, CANDIDATES)]


def _steer_answers(lab: Lab, switch: str) -> None:
    """The provider prefers its circuit on ``switch`` from now on, as long as that is up; it takes one alone in any case."""
    circuit = _circuit(lab, switch)
    lab.sh(
        ON_BOTH,
        "sed -i -e 's/preference 60;/preference 50;/'"
        f" -e '/^protocol bgp circuit{circuit.id}_4 /,/^}}/s/preference 50;/preference 60;/' /etc/bird/bird.conf\n"
        "birdc configure",
    )
    assert circuit.ipv4 is not None
    way = f" via {circuit.ipv4.local.ip} "

    def is_taken() -> bool:
        sources = (service(lab.inventory, host, Family.IPV4) for host in HOSTS)
        return all(way in lab.run(ON_BOTH, "ip", "route", "get", source) for source in sources)

    wait_until(is_taken, timeout_s=30, what=f"{ON_BOTH} answers through {switch}")


def _circuit(lab: Lab, switch: str) -> Circuit:
    return next(circuit for circuit in circuits(lab.inventory, ON_BOTH) if circuit.switch == switch)
