"""Waits for sessions that a plan has opened, until they have brought what they bring."""

from __future__ import annotations

from netorch.app.controller import Controller
from netorch.app.gather import gather_facts
from netorch.model.checks import is_up
from netorch.model.facts import DeviceFacts
from netorch.model.overlay import Overlay
from netorch.model.plan import Plan
from netorch.model.state import Protocol

TIMEOUT_S = 60.0
INTERVAL_S = 1.0

STEADY_S = 3.0
"""For how long counts of prefixes must stay as they are."""


def wait_until_started(controller: Controller, plan: Plan) -> bool:
    """Until every session that ``plan`` opens is up and its count of prefixes has stood still; whether that was so in time."""
    opened = {
        device.device: tuple(reset.session for reset in device.resets if reset.effect == "start")
        for device in plan.devices
    }
    opened = {name: sessions for name, sessions in opened.items() if sessions}
    if not opened:
        return True
    intent, clock = controller.intent(Overlay()), controller.clock
    deadline = clock.monotonic() + TIMEOUT_S
    last: dict[str, int] = {}
    since_s = clock.monotonic()
    while not controller.is_time_up():
        controller.progress.step("", "waiting until what is past its time is back")
        chosen = [intent.device(name) for name in opened]
        facts, _ = gather_facts(controller, intent, chosen, wants=("protocols",))
        counts = _counts(opened, facts)
        if counts != last:
            last, since_s = counts, clock.monotonic()
        if len(counts) == sum(map(len, opened.values())) and clock.monotonic() - since_s >= STEADY_S:
            return True
        if clock.monotonic() >= deadline:
            return False
        clock.wait(INTERVAL_S)
    return False


def _counts(opened: dict[str, tuple[str, ...]], facts: dict[str, DeviceFacts]) -> dict[str, int]:
    """How many prefixes each session that is up has brought."""
    found = {
        (name, session): facts[name].protocol(session)
        for name, sessions in opened.items()
        if name in facts
        for session in sessions
    }
    return {f"{name} {session}": _imported(one) for (name, session), one in found.items() if one and is_up(one)}


def _imported(protocol: Protocol) -> int:
    return sum(channel.routes_imported or 0 for channel in protocol.channels)
