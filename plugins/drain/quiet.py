"""When a provider's port is quiet, and when a session has settled. Pure: histories of facts in, answers out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, List, Mapping, Optional, Sequence, Tuple

from netorch.api import Circuit, Facts, Family, Inventory, Link, newest

from .scope import Line, Scope

History = Tuple[Tuple[float, Facts], ...]
"""Gatherings with their monotonic times in seconds, the newest last."""

MEASURE_S = 3.0
"""Over how long the former rate is measured."""

WINDOW_S = 5.0
"""Over how long a port must be quiet, so that one lucky second does not count."""

QUIET_SHARE = 0.01

CONTROL_BYTES_PER_S = 250.0
"""What an idle port carries, 2 kbit/s: keepalives of two BGP sessions every few seconds with their acknowledgements
(about 100 bytes/s each at a hold time of 9 s), ARP, ND and LLDP."""

BFD_BYTES_PER_PACKET = 200.0
"""One packet of a BFD session in each direction: about 80 bytes each, and they may come a quarter sooner than agreed."""

PROBE_BYTES_PER_S = 250.0
"""The mirror's agent asks for each of the provider's addresses every 0.75 s, and is answered: 60 to 90 bytes each."""

STEADY_S = 3.0
"""How long a session's prefix count must stay as it is before all of them have arrived."""

EMPTY_STEADY_S = 10.0
"""The same for a session without a prefix: a provider may announce none, or not have begun."""


@dataclass(frozen=True)
class Port:
    """A provider's port on a switch. ``control`` is what it carries without any traffic, in bytes per second."""

    circuit: Circuit
    scope: Scope
    control: float

    def link(self, facts: Facts) -> Optional[Link]:
        """The port's counters: those of the circuit's own VLAN where the switch has an interface for it."""
        switch = facts.get(self.circuit.switch)
        if switch is None:
            return None
        vlan = switch.link(f"{self.circuit.port}.{self.circuit.vlan}") if self.circuit.vlan is not None else None
        return vlan or switch.link(self.circuit.port)


def ports(scopes: Sequence[Scope], inventory: Inventory, lines: Sequence[Line]) -> Tuple[Port, ...]:
    """The ports that ``scopes`` drain; ``lines`` are their sessions."""
    return tuple(
        Port(circuit, scope, _control(circuit, inventory, lines))
        for scope in scopes
        for circuit in scope.circuits(inventory.pop(scope.pop).circuits)
    )


def _control(circuit: Circuit, inventory: Inventory, lines: Sequence[Line]) -> float:
    """What the circuit's port carries without any traffic, in bytes per second."""
    mine = [line.session for line in lines if line.session.circuit == circuit.id]
    bfd = sum(BFD_BYTES_PER_PACKET * 1000 / session.bfd_timers.interval_ms for session in mine if session.bfd)
    addresses = sum(circuit.addresses(family) is not None for family in Family) if inventory.pki is not None else 0
    return CONTROL_BYTES_PER_S + bfd + PROBE_BYTES_PER_S * addresses


def rate(history: History, port: Port, window_s: float) -> Optional[float]:
    """Bytes per second in both directions over the last ``window_s`` or a little more; None while the history is too
    short, and after the counters were reset."""
    samples = [(at, link) for at, facts in history for link in [port.link(facts)] if link is not None]
    if not samples:
        return None
    end, last = samples[-1]
    before = [(at, link) for at, link in samples if at <= end - window_s]
    if not before:
        return None
    start, first = before[-1]
    octets = _octets(last) - _octets(first)
    return octets / (end - start) if octets >= 0 else None


def is_quiet(now: Optional[float], former: Optional[float], port: Port) -> bool:
    """Whether ``now`` is below 1 % of ``former``, both in bytes per second, what the port carries anyway left out of
    both. A rate that is not known is never quiet."""
    if now is None:
        return False
    return now <= port.control + QUIET_SHARE * max((former or 0.0) - port.control, 0.0)


@dataclass
class Watch:
    """A condition for a Wait that remembers what it saw."""

    condition: Callable[[History], bool]
    history: History = ()

    def __call__(self, history: History) -> bool:
        self.history = history
        return self.condition(history)


def measured(history: History) -> bool:
    """Whether the history is long enough for the former rates."""
    return history[-1][0] - history[0][0] >= MEASURE_S


def until_quiet(watched: Sequence[Port], former: Mapping[str, Optional[float]]) -> Watch:
    """A condition that holds once every port is quiet; ``former`` are the rates before, by the circuit's name."""
    return Watch(
        lambda history: all(
            is_quiet(rate(history, port, WINDOW_S), former.get(port.circuit.name), port) for port in watched
        )
    )


def until_settled(lines: Sequence[Line]) -> Watch:
    """A condition that holds once every session is Established and its count of prefixes has stopped growing."""
    return Watch(lambda history: all(_has_settled(history, line) for line in lines))


def established(facts: Facts, line: Line) -> bool:
    """Whether the session is Established, as far as the facts tell."""
    device = facts.get(line.device.name)
    protocol = device.protocol(line.session.name) if device is not None else None
    return protocol is not None and protocol.bgp_state == "Established"


def prefixes(facts: Facts, line: Line) -> Optional[int]:
    """How many prefixes the session has brought; None unless it is Established."""
    if not established(facts, line):
        return None
    protocol = facts[line.device.name].protocol(line.session.name)
    channel = protocol.channel(line.session.family.value) if protocol is not None else None
    return (channel.routes_imported or 0) if channel is not None else 0


def best_routes(facts: Facts, lines: Sequence[Line]) -> Optional[int]:
    """For how many prefixes the switch prefers these sessions' routes; None where no session tells."""
    counts: List[int] = []
    for line in lines:
        device = facts.get(line.device.name)
        protocol = device.protocol(line.session.name) if device is not None else None
        channel = protocol.channel(line.session.family.value) if protocol is not None else None
        if channel is not None and channel.routes_preferred is not None:
            counts.append(channel.routes_preferred)
    return sum(counts) if counts else None


def _has_settled(history: History, line: Line) -> bool:
    now = prefixes(newest(history), line)
    if now is None:
        return False
    since = history[-1][0]
    for at, facts in reversed(history):
        if prefixes(facts, line) != now:
            break
        since = at
    return history[-1][0] - since >= (STEADY_S if now else EMPTY_STEADY_S)


def _octets(link: Link) -> int:
    return link.rx_bytes + link.tx_bytes
