"""Why packets leave over one circuit and not over another: a row for each that the host could use. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Optional

from netorch.app.gather import World
from netorch.app.provider_states import drain_words, is_drained, is_established, said
from netorch.app.ways import Way, next_hop_of
from netorch.model.conventions import MAIN_TABLE
from netorch.model.intent import STEERED_PREFERENCE, DeviceIntent, NextHop, Session, Steer
from netorch.model.overlay import OverlayEntry
from netorch.model.state import Route
from netorch.model.text import utc_text
from netorch.model.trace import KernelHop
from netorch.model.types import IPAddress, family_of
from netorch.plan.egress import Lost, is_resolved
from netorch.plan.mirror import MirrorSides, compare_sides

TAKEN = "taken"


@dataclass(frozen=True)
class Fate:
    """What became of a circuit for one destination. ``reason`` is a word for programs, ``words`` for people; ``prefix`` is that
    of the route that it has, None for none."""

    next_hop: NextHop
    reason: str
    words: str = ""
    prefix: Optional[str] = None

    @property
    def is_taken(self) -> bool:
        """Whether packets leave there."""
        return self.reason == TAKEN


@dataclass(frozen=True)
class Scene:
    """All that is known when one way is explained."""

    world: World
    device: DeviceIntent
    way: Way

    @property
    def destination(self) -> IPAddress:
        """Of the packet."""
        return self.way.destination

    @property
    def steer(self) -> Optional[Steer]:
        """The one that the destination lies in: the narrowest."""
        mine = [s for s in self.device.steers if self.destination in s.prefix]
        return max(mine, key=lambda steer: steer.prefix.prefixlen, default=None)

    def steer_words(self) -> str:
        """Who steered it, since when and why; "" where the overlay does not say."""
        steer = self.steer
        entries = self.world.overlay.active("steer") if steer else ()
        entry = next((e for e in entries if steer and e.data.get("prefix") == str(steer.prefix)), None)
        return "" if entry is None else entry_words(entry)

    def session_of(self, hop: NextHop) -> Optional[tuple[DeviceIntent, Session]]:
        """The session with the provider on that circuit, and its switch."""
        switch = self.world.intent.device(hop.switch)
        for session in switch.sessions:
            if session.kind == "provider" and session.circuit == hop.circuit and hop.family in session.carried:
                return switch, session
        return None

    def drained(self, hop: NextHop) -> Optional[str]:
        """Who drained the circuit, in words; None where it is not."""
        found = self.session_of(hop)
        if found is None or not is_drained(found[1]):
            return None
        return drain_words(self.world, self.device.pop, [found]) or "in the inventory"

    def session_problem(self, hop: NextHop) -> str:
        """What is wrong with the session behind the circuit, or with the host's with that switch; "" for nothing."""
        found = self.session_of(hop)
        if found is not None and hop.switch in self.world.facts and not is_established(self.world, *found):
            return said(self.world, *found)
        for session in self.device.sessions:
            is_own = session.kind == "switch" and session.peer == hop.switch and hop.family in session.carried
            if is_own and not is_established(self.world, self.device, session):
                return said(self.world, self.device, session)
        return ""

    def sides(self, hop: NextHop) -> MirrorSides:
        """Both sides of the mirror for that next hop."""
        return compare_sides(self.world.intent, self.world.facts, [(self.device.name, hop)])[0]


def entry_words(entry: OverlayEntry) -> str:
    """Who made it, since when, until when and why."""
    until = f", until {utc_text(entry.until)}" if entry.until is not None else ""
    reason = f": {entry.reason}" if entry.reason else ""
    return f"by {entry.author} since {utc_text(entry.created)}{until}{reason}"


def fates(scene: Scene) -> list[Fate]:
    """Of every circuit of the destination's family, those that are taken first."""
    found = [_fate(scene, hop) for hop in scene.device.next_hops if hop.family is family_of(scene.destination)]
    return sorted(found, key=lambda fate: not fate.is_taken)


def _fate(scene: Scene, hop: NextHop) -> Fate:
    decision = scene.way.decision
    if KernelHop(hop.address, hop.interface) in decision.hops:
        return Fate(hop, TAKEN, prefix=str(decision.prefix))
    if scene.way.known.problem:
        return Fate(hop, "unknown", f"{scene.device.name}'s routing daemon does not tell of its routes")
    if decision.choice is None and decision.table is not None and decision.table != _table_of(scene.device, hop):
        return _beside(scene, hop)
    lost = decision.choice.lost if decision.choice is not None else ()
    mine = next((one for one in lost if next_hop_of(scene.device, one.path) == hop), None)
    if mine is not None:
        return _lost(scene, hop, mine)
    if scene.way.mark and decision.table != MAIN_TABLE and decision.table != _table_of(scene.device, hop):
        return Fate(hop, "mark", f"the mark {scene.way.mark} asks for another provider")
    return _absent(scene, hop)


