"""``netorch explain``: why packets to a destination leave a host as they do, checked against the kernel and a frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from netorch.app.controller import Controller
from netorch.app.explain_circuits import Fate, Scene, fates, hop_document
from netorch.app.gather import World, gather_world
from netorch.app.ping_tracks import OK
from netorch.app.provider_states import provider_states
from netorch.app.ways import Way, find_ways, next_hop_at
from netorch.errors import DeviceError, NetorchError, UsageError
from netorch.model.conventions import MAIN_TABLE, SILENT
from netorch.model.facts import Neighbour
from netorch.model.intent import DeviceIntent
from netorch.model.overlay import Overlay
from netorch.model.types import IPAddress, family_of
from netorch.plan.egress import LOCAL, UNICAST

WANTS = ("links", "mirror", "neighbours", "protocols", SILENT)


@dataclass(frozen=True)
class Finding:
    """Something that the operator ought to know. ``kind`` is ``no_route``, ``no_neighbour``, ``mirror``, ``session_down``,
    ``drained``, ``steered``, ``daemon``, ``kernel`` or ``frame``; where ``is_broken`` packets may be lost, or go elsewhere than
    they should."""

    kind: str
    text: str
    is_broken: bool = True


@dataclass(frozen=True)
class Explanation:
    """``document`` is plain JSON with stable keys."""

    document: dict[str, Any]
    findings: tuple[Finding, ...]

    @property
    def is_broken(self) -> bool:
        """Whether something is."""
        return any(finding.is_broken for finding in self.findings)


def host_named(controller: Controller, name: str) -> DeviceIntent:
    """The host; UsageError for what is none."""
    intent = controller.intent(Overlay())
    hosts = [device.name for device in intent.devices if device.role == "host"]
    if name not in hosts:
        raise UsageError(f"no host {name!r}", hint=f"hosts are {', '.join(hosts)}" if hosts else "there are none")
    return intent.device(name)


def mark_of(device: DeviceIntent, provider: str) -> int:
    """The mark that asks for ``provider`` on a host; UsageError where there is none."""
    for table in device.tables:
        if table.provider == provider:
            return table.number
    known = ", ".join(table.provider for table in device.tables)
    raise UsageError(f"{device.name} has no provider {provider!r}", hint=f"it has {known}")


def explain(
    controller: Controller, host: str, destination: IPAddress, *, mark: int = 0, send: bool = True
) -> Explanation:
    """Why packets with ``mark`` to ``destination`` leave ``host`` as they do. Raises what the host cannot be asked for."""
    device = host_named(controller, host)
    marks = {0, *(table.number for table in device.tables)}
    if mark not in marks:
        known = ", ".join(f"{table.number} ({table.provider})" for table in device.tables)
        raise UsageError(f"mark {mark} asks for no provider of {host}", hint=f"0, {known}; docs/marks.md")
    world = _without_silent(gather_world(controller, [host], wants=WANTS), host)
    if host in world.failures:
        raise world.failures[host]
    device = world.intent.device(host)
    ways, failures = find_ways(controller, [device], [destination], send=send)
    if failures:
        raise failures[host]
    mine = [as_sent(way, world.facts[host].neighbours) for way in ways[host]]
    scene = Scene(world, device, next(way for way in mine if way.mark == mark))
    found = fates(scene)
    findings = _findings(scene, found, sent=send)
    return Explanation(_document(controller, scene, found, findings=findings, ways=mine), tuple(findings))


def _without_silent(world: World, host: str) -> World:
    """``world`` less the switches whose daemon hangs, which tell nothing; of the host the kernel's word is worth telling."""
    silent = {
        name: DeviceError("its routing daemon does not answer", where=name)
        for name, facts in world.facts.items()
        if name != host and not facts.daemon.running and facts.daemon.version is None
    }
    facts = {name: found for name, found in world.facts.items() if name not in silent}
    return replace(world, facts=facts, failures={**world.failures, **silent})


def as_sent(way: Way, neighbours: Iterable[Neighbour]) -> Way:
    """``way`` with the next hop that its frame left to, where that is one of several: the kernel answers for a packet of another
    flow, which may take another of them. As it is where the frame's MAC address tells nothing, or is none of theirs."""
    frame = way.finding.frame
    if frame is None or way.finding.kernel.hop is None:
        return way
    place = frame.interface, frame.destination_mac
    there = {neighbour.address for neighbour in neighbours if (neighbour.interface, neighbour.mac) == place}
    hops = [hop for hop in way.decision.hops if hop.interface == frame.interface and hop.gateway in there]
    if len(hops) != 1:
        return way
    return replace(way, finding=replace(way.finding, kernel=replace(way.finding.kernel, hop=hops[0])))


