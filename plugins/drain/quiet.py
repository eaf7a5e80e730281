"""When a port is quiet, and when a session has settled. Pure: histories of facts in, answers out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Iterator, List, Mapping, Optional, Sequence, Tuple

from netorch.api import Circuit, Curve, Facts, Family, Intent, Inventory, Link, Session, newest

from .scope import HOST, SWITCH, Line, Scope, host_lines, provider_lines

History = Tuple[Tuple[float, Facts], ...]
"""Gatherings with their monotonic times in seconds, the newest last."""

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
class Limits:
    """What counts as quiet: below ``percent`` of the rate that was measured over ``measure_s``, for ``quiet_s``, so that one
    lucky second does not count."""

    percent: float
    measure_s: float
    quiet_s: float


def limits_of(settings: Mapping[str, Any]) -> Limits:
    """Those of the plugin's settings."""
    return Limits(
        float(settings.get("quiet_percent", 1.0)),
        float(settings.get("measure_s", 3.0)),
        float(settings.get("quiet_s", 5.0)),
    )


@dataclass(frozen=True)
class Port:
    """An interface that a drain makes quiet: a provider's port or a host's on a switch, or a host's uplink. ``name`` is what
    people call it, ``circuit`` None where it is no provider's. ``control`` is what it carries without any traffic, in bytes per
    second. Of a host's uplink only what comes in counts (``only_in``): what the host itself sends goes on.
    """

    name: str
    device: str
    interface: str
    scope: Scope
    control: float
    circuit: Optional[Circuit] = None
    only_in: bool = False

    def link(self, facts: Facts) -> Optional[Link]:
        """The port's counters: those of the circuit's own VLAN where the switch has an interface for it."""
        device = facts.get(self.device)
        if device is None:
            return None
        vlan = self.circuit.vlan if self.circuit is not None else None
        return (device.link(f"{self.interface}.{vlan}") if vlan is not None else None) or device.link(self.interface)

    def octets(self, link: Link) -> int:
        """What counts of ``link``'s counters."""
        return link.rx_bytes if self.only_in else link.rx_bytes + link.tx_bytes


def ports(scope: Scope, inventory: Inventory, intent: Intent) -> Tuple[Port, ...]:
    """The ports that ``scope`` drains: those of its circuits, of a switch those to hosts as well; of a host its uplinks."""
    has_agents = inventory.pki is not None
    pop = inventory.pop(scope.pop)
    providers = provider_lines(intent, scope.pop)
    found = [
        Port(
            circuit.name,
            circuit.switch,
            circuit.port,
            scope,
            _control(circuit, providers, has_agents=has_agents),
            circuit=circuit,
        )
        for circuit in scope.circuits(pop.circuits)
    ]
    if scope.kind in (SWITCH, HOST):
        fabric = [line for line in host_lines(intent, scope.pop) if scope.name in (line.device.name, line.session.peer)]
        found += _fabric_ports(scope, intent, fabric, has_agents=has_agents)
    return tuple(found)


def _fabric_ports(scope: Scope, intent: Intent, lines: Sequence[Line], *, has_agents: bool) -> Iterator[Port]:
    is_host = scope.kind == HOST
    role = "uplink" if is_host else "host"
    peers = dict.fromkeys(line.device.name if is_host else line.session.peer for line in lines)
    for interface in intent.device(scope.name).interfaces:
        if interface.role == role and interface.peer in peers:
            mine = [ln for ln in lines if interface.peer in (ln.device.name, ln.session.peer)]
            control = CONTROL_BYTES_PER_S + sum(_bfd_rate(line.session) for line in mine)
            control += PROBE_BYTES_PER_S if has_agents else 0.0  # the mirror's feed
            yield Port(f"{scope.name} {interface.name}", scope.name, interface.name, scope, control, only_in=is_host)


def _bfd_rate(session: Session) -> float:
    return BFD_BYTES_PER_PACKET * 1000 / session.bfd_timers.interval_ms if session.bfd else 0.0


def _control(circuit: Circuit, lines: Sequence[Line], *, has_agents: bool) -> float:
    """What the circuit's port carries without any traffic, in bytes per second."""
    bfd = sum(_bfd_rate(line.session) for line in lines if line.session.circuit == circuit.id)
    addresses = sum(circuit.addresses(family) is not None for family in Family) if has_agents else 0
    return CONTROL_BYTES_PER_S + bfd + PROBE_BYTES_PER_S * addresses


def rate(history: History, port: Port, window_s: float) -> Optional[float]:
    """Bytes per second over the last ``window_s`` or a little more; None while the history is too short, and after the
    counters were reset."""
    samples = [(at, link) for at, facts in history for link in [port.link(facts)] if link is not None]
    if not samples:
        return None
    end, last = samples[-1]
    before = [(at, link) for at, link in samples if at <= end - window_s]
    if not before:
        return None
    start, first = before[-1]
    octets = port.octets(last) - port.octets(first)
    return octets / (end - start) if octets >= 0 else None


def course(history: History, port: Port) -> Tuple[Optional[int], ...]:
    """The rate at each look of ``history`` but the first, in bit/s, since the look before; None where it is not known."""
    found: List[Optional[int]] = []
    for (then, before), (now, after) in zip(history, history[1:]):
        first, last = port.link(before), port.link(after)
        octets = port.octets(last) - port.octets(first) if first is not None and last is not None else -1
        found.append(round(octets * 8 / (now - then)) if octets >= 0 and now > then else None)
    return tuple(found)


def curves(watched: Sequence[Port], former: Mapping[str, Optional[float]]) -> Callable[[History], Tuple[Curve, ...]]:
    """What people see of a wait; ``former`` are the rates before, in bytes per second, by the port's name."""

    def seen(history: History) -> Tuple[Curve, ...]:
        return tuple(Curve(port.name, course(history, port), bits(former.get(port.name))) for port in watched)

    return seen


def bits(octets_per_s: Optional[float]) -> Optional[int]:
    """Bytes per second as bit/s."""
    return None if octets_per_s is None else round(octets_per_s * 8)


def is_quiet(now: Optional[float], former: Optional[float], port: Port, *, limits: Limits) -> bool:
    """Whether ``now`` is below the limit's share of ``former``, both in bytes per second, what the port carries anyway left out
    of both. A rate that is not known is never quiet."""
    if now is None:
        return False
    return now <= port.control + limits.percent / 100.0 * max((former or 0.0) - port.control, 0.0)


@dataclass
class Watch:
    """A condition for a Wait that remembers what it saw."""

    condition: Callable[[History], bool]
    history: History = ()

    def __call__(self, history: History) -> bool:
        self.history = history
        return self.condition(history)


def until_measured(limits: Limits) -> Watch:
    """A condition that holds once the history is long enough for the former rates."""
    return Watch(lambda history: history[-1][0] - history[0][0] >= limits.measure_s)


def until_quiet(
    watched: Sequence[Port], former: Mapping[str, Optional[float]], *, limits: Limits, seen: History = ()
) -> Watch:
    """A condition that holds once every port is quiet; ``former`` are the rates before, by the port's name, ``seen`` is what was
    seen already since it should be."""
    return Watch(lambda history: not noisy((*seen, *history), watched, former, limits=limits))


def noisy(
    history: History, watched: Sequence[Port], former: Mapping[str, Optional[float]], *, limits: Limits
) -> Tuple[Port, ...]:
    """The ports that are not quiet."""
    return tuple(
        port
        for port in watched
        if not is_quiet(rate(history, port, limits.quiet_s), former.get(port.name), port, limits=limits)
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