def _table_of(device: DeviceIntent, hop: NextHop) -> Optional[int]:
    return next((table.number for table in device.tables if table.provider == hop.provider), None)


def _beside(scene: Scene, hop: NextHop) -> Fate:
    """A route that no provider announced decided."""
    decision = scene.way.decision
    if scene.way.mark and decision.table != MAIN_TABLE:
        return Fate(hop, "mark", f"the mark {scene.way.mark} asks for another provider")
    return Fate(hop, "other_route", f"{decision.prefix}, no provider's route, is longer than any of theirs")


def _lost(scene: Scene, hop: NextHop, lost: Lost) -> Fate:
    prefix, steer = str(lost.path.prefix), scene.steer
    drained = scene.drained(hop)
    if lost.reason == "unresolved":
        return Fate(hop, "unresolved", f"{hop.address} cannot be sent to: {scene.sides(hop).verdict}", prefix)
    if drained is not None:
        return Fate(hop, "drained", f"drained {drained}", prefix)
    if lost.reason == "local_preference" and steer is not None and steer.provider != hop.provider:
        choice = scene.way.decision.choice
        best = choice.chosen[0] if choice else None
        if best is not None and best.bgp is not None and best.bgp.local_preference == STEERED_PREFERENCE:
            return Fate(hop, "steered", f"{steer.prefix} is steered to {steer.provider}", prefix)
    return Fate(hop, lost.reason, lost.words, prefix)


def _absent(scene: Scene, hop: NextHop) -> Fate:
    """A circuit over which no route to the prefix came that decides."""
    drained, problem = scene.drained(hop), scene.session_problem(hop)
    if drained is not None:
        return Fate(hop, "drained", f"drained {drained}")
    if problem:
        return Fate(hop, "session_down", problem)
    if hop.switch not in scene.world.facts:
        return Fate(hop, "unknown", f"{hop.switch} cannot be asked")
    wider = _wider(scene, hop)
    if wider is not None and is_resolved(wider):
        return Fate(hop, "shorter_prefix", _shorter(scene, wider), str(wider.prefix))
    if wider is not None:
        verdict = scene.sides(hop).verdict
        return Fate(hop, "unresolved", f"{hop.address} cannot be sent to: {verdict}", str(wider.prefix))
    hint = f"{hop.provider} does not announce it there, or its route is refused (netorch rejected {hop.provider})"
    return Fate(hop, "no_route", hint)


def _shorter(scene: Scene, wider: Route) -> str:
    longest = scene.way.decision.prefix
    return f"it has {wider.prefix} alone, {longest} is longer" if longest else f"it has {wider.prefix} alone"


def _wider(scene: Scene, hop: NextHop) -> Optional[Route]:
    """The circuit's longest route to the destination, in whichever table the daemon has it."""
    known = scene.way.known
    tables = (known.paths.get(_table_of(scene.device, hop) or 0, ()), known.paths.get(MAIN_TABLE, ()), *known.wider)
    for paths in tables:
        for path in paths:
            if next_hop_of(scene.device, path) == hop:
                return path
    return None


def hop_document(scene: Scene, hop: NextHop, *, of_circuit: Callable[[int], Any]) -> dict[str, Any]:
    """The next hop, and what is on the way to it, as plain JSON."""
    sides, circuit = scene.sides(hop), of_circuit(hop.circuit)
    entry = next(
        (
            neighbour
            for neighbour in scene.world.facts[scene.device.name].neighbours
            if (neighbour.address, neighbour.interface) == (hop.address, hop.interface)
        ),
        None,
    )
    return {
        "next_hop": str(hop.address),
        "provider": hop.provider,
        "circuit": circuit.name,
        "interface": hop.interface,
        "switch": hop.switch,
        "port": circuit.port,
        "vlan": circuit.vlan,
        "mac": entry.mac if entry is not None else None,
        "mac_state": entry.state if entry is not None else None,
        "switch_mac": sides.switch_mac,
        "mirror": sides.verdict,
        "mirror_ok": sides.is_ok,
    }
