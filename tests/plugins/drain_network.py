"""A made-up POP with traffic, for tests of drains."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Mapping

from netorch.api import (
    ChangeOverlay,
    Facts,
    Intent,
    Inventory,
    Overlay,
    OverlayEntry,
    Report,
    Step,
)
from netorch.loader import bundled_plugins
from netorch.testing import FakeNetwork, fake_facts
from tests.plugins.example import INTENT, INVENTORY, NOW, context, link, protocol

PLUGIN = next(plugin for plugin in bundled_plugins() if plugin.name == "drain")
SWITCHES = ("sw1.pop1", "sw2.pop1")


def entry(name: str, stage: str, *, kind: str = "provider", pop: str = "pop1", **fields: Any) -> OverlayEntry:
    """A drain as the overlay holds it."""
    data = {"kind": kind, "name": name, "pop": pop, "stage": stage, "keep_session": fields.pop("keep_session", False)}
    known = {"version": 2, "author": "bob", "created": NOW - 3600, "devices": SWITCHES, **fields}
    return OverlayEntry(id=f"drain/{kind}/{name}@{pop}", plugin="drain", data=data, **known)


@dataclass
class Traffic:
    """A network whose ports carry ``busy`` bytes per second, and ``idle`` once ``leaves`` and the drain say so; those of the
    circuits ``deaf`` only once our AS number stands in front more often as well. Switches ``behind`` know of no drain."""

    busy: int = 1_000_000
    idle: int = 150
    leaves: bool = True
    dead: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    deaf: frozenset[str] = frozenset()
    behind: frozenset[str] = frozenset()
    sent: dict[tuple[str, str], float] = field(default_factory=dict)
    now: float = 0.0
    intent: Intent = INTENT

    def __call__(self, seconds: float, overlay: Overlay) -> Facts:
        amended = PLUGIN.amend(self.intent, overlay)
        for circuit in self.intent.circuits:
            held = [s for s in amended.device(circuit.switch).sessions if s.circuit == circuit.id]
            left = self.leaves and all(s.export_policy and (65535, 0) in s.export_policy.communities for s in held)
            if circuit.name in self.deaf:
                left = all(s.export_policy and s.export_policy.prepend for s in held)
            is_idle = left or any(s.name in self.dead for s in held)
            self._send(circuit.switch, circuit.port, seconds, is_idle=is_idle)
        for device in amended.devices:
            for interface in device.interfaces:
                if interface.role in ("host", "uplink"):
                    is_idle = self.leaves and device.fabric_export != "usual"
                    self._send(device.name, interface.name, seconds, is_idle=is_idle)
        self.now = seconds
        return {
            device.name: replace(
                fake_facts(
                    device.name,
                    links=[
                        link(port, octets=int(sent)) for (name, port), sent in self.sent.items() if name == device.name
                    ],
                    protocols=[
                        protocol(s, state="Established" if s.enabled and s.name not in self.dead else "Down")
                        for s in device.sessions
                    ],
                ),
                links_at_s=seconds,
                overlay=() if device.name in self.behind else overlay.kept_by(device.name),
            )
            for device in amended.devices
            if device.name not in self.silent
        }

    def _send(self, device: str, port: str, seconds: float, *, is_idle: bool) -> None:
        rate = self.idle if is_idle else self.busy
        self.sent[device, port] = self.sent.get((device, port), 0.0) + rate * (seconds - self.now)


def run(
    verb: str,
    *words: str,
    traffic: Traffic | None = None,
    held: Overlay | None = None,
    inventory: Inventory = INVENTORY,
    intent: Intent | None = None,
    kept: Mapping[str, tuple[OverlayEntry, ...]] | None = None,
    **options: Any,
) -> Run:
    """One command, on a network that holds the overlay; ``kept`` is what single devices have of it, as far as that differs from
    what they are to have now."""
    network = FakeNetwork(traffic or Traffic(), overlay=held)
    known = context(PLUGIN, intent=intent, overlay=held, inventory=inventory)
    steps = network.run(PLUGIN, verb, replace(known, held=kept or {}), name=words, **options)
    return Run(steps, network)


@dataclass
class Run:
    """What a command did."""

    steps: tuple[Step, ...]
    network: FakeNetwork

    @property
    def stages(self) -> list[str]:
        """The stages that were deployed."""
        changes = [e for step in self.steps if isinstance(step, ChangeOverlay) for e in step.entries]
        return ["ended" if e.removed else str(e.data["stage"]) for e in changes]

    @property
    def text(self) -> str:
        """Everything that was said."""
        return "\n".join(step.text for step in self.steps if isinstance(step, Report))

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of the last report."""
        last = self.steps[-1]
        assert isinstance(last, Report)
        return [dict(row) for row in last.rows]
