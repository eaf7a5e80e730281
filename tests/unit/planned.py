"""Plans that turn one inventory's network, deployed and with every session up, into another's."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from netorch.intent import derive_intent, desired_items
from netorch.inventory import load_inventory
from netorch.io.template_files import read_templates
from netorch.model.facts import DaemonFacts, DeviceFacts, FileFact
from netorch.model.intent import DeviceIntent, Intent
from netorch.model.items import ClosedSessionItem, FileItem, Item
from netorch.model.plan import Plan
from netorch.model.state import Channel, Protocol
from netorch.plan import derive_check, plan_device
from netorch.render import TemplateSource, render_device, seal

TEMPLATES = TemplateSource(read_templates())
SECRET = "not told"


@dataclass(frozen=True)
class Planned:
    """What a deploy starts from."""

    intent: Intent
    facts: Mapping[str, DeviceFacts]
    plan: Plan


def planned(
    before: Mapping[str, str],
    after: Mapping[str, str],
    *,
    targets: Iterable[str] = (),
    is_first: bool = False,
    down: Iterable[tuple[str, str]] = (),
    amend: Callable[[Intent], Intent] = lambda intent: intent,
    rewrite: Callable[[str], str] = lambda text: text,
) -> Planned:
    """The plan for ``targets`` (all) from the inventory ``before`` to ``after``.

    ``is_first``: no device was ever deployed; ``down`` are (device, session) that are not Established; ``rewrite`` is what an
    operator's template makes of every new configuration.
    """
    old, intent = _intent(tuple(before.items())), amend(_intent(tuple(after.items())))
    facts = {device.name: _facts(device, set(down)) for device in old.devices}
    if is_first:
        fresh = DaemonFacts("bird", "2.0.12", True, None, None)
        facts = {name: replace(held, generation=0, files=(), items=(), daemon=fresh) for name, held in facts.items()}
    facts.update({d.name: replace(_facts(d, set()), files=()) for d in intent.devices if d.name not in facts})
    chosen = tuple(targets) or tuple(device.name for device in intent.devices)
    plans = [
        plan_device(
            _desired(intent.device(name), rewrite),
            facts[name],
            check=derive_check(intent.device(name), facts[name], deployed=set()),
        )
        for name in chosen
    ]
    return Planned(intent, facts, Plan(tuple(plans)))


@functools.cache
def _intent(files: tuple[tuple[str, str], ...]) -> Intent:
    return derive_intent(load_inventory(dict(files), folder="/inventory"))


@functools.cache
def configuration(device: DeviceIntent) -> FileItem:
    """The device's sealed configuration."""
    (file,) = render_device(device, TEMPLATES)
    return replace(file, text=seal(file.text, lambda reference: SECRET, daemon="bird"))


def _desired(device: DeviceIntent, rewrite: Callable[[str], str]) -> list[Item]:
    file = configuration(device)
    closed = [ClosedSessionItem(s.name, s.shutdown_message) for s in device.sessions if not s.enabled]
    return [*desired_items(device), *closed, replace(file, text=rewrite(file.text))]


def _facts(device: DeviceIntent, down: set[tuple[str, str]]) -> DeviceFacts:
    file = configuration(device)
    protocols = tuple(
        Protocol(
            s.name,
            "BGP",
            bgp_state="Active" if (device.name, s.name) in down else "Established",
            channels=(Channel(s.family.value, routes_imported=100, routes_exported=1),),
        )
        for s in device.sessions
    )
    daemon = DaemonFacts("bird", "2.0.12", True, "stamp", "stamp", protocols=protocols)
    files = (FileFact(file.path, "0", file.mode, file.text),)
    return DeviceFacts(device.name, "1", "base", 1, daemon, files=files, items=tuple(desired_items(device)))
