"""The example network, whose devices hold whatever overlay they are given, for tests of programs' routes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from netorch.api import (
    ChangeOverlay,
    Channel,
    Deploy,
    Facts,
    InputFile,
    Intent,
    Overlay,
    OverlayEntry,
    Protocol,
    Report,
    StaticRoute,
    Step,
)
from netorch.loader import bundled_plugins
from netorch.testing import FakeNetwork, fake_facts
from tests.plugins.example import INTENT, INVENTORY, context

PLUGIN = next(plugin for plugin in bundled_plugins() if plugin.name == "routes")
VIA = {"prefix": "198.18.240.0/24", "via": "10.1.1.200"}


@dataclass
class Devices:
    """Devices that use all of their routes, but those of ``lame``, who use none; ``silent`` ones cannot be asked."""

    lame: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()

    def __call__(self, seconds: float, overlay: Overlay) -> Facts:
        amended = PLUGIN.amend(INTENT, overlay)
        return {
            device.name: replace(
                fake_facts(
                    device.name,
                    protocols=[
                        Protocol(f"own_routes_{family}", "Static", channels=(Channel(family, routes_imported=count),))
                        for family, number in (("ipv4", 4), ("ipv6", 6))
                        for count in [
                            sum(r.prefix.version == number for r in device.routes if device.name not in self.lame)
                        ]
                    ],
                ),
                overlay=overlay.kept_by(device.name),
            )
            for device in amended.devices
            if device.name not in self.silent
        }


@dataclass
class Network:
    """Runs the plugin's verbs; the overlay stays from one to the next. ``settings`` are the plugin's."""

    devices: Devices = field(default_factory=Devices)
    settings: dict[str, Any] = field(default_factory=dict)
    overlay: Overlay = field(default_factory=Overlay)

    def run(self, verb: str, *, now: float = 0.0, **arguments: Any) -> tuple[Step, ...]:
        """The steps of ``routes VERB``, ``now`` seconds after the first command could have been given."""
        network = FakeNetwork(self.devices, overlay=self.overlay)
        start = context(PLUGIN, intent=self.intent, overlay=self.overlay)
        start = replace(start, now=start.now + now, settings=self.settings, inventory=INVENTORY)
        steps = network.run(PLUGIN, f"routes {verb}", start, **arguments)
        self.overlay = network.overlay
        return steps

    def set(self, owner: str, *targets: str, routes: Any = VIA, now: float = 0.0, **options: Any) -> tuple[Step, ...]:
        """``routes set``; ``routes`` are one or several, or the text of the file."""
        text = routes if isinstance(routes, str) else json.dumps(routes if isinstance(routes, list) else [routes])
        options = {"for": None, **options}
        return self.run("set", now=now, owner=owner, target=targets, file=InputFile("routes.json", text), **options)

    @property
    def intent(self) -> Intent:
        """The example's intent, with the plugin's settings."""
        return replace(INTENT, settings={"routes": self.settings})

    def routes(self, device: str) -> tuple[StaticRoute, ...]:
        """What the device is meant to have."""
        return PLUGIN.amend(self.intent, self.overlay).device(device).routes

    def prefixes(self, device: str) -> list[str]:
        """The prefixes of these."""
        return sorted(str(route.prefix) for route in self.routes(device))


def decided(steps: tuple[Step, ...]) -> tuple[OverlayEntry, ...]:
    """The entries that a run wrote."""
    return tuple(entry for step in steps if isinstance(step, ChangeOverlay) for entry in step.entries)


def deployed(steps: tuple[Step, ...]) -> list[tuple[str, ...]]:
    """Which devices a run deployed, in order."""
    return [step.devices for step in steps if isinstance(step, Deploy)]


def told(steps: tuple[Step, ...]) -> str:
    """The last that a run said."""
    return next(step.text for step in reversed(steps) if isinstance(step, Report))
