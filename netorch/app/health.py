"""Whether the network does what it is for, judged for a monitoring system: what is wrong, worst first, and the figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from netorch.api import Facts
from netorch.app.controller import Controller
from netorch.app.gather import gather_world
from netorch.app.session_problems import session_problem
from netorch.app.validator_states import validator_problems, validator_wants
from netorch.errors import NetorchError, first_line
from netorch.model.certificate import CertificateFacts
from netorch.model.checks import is_up
from netorch.model.facts import AgentFacts, DeviceFacts
from netorch.model.intent import DeviceIntent, Intent
from netorch.model.sources import STANDBY, UP
from netorch.plan.mirror import DOWN, MirrorSides, compare_sides
from netorch.plan.traffic import circuit_traffic, provider_traffic
from netorch.plan.versions import refuse_other_version

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
"""The exit codes of a Nagios plugin. Source: Monitoring Plugins Development Guidelines, "Plugin Return Codes"."""

CERTIFICATE_WARNING_S = 3 * 86400.0
CERTIFICATE_WARNING_PART = 0.1
"""``netorch run`` renews long before, with a third of the life left: a certificate that is so close to its end, or with so small
a part of its life left where that is shorter, shows that nothing does."""

WANTS = ("certificate", "links", "mirror", "neighbours", "protocols")

Failures = Mapping[str, NetorchError]


@dataclass(frozen=True)
class Trouble:
    """One thing that is not as it should be. ``severity`` is WARNING or CRITICAL, ``where`` a device or a POP."""

    severity: int
    where: str
    text: str


@dataclass(frozen=True)
class Figure:
    """A count and what it ought to be; ``total`` None for one that has no bound. ``unit`` is perfdata's (``s``, ``c``)."""

    name: str
    value: float
    total: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class Health:
    """``state`` is one of the four exit codes; ``troubles`` come worst first, () where all is well."""

    state: int
    troubles: tuple[Trouble, ...]
    figures: tuple[Figure, ...]


def check_health(controller: Controller, targets: Iterable[str]) -> Health:
    """Ask ``targets`` and the switches of their POPs, and judge what they say."""
    names = tuple(targets)
    world = gather_world(controller, names, wants=(*WANTS, *validator_wants(controller.inventory)))
    return assess(world.intent, world.facts, world.failures, names)


def assess(intent: Intent, facts: Facts, failures: Failures, names: tuple[str, ...]) -> Health:
    """The health of the devices ``names``. Pure.

    Nobody can be asked: UNKNOWN, since this machine's own line may be the cause. A device that does not answer, a daemon that
    does not run, a device without any session, a host that sends to a wrong MAC or to none, or has no uplink, a POP without a
    provider: CRITICAL. One device is lost then, whatever others carry. What costs redundancy, or will cost traffic if nobody
    looks: WARNING.
    """
    devices = [intent.device(name) for name in names]
    deployed = [device for device in devices if device.name in facts and facts[device.name].generation]
    pairs = [(device.name, hop) for device in deployed for hop in device.next_hops]
    sides = compare_sides(intent, facts, pairs)
    found = [*_unreachable(failures, names), *_devices(intent, devices, facts), *_mirror(sides)]
    found += _pops(devices, facts)
    troubles = tuple(sorted(found, key=lambda trouble: -trouble.severity))
    state = max((trouble.severity for trouble in troubles), default=OK)
    if names and not any(name in facts for name in names):
        state = UNKNOWN
    return Health(state, troubles, tuple(_figures(intent, devices, facts, sides=sides)))


def _unreachable(failures: Failures, names: tuple[str, ...]) -> Iterator[Trouble]:
    for name in names:
        if name in failures:
            yield Trouble(CRITICAL, name, f"cannot be asked: {first_line(failures[name].message)}")


