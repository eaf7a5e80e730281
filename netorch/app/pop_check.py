"""A POP as a whole, before and after it is changed: more than any of its devices can see by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from netorch.app.controller import Controller
from netorch.app.gather import World, gather_facts
from netorch.app.hooks import call_hook
from netorch.errors import NetorchError
from netorch.model.facts import DeviceFacts
from netorch.model.intent import Intent
from netorch.model.overlay import merge_overlays
from netorch.model.plan import DevicePlan
from netorch.plan.compare import WANTS, compare_rows, find_losses

TIMEOUT_S = 60.0
"""How long a POP has after a change until everything that was up is up again: a large table takes its time."""

INTERVAL_S = 1.0

Facts = Mapping[str, DeviceFacts]


@dataclass
class PopCheck:
    """What the devices of a POP reported before the change, and last."""

    controller: Controller
    world: World
    held: Facts
    now: dict[str, DeviceFacts] = field(default_factory=dict)

    @classmethod
    def before(
        cls, controller: Controller, world: World, plans: Sequence[DevicePlan], *, soaks: bool
    ) -> PopCheck | None:
        """Look at the POP of ``plans`` now; None where they change nothing that sessions or routes depend on. Only devices that
        the deploy has asked before are looked at: those to be changed, and every switch.
        """
        if not any(not plan.is_empty and (soaks or _matters(plan, world)) for plan in plans):
            return None
        pop = world.intent.device(plans[0].device).pop
        devices = [device for device in world.intent.in_pop(pop) if device.name in world.facts]
        held, _ = gather_facts(controller, world.intent, devices, wants=WANTS)
        return cls(controller, world, held)

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices that were looked at before."""
        return tuple(self.held)

    def losses(self, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """What is missing on ``names``, by device: {} as soon as nothing is, else what still is after TIMEOUT_S."""
        chosen = [self.world.intent.device(name) for name in names if name in self.held]
        held = {device.name: self.held[device.name] for device in chosen}
        clock = self.controller.clock
        deadline = clock.monotonic() + TIMEOUT_S
        while True:
            now, failures = gather_facts(self.controller, self.world.intent, chosen, wants=WANTS)
            self.now.update(now)
            found = {} if self.controller.is_time_up() else self._judge(held, now, failures)
            if not found or clock.monotonic() >= deadline:
                return found
            name, (first, *_) = next(iter(found.items()))
            self.controller.progress.step("", f"waiting until the POP is as before: {name}: {first}")
            clock.wait(INTERVAL_S)

    def _judge(self, held: Facts, now: Facts, failures: Mapping[str, NetorchError]) -> dict[str, tuple[str, ...]]:
        tolerance, intent = self.controller.inventory.policy.tolerance, self._intent(now)
        found = find_losses(intent, held, now, tolerance=tolerance)
        for name, error in failures.items():
            found[name] = (f"does not answer any more: {error.message}",)
        for plugin in self.controller.plugins:
            for name, more in call_hook(plugin, plugin.check, intent, held, now).items():
                if more and name in held:
                    found[name] = (*found.get(name, ()), *more)
        return found

    def _intent(self, now: Facts) -> Intent:
        """What is meant to be: somebody else may have drained something since the plan was made."""
        overlay = merge_overlays([self.world.overlay.entries, *(facts.overlay for facts in now.values())])
        return self.world.intent if overlay == self.world.overlay else self.controller.intent(overlay)

    def rows(self) -> tuple[Mapping[str, Any], ...]:
        """The figures of before and last."""
        return compare_rows(self.world.intent, self.held, self.now)


def _matters(plan: DevicePlan, world: World) -> bool:
    facts = world.facts.get(plan.device)
    is_first = facts is None or facts.daemon.live_stamp is None
    return is_first or bool(plan.resets) or plan.check.settle_s > 0
