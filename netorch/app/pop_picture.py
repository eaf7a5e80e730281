"""The status of one POP as a picture of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from netorch.app.circuits import line_states
from netorch.app.status import Status, device_state, is_up
from netorch.model.inventory import Circuit, Inventory, Pop
from netorch.model.picture import (
    DOWN,
    DRAINED,
    PARTLY,
    UNKNOWN,
    UP,
    CircuitLine,
    DeviceBox,
    Flow,
    HostBox,
    PopPicture,
    ProviderBox,
    RouterLink,
)
from netorch.model.text import utc_text

Row = Mapping[str, Any]
IN_SYNC = "in sync"


def picture_of(inventory: Inventory, pop: Pop, status: Status, *, now: float) -> PopPicture:
    """``pop`` as ``status``, of all its devices, says it is at ``now``, in seconds since the epoch."""
    return _Sketch(inventory, pop, status).picture(now)


class _Sketch:
    """What is known of one POP, by device and circuit."""

    def __init__(self, inventory: Inventory, pop: Pop, status: Status) -> None:
        document = status.document()
        self.inventory, self.pop, self.world = inventory, pop, status.world
        self.devices = {row["device"]: row for row in document["devices"]}
        self.circuits = {row["circuit"]: row for row in document["circuits"]}
        self.providers = document["providers"]
        self.overlay = document["overlay"]

    def picture(self, now: float) -> PopPicture:
        intervals = [row["interval_s"] for row in self.circuits.values() if row["interval_s"] is not None]
        return PopPicture(
            name=self.pop.name,
            description=self.pop.description,
            moment=utc_text(now),
            interval_s=max(intervals, default=None),
            providers=tuple(map(self._provider, self.providers)),
            switches=tuple(self._device(switch.name) for switch in self.pop.switches),
            hosts=tuple(self._host(host.name) for host in self.pop.hosts),
            routers=tuple(self._device(router.name) for router in self.pop.routers),
            links=tuple(self._router_links()),
            in_force=tuple(map(_entry, self.overlay)),
            troubles=tuple(self._troubles()),
        )

    def _short(self, device: str) -> str:
        return device.removesuffix(f".{self.pop.name}")

    def _provider(self, row: Row) -> ProviderBox:
        provider = self.inventory.provider(row["provider"])
        lines = tuple(self._circuit(c) for c in self.pop.circuits if c.provider == provider.name)
        return ProviderBox(provider.name, provider.asn, provider.relation, row["state"], _flow(row), lines)

    def _circuit(self, circuit: Circuit) -> CircuitLine:
        row = self.circuits[circuit.name]
        families = tuple(
            (f"v{family.number}", state)
            for (_, session), state in line_states(self.world, circuit)
            for family in session.carried
        )
        shared = ", ".join(row["shared_with"])
        problem = row["problem"] or (f"counted together with {shared}" if shared else "")
        switch = self._short(circuit.switch)
        return CircuitLine(circuit.name, switch, row["state"], families, _flow(row), row["note"] or "", problem)

    def _device(self, name: str) -> DeviceBox:
        row = self.devices[name]
        state = device_state(row)
        drained = self._drained(name)
        daemon = f"{row['daemon']} {row['daemon_version'] or ''}".rstrip()
        sessions = row["sessions"]
        return DeviceBox(
            name=self._short(name),
            state=state if not drained else DRAINED if state == IN_SYNC else f"{DRAINED}, {state}",
            is_well=state == IN_SYNC,
            daemon=daemon,
            is_drained=drained,
            sessions=(sum(map(is_up, sessions)), len(sessions)) if sessions else None,
        )

    def _host(self, name: str) -> HostBox:
        box, hops = self._device(name), self.devices[name]["next_hops"]
        uplinks = [uplink.switch for host in self.pop.hosts if host.name == name for uplink in host.uplinks]
        return HostBox(
            **vars(box),
            links=tuple((self._short(switch), self._link_state(name, switch)) for switch in uplinks),
            mirror=(sum(hop["ok"] for hop in hops), len(hops)) if hops else None,
            stale=tuple(f"{hop['provider']} {hop['address']}: {hop['verdict']}" for hop in hops if not hop["ok"]),
        )

    def _link_state(self, first: str, second: str) -> str:
        """Of the sessions between two devices, as the first tells it; as the second does where that cannot be asked."""
        for device, peer in ((first, second), (second, first)):
            sessions = [session for session in self.devices[device]["sessions"] if session["peer"] == peer]
            if sessions:
                return _state_of(sessions)
        return UNKNOWN

    def _drained(self, name: str) -> bool:
        """Whether a drain names the device, or one of its kind in this POP."""
        kind = self.devices[name]["role"]
        named = [
            entry["data"] for entry in self.overlay if entry["plugin"] == "drain" and entry["data"].get("kind") == kind
        ]
        return any(
            data.get("pop", self.pop.name) == self.pop.name and data.get("name") in (name, self._short(name))
            for data in named
        )

    def _router_links(self) -> Iterator[RouterLink]:
        """Each pair of routers that speak with each other once."""
        seen: dict[tuple[str, str], str] = {}
        for router in self.pop.routers:
            for session in self.devices[router.name]["sessions"]:
                if session["kind"] == "router":
                    first, second = sorted((router.name, session["peer"]))
                    seen.setdefault((first, second), session["protocol"])
        for (first, second), protocol in seen.items():
            state = self._link_state(first, second)
            yield RouterLink(self._short(first), self._short(second), state, protocol)

    def _troubles(self) -> Iterator[str]:
        for row in self.devices.values():
            name = self._short(row["device"])
            if device_state(row) != IN_SYNC:
                yield f"{name}: {device_state(row)}"
            yield from (f"{name}: {agent['service']} agent dead" for agent in row["agents"] if not agent["alive"])
        for row in self.circuits.values():
            if row["state"] not in (UP, DRAINED):
                yield f"{row['circuit']}: {row['note'] or row['state']}"
            if row["problem"]:
                yield f"{row['circuit']}: traffic not known: {row['problem']}"
        for host in self.pop.hosts:
            box = self._host(host.name)
            yield from (f"{box.name}: sessions with {peer}: {state}" for peer, state in box.links if state != UP)
            yield from (f"{box.name}: mirror: {words}" for words in box.stale)


def _state_of(sessions: list[Row]) -> str:
    if all(session["expected"] == "closed" for session in sessions):
        return DRAINED
    good = sum(map(is_up, sessions))
    return UP if good == len(sessions) else PARTLY if good else DOWN


def _flow(row: Row) -> Flow:
    return Flow(row["in_bps"], row["out_bps"], row["in_share_percent"], row["out_share_percent"], row["capacity_bps"])


def _entry(entry: Row) -> str:
    until = f", until {utc_text(entry['until'])}" if entry["until"] is not None else ""
    reason = f": {entry['reason']}" if entry["reason"] else ""
    return f"{entry['id']}, by {entry['author']}{until}{reason}"