def _devices(intent: Intent, devices: Iterable[DeviceIntent], facts: Facts) -> Iterator[Trouble]:
    for device in devices:
        held = facts.get(device.name)
        if held is None:
            continue
        if held.generation == 0:
            yield Trouble(WARNING, device.name, "was never deployed")
            continue
        if not held.daemon.running:
            yield Trouble(CRITICAL, device.name, f"{held.daemon.name} does not run")
            continue
        yield from (Trouble(WARNING, device.name, text) for text in _daemon(device, held))
        meant = [session.name for session in device.sessions if session.enabled]
        down = [name for name in meant if not _is_established(held, name)]
        if down and down == meant:
            yield Trouble(CRITICAL, device.name, f"no session is established, of {len(meant)}")
        elif down:
            yield Trouble(WARNING, device.name, f"{_some(down)} not established")
        for session in device.sessions:
            problem = session_problem(intent, session, held)
            if problem:
                yield Trouble(WARNING, device.name, f"session {session.name}: {problem}")
        yield from _uplinks(device, held)
        yield from (Trouble(WARNING, device.name, moving_mac(name)) for name in moving_macs(device, held))
        yield from _agents(intent, device, held)
        yield from _certificate(device.name, held)
        for is_blind, text in validator_problems(device, held):
            yield Trouble(CRITICAL if is_blind else WARNING, device.name, text)


def _daemon(device: DeviceIntent, held: DeviceFacts) -> Iterator[str]:
    """What is wrong with a daemon that runs: its release, its configuration, how it was started."""
    try:
        refuse_other_version(device, held)
    except NetorchError as error:
        yield f"no change can be deployed: {error.message}"
    if held.pending is None and held.daemon.live_stamp != held.daemon.disk_stamp:
        yield f"{held.daemon.name} runs another configuration than its file"
    for text in held.daemon.started_without:
        yield f"{text}: drain {device.name}, start {held.daemon.name} anew, check it, then undrain it"


def _uplinks(device: DeviceIntent, held: DeviceFacts) -> Iterator[Trouble]:
    wanted = {hop.interface for hop in device.next_hops}
    links = [link for link in held.links if link.name in wanted]
    lost = [link for link in links if not (link.up and link.carrier)]
    for link in lost:
        words = "has no carrier" if link.up else "is down"
        yield Trouble(CRITICAL if len(lost) == len(wanted) else WARNING, device.name, f"uplink {link.name} {words}")


def moving_macs(device: DeviceIntent, held: DeviceFacts) -> tuple[str, ...]:
    """The bridges between switches and hosts, by name, whose MAC is one of their ports'."""
    wanted = {interface.name for interface in device.interfaces if interface.role in ("fabric", "uplink")}
    return tuple(link.name for link in held.links if link.mac_follows_ports and link.name in wanted)


def moving_mac(interface: str) -> str:
    """What is wrong with such a bridge, in words."""
    return f"{interface} has no fixed MAC: it changes when ports come and go, and neighbours lose the device meanwhile"


def _is_established(held: DeviceFacts, session: str) -> bool:
    return is_up(held.protocol(session))


def _agents(intent: Intent, device: DeviceIntent, held: DeviceFacts) -> Iterator[Trouble]:
    service = expected_service(intent, device)
    if service is None:
        return
    agent = held.agent_of(service)
    if agent is None:
        yield Trouble(WARNING, device.name, f"the mirror's agent is not installed: netorch deploy {device.name}")
    elif not agent.alive:
        yield Trouble(WARNING, device.name, f"the mirror's agent ({service}) does not run")
    elif agent.problem:
        yield Trouble(WARNING, device.name, f"the mirror's agent: {first_line(agent.problem)}")
    else:
        for feed in agent.feeds:
            if not feed.up:
                reason = f": {first_line(feed.error)}" if feed.error else ""
                yield Trouble(WARNING, device.name, f"no feed from {feed.switch}{reason}")


def expected_service(intent: Intent, device: DeviceIntent) -> str | None:
    """The agent that is meant to run on ``device``."""
    if not intent.certificates:
        return None
    if device.role == "host":
        return "mirror" if device.next_hops else None
    hosts = intent.in_pop(device.pop, "host")
    return "feed" if any(hop.switch == device.name for host in hosts for hop in host.next_hops) else None


def _certificate(name: str, held: DeviceFacts) -> Iterator[Trouble]:
    if held.certificate is not None:
        severity, text = judge_certificate(held.certificate)
        if severity:
            yield Trouble(severity, name, text)


def judge_certificate(certificate: CertificateFacts) -> tuple[int, str]:
    """How bad a device's certificate is, and why; OK and "" for a good one."""
    if certificate.problem:
        return WARNING, f"its certificate: {first_line(certificate.problem)}"
    left_s, whole_s = certificate.not_after - certificate.clock, certificate.not_after - certificate.issued
    if left_s <= 0:
        return CRITICAL, "its certificate has expired: netorch run renews it"
    if left_s < min(CERTIFICATE_WARNING_S, whole_s * CERTIFICATE_WARNING_PART):
        return WARNING, f"its certificate expires in {left_s / 3600:.0f} h: does netorch run?"
    return OK, ""