def _findings(scene: Scene, found: Sequence[Fate], *, sent: bool) -> list[Finding]:
    way, decision = scene.way, scene.way.decision
    findings = [Finding("session_down", f"{name} cannot be asked: {e.message}") for name, e in _away(scene.world)]
    if way.known.problem:
        findings.append(Finding("daemon", way.known.problem))
    elif way.disagreement:
        findings.append(Finding("kernel", way.disagreement))
    if decision.unknown:
        findings.append(
            Finding("kernel", f"not judged: {decision.unknown}; the kernel's word is shown", is_broken=False)
        )
    elif way.known.problem:
        pass  # nobody knows what it would have said
    elif decision.table is None:
        findings.append(Finding("no_route", f"no table has a route to {way.destination}"))
    elif decision.type not in (UNICAST, LOCAL):
        findings.append(Finding("no_route", f"the route {decision.prefix} says that packets are not to be sent"))
    findings += _of_mark(scene, found)
    findings += _of_steer(scene, found)
    for fate in found:
        if fate.is_taken:
            findings += _of_taken(scene, fate)
        elif fate.reason in ("drained", "session_down"):
            name = f"{fate.next_hop.provider} ({fate.next_hop.address})"
            is_broken = fate.reason == "session_down"
            findings.append(Finding(fate.reason, f"{name}: {fate.words}", is_broken=is_broken))
        elif fate.reason == "unresolved":
            findings.append(Finding("no_neighbour", f"{fate.next_hop.provider}: {fate.words}"))
    return findings + (_of_frame(scene, found) if sent else [])


def _away(world: World) -> Iterable[tuple[str, NetorchError]]:
    return world.failures.items()


def _of_mark(scene: Scene, found: Sequence[Fate]) -> list[Finding]:
    way = scene.way
    if not way.mark or way.decision.table != MAIN_TABLE or way.known.problem:
        return []
    provider = next(table.provider for table in scene.device.tables if table.number == way.mark)
    why = "; ".join(dict.fromkeys(fate.words for fate in found if fate.next_hop.provider == provider and fate.words))
    text = f"{provider}'s table {way.mark} has no route to it{': ' if why else ''}{why}; packets take the main table"
    return [Finding("no_route", text)]


def _of_steer(scene: Scene, found: Sequence[Fate]) -> list[Finding]:
    steer = scene.steer
    if steer is None or scene.way.decision.table != MAIN_TABLE:
        return []
    words = f"{steer.prefix} is steered to {steer.provider} {scene.steer_words()}"
    if any(fate.is_taken and fate.next_hop.provider == steer.provider for fate in found):
        return [Finding("steered", words, is_broken=False)]
    mine = [fate for fate in found if fate.next_hop.provider == steer.provider]
    why = "; ".join(dict.fromkeys(fate.words for fate in mine)) or f"{steer.provider} has no circuit here"
    return [Finding("steered", f"{words}, but it has fallen back: {why}", is_broken=False)]


def _of_taken(scene: Scene, fate: Fate) -> list[Finding]:
    hop, sides = fate.next_hop, scene.sides(fate.next_hop)
    findings = []
    neighbours = scene.world.facts[scene.device.name].neighbours
    entry = next((n for n in neighbours if (n.address, n.interface) == (hop.address, hop.interface)), None)
    if entry is None or entry.mac is None:
        text = f"{hop.interface} has no neighbour entry for {hop.address}: packets to {hop.provider} are lost"
        findings.append(Finding("no_neighbour", text))
    if not sides.is_ok:
        findings.append(Finding("mirror", f"{hop.address} ({hop.provider}): {sides.verdict}"))
    drained, problem = scene.drained(hop), scene.session_problem(hop)
    if drained is not None:
        text = f"{hop.provider} ({hop.address}) is drained {drained}, and still taken: nobody else has a route"
        findings.append(Finding("drained", text, is_broken=False))
    elif problem:
        findings.append(Finding("session_down", f"{hop.provider} ({hop.address}): {problem}"))
    return findings


def _of_frame(scene: Scene, found: Sequence[Fate]) -> list[Finding]:
    frame, finding = scene.way.finding.frame, scene.way.finding
    if scene.way.decision.type == LOCAL or scene.way.decision.table is None:
        return []
    if frame is None:
        why = f": {finding.unsent}" if finding.unsent else ""
        return [Finding("frame", f"no frame left the host{why}")]
    taken = [fate.next_hop for fate in found if fate.is_taken]
    expected = {(hop.interface, scene.sides(hop).host_mac) for hop in taken}
    if taken and (frame.interface, frame.destination_mac) not in expected:
        wanted = " or ".join(sorted(f"{mac or 'nobody'} through {interface}" for interface, mac in expected))
        text = f"the frame left to {frame.destination_mac} through {frame.interface}; expected {wanted}"
        return [Finding("frame", text)]
    return []


