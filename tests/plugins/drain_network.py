"""A made-up POP with traffic, for tests of drains."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from netorch.api import (
    ChangeOverlay,
    Facts,
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
    """A POP whose provider ports carry ``busy`` bytes per second, and ``idle`` once ``leaves`` and the drain say so."""

    busy: int = 1_000_000
    idle: int = 150
    leaves: bool = True
    dead: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    sent: dict[str, float] = field(default_factory=dict)
    now: float = 0.0

    def __call__(self, seconds: float, overlay: Overlay) -> Facts:
        amended = PLUGIN.amend(INTENT, overlay)
        for circuit in INTENT.circuits:
            held = [s for s in amended.device(circuit.switch).sessions if s.circuit == circuit.id]
            left = self.leaves and all(s.import_policy and s.import_policy.local_preference == 0 for s in held)
            rate = self.idle if left or any(s.name in self.dead for s in held) else self.busy
            self.sent[circuit.name] = self.sent.get(circuit.name, 0.0) + rate * (seconds - self.now)
        self.now = seconds
        return {
            device.name: fake_facts(
                device.name,
                links=[link(c.port, octets=int(self.sent[c.name])) for c in INTENT.circuits if c.switch == device.name],
                protocols=[
                    protocol(s, state="Established" if s.enabled and s.name not in self.dead else "Down")
                    for s in device.sessions
                ],
            )
            for device in amended.devices
            if device.name not in self.silent
        }


def run(
    verb: str,
    *words: str,
    traffic: Traffic | None = None,
    held: Overlay | None = None,
    inventory: Inventory = INVENTORY,
    **options: Any,
) -> Run:
    """One command, on a network that holds the overlay."""
    network = FakeNetwork(traffic or Traffic(), overlay=held)
    steps = network.run(PLUGIN, verb, context(PLUGIN, overlay=held, inventory=inventory), name=words, **options)
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
