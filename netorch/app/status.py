"""What the network looks like now: one row per device, session and mirrored next hop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Iterable, Mapping, Optional

from netorch.app.circuits import INTERVAL_S, PopTraffic, circuit_rows, measure_traffic, provider_rows
from netorch.app.controller import Controller
from netorch.app.gather import World, gather_world
from netorch.app.health import judge_certificate, moving_macs
from netorch.app.planning import make_plan
from netorch.app.session_problems import session_problem
from netorch.app.validator_states import origin_rows, validator_rows, validator_wants
from netorch.errors import NetorchError, TransportError
from netorch.model.certificate import CertificateFacts
from netorch.model.codec import to_json
from netorch.model.facts import AgentFacts, DeviceFacts, Undone
from netorch.model.frr_lines import change_rows
from netorch.model.intent import DeviceIntent, Session
from netorch.model.plan import DevicePlan
from netorch.model.text import utc_text
from netorch.model.types import Family
from netorch.plan import summarise
from netorch.plan.drift import BEHIND, BY_HAND, EDITED
from netorch.plan.mirror import MirrorSides, compare_sides


@dataclass(frozen=True)
class Status:
    """The network's state. ``failures`` are devices that could not be asked or planned, with the reason. ``redact`` masks
    secrets in what daemons said; ``traffic`` is that of the POPs whose switches were asked for."""

    world: World
    plans: dict[str, DevicePlan]
    failures: dict[str, NetorchError]
    devices: tuple[str, ...]
    later: Mapping[str, tuple[str, ...]]
    redact: Callable[[str], str]
    traffic: tuple[PopTraffic, ...] = ()

    def document(self) -> dict[str, Any]:
        """The whole status as plain JSON; keys are stable, absent values null."""
        return {
            "devices": [self._device(self.world.intent.device(name)) for name in self.devices],
            "circuits": [row for pop in self.traffic for row in circuit_rows(self.world, pop, self.devices)],
            "providers": [row for pop in self.traffic for row in provider_rows(self.world, pop)],
            "overlay": [to_json(entry, kinds=False) for entry in self.world.overlay.entries if not entry.removed],
        }

    def _device(self, device: DeviceIntent) -> dict[str, Any]:
        facts = self.world.facts.get(device.name)
        error = self.failures.get(device.name)
        plan = self.plans.get(device.name)
        return {
            "device": device.name,
            "pop": device.pop,
            "role": device.role,
            "reachable": not isinstance(error, TransportError),
            "error": str(error) if error else None,
            "daemon": facts.daemon.name if facts else device.daemon,
            "daemon_version": facts.daemon.version if facts else None,
            "daemon_running": facts.daemon.running if facts else None,
            "generation": facts.generation if facts else None,
            "live_stamp": facts.daemon.live_stamp if facts else None,
            "disk_stamp": facts.daemon.disk_stamp if facts else None,
            "last_reconfiguration": facts.daemon.last_reconfiguration if facts else None,
            "agent_version": facts.agent if facts else None,
            "pending": facts.pending.id if facts and facts.pending else None,
            "pending_author": facts.pending.author if facts and facts.pending else None,
            "pending_remaining_s": facts.pending.remaining_s if facts and facts.pending else None,
            "pending_replaced": facts.pending.replaced if facts and facts.pending else None,
            "undone": _undone(facts.undone, self.redact) if facts and facts.undone else None,
            "validators": validator_rows(device, facts) if facts else [],
            "own_origins": origin_rows(facts) if facts else [],
            "drift": [summarise(operation) for operation in plan.operations] if plan else None,
            "drift_causes": [operation.cause or None for operation in plan.operations] if plan else None,
            "drift_state": _drift_state(plan),
            "live_lines": self._live_lines(facts),
            "obstacle": facts.daemon.obstacle.message if facts and facts.daemon.obstacle else None,
            "sessions": self._sessions(device, facts) if facts else [],
            "next_hops": self._next_hops(device) if facts else [],
            "moving_macs": list(moving_macs(device, facts)) if facts else [],
            "certificate": _certificate(facts.certificate) if facts and facts.certificate else None,
            "agents": [_agent(agent) for agent in (facts.agents if facts else ())],
            "route_counts": [
                {"family": count.family.value, "table": count.table, "routes": count.routes}
                for count in (facts.route_counts if facts else ())
            ],
        }

    def _sessions(self, device: DeviceIntent, facts: DeviceFacts) -> list[dict[str, Any]]:
        """A row for each family of each session."""
        return [
            _row(session, family, facts, problem=session_problem(self.world.intent, session, facts))
            for session in device.sessions
            for family in session.carried
        ]

    def _live_lines(self, facts: Optional[DeviceFacts]) -> Optional[list[str]]:
        if facts is None or facts.daemon.live_lines is None:
            return None
        changes = ((change.sign, change.line) for change in facts.daemon.live_lines)
        return [self.redact(row) for row in change_rows(changes)]

    def _next_hops(self, device: DeviceIntent) -> list[dict[str, Any]]:
        pairs = [(device.name, hop) for hop in device.next_hops]
        return [_next_hop(sides) for sides in compare_sides(self.world.intent, self.world.facts, pairs)]


def _undone(undone: Undone, redact: Callable[[str], str]) -> dict[str, Any]:
    when = utc_text(undone.time)
    return {"change": undone.id, "author": undone.author, "time": when, "reason": redact(undone.reason)}


def _next_hop(sides: MirrorSides) -> dict[str, Any]:
    hop = sides.next_hop
    return {
        "provider": hop.provider,
        "circuit": hop.circuit,
        "address": str(hop.address),
        "interface": hop.interface,
        "switch": hop.switch,
        "switch_mac": sides.switch_mac,
        "switch_state": sides.switch_state,
        "switch_age_s": _rounded(sides.switch_age_s),
        "host_mac": sides.host_mac,
        "host_age_s": _rounded(sides.host_age_s),
        "source": sides.source,
        "ok": sides.is_ok,
        "verdict": sides.verdict,
    }


def _certificate(certificate: CertificateFacts) -> dict[str, Any]:
    return {
        "expires": utc_text(certificate.not_after),
        "left_s": _rounded(certificate.not_after - certificate.clock),
        "problem": judge_certificate(certificate)[1] or None,
    }


def _agent(agent: AgentFacts) -> dict[str, Any]:
    return {
        "service": agent.service,
        "alive": agent.alive,
        "version": agent.agent or None,
        "running_s": _rounded(agent.running_s),
        "problem": agent.problem or None,
        "memory_bytes": agent.memory_bytes,
        "cpu_s": agent.cpu_s,
        "counters": dict(agent.counters),
        "feeds": [
            {"switch": feed.switch, "up": feed.up, "age_s": _rounded(feed.age_s), "error": feed.error or None}
            for feed in agent.feeds
        ],
        "subscribers": [subscriber.host for subscriber in agent.subscribers],
    }


def _rounded(seconds: Optional[float]) -> Optional[int]:
    return None if seconds is None else round(seconds)


def _drift_state(plan: Optional[DevicePlan]) -> Optional[str]:
    """What the device is in one word: by hand wins, since nobody else will tell."""
    if plan is None or plan.is_empty:
        return "in sync" if plan else None
    return EDITED if any(operation.cause in BY_HAND for operation in plan.operations) else BEHIND


def _row(session: Session, family: Family, facts: DeviceFacts, *, problem: Optional[str]) -> dict[str, Any]:
    protocol = facts.protocol(session.name)
    channel = protocol.channel(family.value) if protocol else None
    address = protocol.neighbor_address if protocol and session.is_unnumbered else session.neighbor
    return {
        "name": session.name,
        "kind": session.kind,
        "protocol": session.protocol,
        "peer": session.peer,
        "circuit": session.circuit,
        "family": family.value,
        "interface": session.interface,
        "neighbor_address": None if address is None else str(address),
        "expected": "up" if session.enabled else "closed",
        "state": protocol.state if protocol else None,
        "bgp_state": protocol.bgp_state if protocol else None,
        "since": protocol.since if protocol else None,
        "last_error": protocol.last_error if protocol else None,
        "problem": problem,
        "routes_imported": channel.routes_imported if channel else None,
        "routes_filtered": channel.routes_filtered if channel else None,
        "routes_exported": channel.routes_exported if channel else None,
    }


def is_up(session: Mapping[str, Any]) -> bool:
    """Whether a session of ``Status.document`` is as it is meant to be."""
    up = session["bgp_state"] == "Established" if session["protocol"] == "bgp" else session["state"] == "up"
    return bool(up == (session["expected"] == "up"))


def device_state(device: dict[str, Any]) -> str:
    """What a device of ``Status.document`` is, in a few words."""
    if not device["reachable"]:
        return "unreachable"
    if device["daemon_running"] is None:
        return "cannot be read"
    if not device["daemon_running"]:
        return "daemon down"
    if device["pending"]:
        return "pending"
    if device["live_stamp"] is None:
        return "not deployed"
    return str(device["drift_state"] or "not planned")


def get_status(controller: Controller, targets: Iterable[str], *, interval_s: float = INTERVAL_S) -> Status:
    """Ask ``targets`` everything that is shown about them; traffic is measured over ``interval_s`` or a little more."""
    names = tuple(targets)
    wants: tuple[str, ...] = ("certificate", "neighbours", "links", "mirror", "protocols", "route_counts")
    wants += validator_wants(controller.inventory)
    world = gather_world(controller, names, wants=wants)
    since_s = controller.clock.monotonic()
    plan, failures = make_plan(controller, world, names)
    plans = {device.device: device for device in plan.devices}
    traffic = measure_traffic(controller, world, names, interval_s=interval_s, since_s=since_s)
    return Status(world, plans, failures, names, plan.later, controller.redact, traffic)
