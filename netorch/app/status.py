"""What the network looks like now: one row per device, session and mirrored next hop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Optional

from netorch.app.controller import Controller
from netorch.app.gather import World, gather_world
from netorch.app.planning import make_plan
from netorch.errors import NetorchError
from netorch.model.codec import to_json
from netorch.model.facts import DeviceFacts
from netorch.model.intent import DeviceIntent, NextHop, Session
from netorch.model.items import NeighbourItem
from netorch.model.plan import DevicePlan
from netorch.plan import summarise
from netorch.plan.drift import BEHIND, BY_HAND, EDITED


@dataclass(frozen=True)
class Status:
    """The network's state. ``failures`` are devices that could not be asked or planned, with the reason."""

    world: World
    plans: dict[str, DevicePlan]
    failures: dict[str, NetorchError]
    devices: tuple[str, ...]
    later: Mapping[str, tuple[str, ...]]

    def document(self) -> dict[str, Any]:
        """The whole status as plain JSON; keys are stable, absent values null."""
        return {
            "devices": [self._device(self.world.intent.device(name)) for name in self.devices],
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
            "reachable": facts is not None,
            "error": str(error) if error else None,
            "daemon": facts.daemon.name if facts else device.daemon,
            "daemon_version": facts.daemon.version if facts else None,
            "daemon_running": facts.daemon.running if facts else None,
            "generation": facts.generation if facts else None,
            "live_stamp": facts.daemon.live_stamp if facts else None,
            "disk_stamp": facts.daemon.disk_stamp if facts else None,
            "pending": facts.pending.id if facts and facts.pending else None,
            "pending_author": facts.pending.author if facts and facts.pending else None,
            "pending_remaining_s": facts.pending.remaining_s if facts and facts.pending else None,
            "drift": [summarise(operation) for operation in plan.operations] if plan else None,
            "drift_causes": [operation.cause or None for operation in plan.operations] if plan else None,
            "drift_state": _drift_state(plan),
            "sessions": [_session(session, facts) for session in device.sessions] if facts else [],
            "next_hops": [self._next_hop(hop, facts) for hop in device.next_hops] if facts else [],
            "route_counts": [
                {"family": count.family.value, "table": count.table, "routes": count.routes}
                for count in (facts.route_counts if facts else ())
            ],
        }

    def _next_hop(self, hop: NextHop, facts: DeviceFacts) -> dict[str, Any]:
        here, there = (hop.interface, hop.address), (hop.switch_interface, hop.address)
        held = (item for item in facts.items if isinstance(item, NeighbourItem))
        switch = self.world.facts.get(hop.switch)
        known = switch.neighbours if switch else ()
        entry = next((entry for entry in known if (entry.interface, entry.address) == there), None)
        return {
            "provider": hop.provider,
            "circuit": hop.circuit,
            "address": str(hop.address),
            "interface": hop.interface,
            "switch": hop.switch,
            "switch_mac": entry.mac if entry else None,
            "switch_state": entry.state if entry else None,
            "host_mac": next((item.mac for item in held if (item.interface, item.address) == here), None),
        }


def _drift_state(plan: Optional[DevicePlan]) -> Optional[str]:
    """What the device is in one word: by hand wins, since nobody else will tell."""
    if plan is None or plan.is_empty:
        return "in sync" if plan else None
    return EDITED if any(operation.cause in BY_HAND for operation in plan.operations) else BEHIND


def _session(session: Session, facts: DeviceFacts) -> dict[str, Any]:
    protocol = facts.protocol(session.name)
    channel = protocol.channel(session.family.value) if protocol else None
    return {
        "name": session.name,
        "kind": session.kind,
        "peer": session.peer,
        "circuit": session.circuit,
        "family": session.family.value,
        "neighbor_address": str(session.neighbor),
        "expected": "up" if session.enabled else "closed",
        "state": protocol.state if protocol else None,
        "bgp_state": protocol.bgp_state if protocol else None,
        "since": protocol.since if protocol else None,
        "last_error": protocol.last_error if protocol else None,
        "routes_imported": channel.routes_imported if channel else None,
        "routes_filtered": channel.routes_filtered if channel else None,
        "routes_exported": channel.routes_exported if channel else None,
    }


def is_up(session: dict[str, Any]) -> bool:
    """Whether a session of ``Status.document`` is as it is meant to be."""
    return bool((session["bgp_state"] == "Established") == (session["expected"] == "up"))


def get_status(controller: Controller, targets: Iterable[str]) -> Status:
    """Ask ``targets`` everything that is shown about them."""
    names = tuple(targets)
    world = gather_world(controller, names, wants=("neighbours", "links", "protocols", "route_counts"))
    plan, failures = make_plan(controller, world, names)
    return Status(world, {device.device: device for device in plan.devices}, failures, names, plan.later)