def _document(
    controller: Controller, scene: Scene, found: Sequence[Fate], *, findings: Sequence[Finding], ways: Sequence[Way]
) -> dict[str, Any]:
    circuits = {circuit.id: circuit for circuit in controller.inventory.pop(scene.device.pop).circuits}
    way, decision = scene.way, scene.way.decision
    frame = way.finding.frame
    return {
        "host": scene.device.name,
        "destination": str(way.destination),
        "mark": way.mark,
        "via": _provider_of_mark(scene.device, way.mark),
        "rule": None if decision.rule is None else decision.rule.priority,
        "table": decision.table,
        "prefix": None if decision.prefix is None else str(decision.prefix),
        "daemon": scene.device.daemon,
        "path": _path_document(scene),
        "hops": [
            hop_document(scene, fate.next_hop, of_circuit=circuits.__getitem__) for fate in found if fate.is_taken
        ],
        "kernel": kernel_document(way),
        "frame": None
        if frame is None
        else {
            "interface": frame.interface,
            "destination_mac": frame.destination_mac,
            "source_mac": frame.source_mac,
            "source": str(frame.source),
            "rtt_ms": frame.rtt_ms,
        },
        "lost": [
            {
                "provider": fate.next_hop.provider,
                "circuit": circuits[fate.next_hop.circuit].name,
                "next_hop": str(fate.next_hop.address),
                "prefix": fate.prefix,
                "reason": fate.reason,
                "why": fate.words,
            }
            for fate in found
            if not fate.is_taken
        ],
        "marks": _marks(scene, ways),
        "findings": [{"kind": f.kind, "broken": f.is_broken, "text": f.text} for f in findings],
        "ok": not any(f.is_broken for f in findings),
    }


def _provider_of_mark(device: DeviceIntent, mark: int) -> str | None:
    return next((table.provider for table in device.tables if table.number == mark), None)


def _path_document(scene: Scene) -> dict[str, Any] | None:
    choice = scene.way.decision.choice
    bgp = choice.chosen[0].bgp if choice is not None and choice.chosen else None
    if bgp is None:
        return None
    return {
        "local_preference": bgp.local_preference,
        "as_path": list(bgp.as_path),
        "origin": bgp.origin,
        "med": bgp.med,
    }


def kernel_document(way: Way) -> dict[str, Any]:
    """What the kernel says, as plain JSON; ``agrees`` is whether it does what netorch concludes."""
    answer = way.finding.kernel
    hop, route = answer.hop, None if answer.shared else answer.route
    return {
        "table": None if route is None else route.table,
        "prefix": None if route is None else str(route.prefix),
        "next_hop": None if hop is None or hop.gateway is None else str(hop.gateway),
        "interface": None if hop is None else hop.interface,
        "source": None if answer.source is None else str(answer.source),
        "error": answer.error or None,
        "agrees": not way.disagreement,
    }


def _marks(scene: Scene, ways: Sequence[Way]) -> list[dict[str, Any]]:
    """A row for every mark: where it leads, and in what state its provider is."""
    states = provider_states(scene.world)
    rows = []
    for way in ways:
        provider = _provider_of_mark(scene.device, way.mark)
        state = states.get((scene.device.pop, provider or "", family_of(way.destination)))
        rows.append(
            {
                **way_row(scene.device, way),
                "state": _state(way, state.state if state is not None else OK),
                "frame_mac": way.finding.frame.destination_mac if way.finding.frame is not None else None,
            }
        )
    return rows


def _state(way: Way, provider_state: str) -> str:
    """In the words of ``netorch ping``."""
    if provider_state != OK:
        return provider_state
    if way.decision.table is None or (way.mark and way.decision.table == MAIN_TABLE):
        return "no route"
    return OK


def way_row(device: DeviceIntent, way: Way) -> dict[str, Any]:
    """A way in one line: what was decided, and what the kernel does."""
    decision, answer = way.decision, way.finding.kernel
    leads = [next_hop_at(device, hop.gateway) for hop in decision.hops]
    return {
        "host": way.host,
        "destination": str(way.destination),
        "mark": way.mark,
        "via": _provider_of_mark(device, way.mark),
        "table": decision.table,
        "prefix": None if decision.prefix is None else str(decision.prefix),
        "providers": sorted({hop.provider for hop in leads if hop is not None}),
        "next_hops": sorted(str(hop.gateway) for hop in decision.hops if hop.gateway is not None),
        "kernel_next_hop": str(answer.hop.gateway) if answer.hop is not None and answer.hop.gateway else None,
        "kernel_interface": answer.hop.interface if answer.hop is not None else None,
        "kernel_table": None if answer.route is None or answer.shared else answer.route.table,
        "source": None if answer.source is None else str(answer.source),
        "agrees": not way.disagreement,
        "disagreement": way.disagreement or None,
    }


def explain_many(
    controller: Controller, hosts: Sequence[str], destinations: Sequence[IPAddress]
) -> tuple[list[dict[str, Any]], dict[str, NetorchError]]:
    """A row for each host, destination and mark, and the hosts that could not be asked. Nothing is sent."""
    plain = controller.intent(Overlay())
    chosen = [plain.device(name) for name in hosts]
    routed = [replace(device, routes=_known_routes(controller, device)) for device in chosen]
    ways, failures = find_ways(controller, routed, destinations)
    return [way_row(plain.device(name), way) for name, found in ways.items() for way in found], failures


def _known_routes(controller: Controller, device: DeviceIntent) -> tuple[Any, ...]:
    """Routes of operators' programs are overlay, which only FRR's way of being asked needs."""
    if device.daemon != "frr":
        return device.routes
    return gather_world(controller, [device.name]).intent.device(device.name).routes