def _mirror(sides: Iterable[MirrorSides]) -> Iterator[Trouble]:
    for side in sides:
        if side.is_ok or side.verdict.startswith(("switch cannot be asked", "host cannot be asked")):
            continue  # who cannot be asked is told once
        if side.verdict.endswith(DOWN):
            continue  # so is an uplink
        is_harmless = side.verdict.startswith(("not resolved", "held down"))
        text = f"{side.next_hop.address} ({side.next_hop.provider}): {side.verdict}"
        yield Trouble(WARNING if is_harmless else CRITICAL, side.host, text)


def _pops(devices: Iterable[DeviceIntent], facts: Facts) -> Iterator[Trouble]:
    up: dict[str, int] = {}
    for device in devices:
        held = facts.get(device.name)
        if device.role == "switch" and held is not None and held.generation:
            meant = [s for s in device.sessions if s.kind == "provider" and s.enabled]
            if meant:
                up[device.pop] = up.get(device.pop, 0) + sum(_is_established(held, session.name) for session in meant)
    for pop, sessions in up.items():
        if not sessions:
            yield Trouble(CRITICAL, pop, "no provider's session is established")


def _some(names: list[str]) -> str:
    return f"{names[0]} and {len(names) - 1} more sessions" if names[1:] else f"session {names[0]}"


def _figures(
    intent: Intent, devices: list[DeviceIntent], facts: Facts, *, sides: tuple[MirrorSides, ...]
) -> Iterator[Figure]:
    """Totals are what is meant to be there: they stay when a device does not answer, or has not been deployed."""
    reached = [device for device in devices if device.name in facts]
    sessions = [(device.name, session.name) for device in devices for session in device.sessions if session.enabled]
    up = sum(device in facts and _is_established(facts[device], name) for device, name in sessions)
    services = {device.name: expected_service(intent, device) for device in devices}
    agents = [agent for d in reached for agent in facts[d.name].agents if agent.service == services[d.name]]
    feeds = [len({hop.switch for hop in device.next_hops}) for device in devices if services[device.name] == "mirror"]
    yield Figure("devices", len(reached), len(devices))
    yield Figure("sessions", up, len(sessions))
    yield Figure("mirrored", sum(side.is_ok for side in sides), sum(len(device.next_hops) for device in devices))
    yield Figure("agents", sum(agent.alive for agent in agents), sum(map(bool, services.values())))
    yield Figure("feeds", sum(feed.up for agent in agents if agent.alive for feed in agent.feeds), sum(feeds))
    for counter in ("changes", "rejected", "resyncs", "repaired"):
        yield Figure(f"mirror_{counter}", _counted(agents, counter), unit="c")
    yield from _traffic(intent, devices, facts)
    validators = [(d, one) for d in devices for one in d.validators]
    if validators:
        answering = [facts[d.name].validator(one.address, one.port) for d, one in validators if d.name in facts]
        is_well = [
            one is not None and (one.state == STANDBY or (one.state == UP and bool(one.entries))) for one in answering
        ]
        yield Figure("validators", sum(is_well), len(validators))
    left = [c.not_after - c.clock for d in reached for c in (facts[d.name].certificate,) if c is not None]
    if left:
        yield Figure("certificate_left", round(min(left)), unit="s")


def _traffic(intent: Intent, devices: Iterable[DeviceIntent], facts: Facts) -> Iterator[Figure]:
    """What the ports of ``devices`` to each provider have counted, in bytes; of no provider only a part."""
    names = {device.name for device in devices}
    circuits = [circuit for circuit in intent.circuits if circuit.switch in names]
    for provider in provider_traffic(circuit_traffic(circuits, facts, facts)):
        if provider.counters is not None:
            yield Figure(f"in_{provider.provider}", provider.counters.in_bytes, unit="c")
            yield Figure(f"out_{provider.provider}", provider.counters.out_bytes, unit="c")


def _counted(agents: Iterable[AgentFacts], counter: str) -> int:
    return sum(agent.counters.get(counter, 0) for agent in agents if agent.service == "mirror")
