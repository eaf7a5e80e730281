"""Facts of many devices, and the overlay that they hold between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Container, Iterable, Mapping

from netorch.app.controller import Controller, Silence
from netorch.app.hooks import call_hook
from netorch.app.registries import registry_warnings
from netorch.errors import NetorchError, Unreachable
from netorch.model.announced import ANNOUNCED, AnnouncedQuery
from netorch.model.facts import DeviceFacts
from netorch.model.intent import DeviceIntent, Intent
from netorch.model.overlay import Overlay, OverlayEntry, merge_overlays
from netorch.model.request import FactsRequest
from netorch.render import configuration_paths

REST = 5.0
"""For how many times as long as a device let a command wait, without a connection, the command goes on without its facts. A verb
asks many times: with a switch that is dead, 6 s each time, a drain of its neighbour took five times as long."""


@dataclass(frozen=True)
class World:
    """The network as it is: facts, the devices that gave none, the merged overlay, and the intent that follows from it.
    ``lapsed`` are entries of the overlay that not every device holds so, since their time has come; ``notes`` what ought to be
    known of the inventory's sources."""

    facts: Mapping[str, DeviceFacts]
    failures: Mapping[str, NetorchError]
    overlay: Overlay
    intent: Intent
    lapsed: tuple[OverlayEntry, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def blind_pops(self) -> frozenset[str]:
        """The POPs of which no switch could be asked: nobody knows which drains are in force there."""
        return self._pops_of(self._missed_switches) - self._pops_of(self._asked_switches)

    def warnings(self, *, but: Container[str] = ()) -> tuple[str, ...]:
        """What may be missing although there is a plan, in words: a switch that was away may know better than the others; those
        of ``but`` are expected to be away."""
        half = self._pops_of(self._missed_switches) & self._pops_of(self._asked_switches)
        away = tuple(
            f"{name} could not be asked: a drain that it alone knows of is left out for {pop}"
            for name in self._missed_switches
            for pop in (self.intent.device(name).pop,)
            if pop in half and name not in but
        )
        return (*away, *self.notes)

    @property
    def _missed_switches(self) -> tuple[str, ...]:
        return tuple(name for name in self.failures if self.intent.device(name).role == "switch")

    @property
    def _asked_switches(self) -> tuple[str, ...]:
        return tuple(name for name in self.facts if self.intent.device(name).role == "switch")

    def _pops_of(self, names: Iterable[str]) -> frozenset[str]:
        return frozenset(self.intent.device(name).pop for name in names)


def gather_world(
    controller: Controller,
    targets: Iterable[str],
    *,
    wants: Iterable[str] = (),
    entries: tuple[OverlayEntry, ...] = (),
) -> World:
    """Ask ``targets`` and the switches of their POPs, which hold the overlay and the neighbours that hosts mirror.

    ``wants`` are costly facts beyond those that the plugins need; ``entries`` is overlay that no device holds yet.
    """
    plain = controller.intent(Overlay())
    chosen = set(targets)
    pops = {device.pop for device in plain.devices if device.name in chosen}
    asked = [
        device for device in plain.devices if device.name in chosen or (device.role == "switch" and device.pop in pops)
    ]
    if plain.certificates:
        wants = (*wants, "certificate")
    facts, failures = gather_facts(controller, plain, asked, wants=wants, is_patient=False)
    held = merge_overlays([*(fact.overlay for fact in facts.values()), entries])
    decided = {(entry.id, entry.version) for entry in entries}  # just now: it does not end before it is done
    lapsing = Overlay(tuple(entry for entry in held.entries if (entry.id, entry.version) not in decided))
    lapsed = _lapsed(controller, lapsing, facts)
    overlay = merge_overlays([held.entries, lapsed]) if lapsed else held
    notes = registry_warnings(controller.inventory, now=controller.clock.now())
    return World(facts, failures, overlay, controller.intent(overlay), lapsed, notes)


def _lapsed(controller: Controller, overlay: Overlay, facts: Mapping[str, DeviceFacts]) -> tuple[OverlayEntry, ...]:
    """What entries of ``overlay`` become now that they are past their time. One that comes to its end step by step waits for the
    devices that have steps before it: none may leave one out."""
    now = controller.clock.now()
    found = []
    for plugin in controller.plugins:
        for entry in call_hook(plugin, plugin.lapse, overlay, now):
            older = tuple(
                e for f in facts.values() for e in f.overlay if e.id == entry.id and e.version < entry.version - 1
            )
            steps = (step for one in older for step in call_hook(plugin, plugin.lapse, Overlay((one,)), now))
            may_end = not entry.removed or all(step.removed for step in steps)
            found += [entry] if may_end else [one for one in overlay.entries if one.id == entry.id]
    return tuple(found)


def gather_facts(
    controller: Controller,
    intent: Intent,
    devices: Iterable[DeviceIntent],
    *,
    wants: Iterable[str] = (),
    is_patient: bool = True,
) -> tuple[dict[str, DeviceFacts], dict[str, NetorchError]]:
    """Facts and failures of ``devices``, by name. Without patience, who has just let the command wait in vain is not asked again:
    for whoever does not wait for a device to come back."""
    by_name = {device.name: device for device in devices}
    needed = _plugins_needs(controller, intent)
    clock, silences = controller.clock, controller.silences

    def ask(name: str) -> DeviceFacts:
        began = clock.monotonic()
        if not is_patient and name in silences and began < silences[name].until:
            raise silences[name].error
        controller.progress.step(name, "gathering facts")
        try:
            found = controller.devices(name).facts(facts_request(by_name[name], {*wants, *needed.get(name, ())}))
        except Unreachable as error:
            now = clock.monotonic()
            silences[name] = Silence(error, now + REST * (now - began))
            raise
        silences.pop(name, None)
        return found

    return controller.each(by_name, ask)


def base_request(controller: Controller, intent: Intent, device: str) -> FactsRequest:
    """What facts of ``device`` cover whatever else is asked for: a change is refused unless they are as it was planned from."""
    needed = _plugins_needs(controller, intent).get(device, ())
    return facts_request(intent.device(device), (want for want in needed if _is_path(want)))


def _plugins_needs(controller: Controller, intent: Intent) -> dict[str, set[str]]:
    needed: dict[str, set[str]] = {}
    for plugin in controller.plugins:
        for name, more in call_hook(plugin, plugin.needs, intent).items():
            needed.setdefault(name, set()).update(more)
    return needed


def _is_path(want: str) -> bool:
    return want.startswith("/")


def facts_request(device: DeviceIntent, wants: Iterable[str]) -> FactsRequest:
    """What is asked of ``device``: its daemon's files, the sysctls and aliases that the intent names, and ``wants``; a path
    among these is a file that is wanted as well."""
    wants = sorted(set(wants))
    return FactsRequest(
        device=device.name,
        daemon=device.daemon,
        files=(*configuration_paths(device.daemon), *(want for want in wants if _is_path(want))),
        sysctls=tuple(name for name, _ in device.sysctls),
        aliases=tuple(dict.fromkeys(interface.name for interface in device.interfaces)),
        wants=tuple(want for want in wants if not _is_path(want)),
        announced=_announced_query(device) if ANNOUNCED in wants else None,
    )


def _announced_query(device: DeviceIntent) -> AnnouncedQuery:
    providers = (session for session in device.sessions if session.kind == "provider")
    sessions = tuple((session.name, family.value) for session in providers for family in session.carried)
    return AnnouncedQuery(device.asn, device.own_prefixes, sessions)
