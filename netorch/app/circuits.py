"""Circuits and providers of a POP: the state of each, and what goes over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netorch.app.controller import Controller
from netorch.app.gather import World
from netorch.app.provider_states import Line, drain_words, is_drained, is_established, said
from netorch.model.facts import DeviceFacts
from netorch.model.inventory import Circuit, Pop
from netorch.model.picture import DOWN, DRAINED, PARTLY, UNKNOWN, UP
from netorch.model.request import FactsRequest
from netorch.plan.traffic import CircuitTraffic, Counters, ProviderTraffic, Rates, circuit_traffic, provider_traffic

INTERVAL_S = 1.0
"""Over how long rates are measured unless somebody says otherwise."""

Links = Mapping[str, DeviceFacts]


@dataclass(frozen=True)
class PopTraffic:
    """The circuits of one POP, and its providers."""

    pop: Pop
    circuits: tuple[CircuitTraffic, ...]
    providers: tuple[ProviderTraffic, ...]


def measure_traffic(
    controller: Controller, world: World, targets: Iterable[str], *, interval_s: float, since_s: float
) -> tuple[PopTraffic, ...]:
    """The traffic of every POP that a switch of ``targets`` belongs to, from the counters in ``world``, taken at about
    ``since_s`` (of the monotonic clock), and those that are read ``interval_s`` later at least."""
    chosen = set(targets)
    pops = [pop for pop in controller.inventory.pops if any(switch.name in chosen for switch in pop.switches)]
    switches = {circuit.switch: None for pop in pops for circuit in pop.circuits if circuit.switch in world.facts}
    if switches:
        controller.clock.wait(max(0.0, since_s + interval_s - controller.clock.monotonic()))
    now = _read_links(controller, world, switches)
    return tuple(_traffic(pop, world, now) for pop in pops)


def _traffic(pop: Pop, world: World, now: Links) -> PopTraffic:
    circuits = circuit_traffic(pop.circuits, world.facts, now)
    return PopTraffic(pop, circuits, provider_traffic(circuits))


def _read_links(controller: Controller, world: World, switches: Iterable[str]) -> Links:
    def ask(name: str) -> DeviceFacts:
        controller.progress.step(name, "measuring traffic")
        device = world.intent.device(name)
        return controller.devices(name).facts(FactsRequest(name, device.daemon, wants=("links",)))

    return controller.each(switches, ask)[0]


def circuit_rows(world: World, traffic: PopTraffic, targets: Iterable[str]) -> list[dict[str, Any]]:
    """A row for each circuit of the POP whose switch is among ``targets``, as plain JSON."""
    chosen = set(targets)
    return [_circuit_row(world, traffic, one) for one in traffic.circuits if one.circuit.switch in chosen]


def provider_rows(world: World, traffic: PopTraffic) -> list[dict[str, Any]]:
    """A row for each provider of the POP, as plain JSON."""
    return [_provider_row(world, traffic, one) for one in traffic.providers]


def circuit_state(world: World, circuits: Sequence[Circuit]) -> tuple[str, str | None]:
    """The state of circuits to one provider in one POP, and in words why they are not up."""
    ids = {circuit.id for circuit in circuits}
    lines = [
        (device, session)
        for name in dict.fromkeys(circuit.switch for circuit in circuits)
        for device in (world.intent.device(name),)
        for session in device.sessions
        if session.circuit in ids
    ]
    blind = sorted({device.name for device, _ in lines if device.name not in world.facts})
    known = [line for line in lines if line[0].name in world.facts]
    meant = [line for line in known if not is_drained(line[1])]
    if known and not meant and not blind:
        return DRAINED, drain_words(world, lines[0][0].pop, lines)
    lost = [line for line in meant if not is_established(world, *line)]
    words = "; ".join([*(f"{name} cannot be asked" for name in blind), *(said(world, *line) for line in lost)])
    if len(lost) < len(meant):
        return (PARTLY if words else UP), words or None
    return (UNKNOWN if blind else DOWN), words or None


def line_states(world: World, circuit: Circuit) -> list[tuple[Line, str]]:
    """The sessions of a circuit, each with ``up``, ``down``, ``drained`` or ``unknown``."""
    device = world.intent.device(circuit.switch)
    found = [(device, session) for session in device.sessions if session.circuit == circuit.id]
    return [(line, _line_state(world, line)) for line in found]


def _line_state(world: World, line: Line) -> str:
    if line[0].name not in world.facts:
        return UNKNOWN
    if is_drained(line[1]):
        return DRAINED
    return UP if is_established(world, *line) else DOWN


def _circuit_row(world: World, traffic: PopTraffic, one: CircuitTraffic) -> dict[str, Any]:
    circuit = one.circuit
    state, note = circuit_state(world, (circuit,))
    return {
        "circuit": circuit.name,
        "provider": circuit.provider,
        "pop": traffic.pop.name,
        "switch": circuit.switch,
        "port": circuit.port,
        "vlan": circuit.vlan,
        "interface": one.interface or None,
        "shared_with": list(one.shared_with),
        "state": state,
        "note": note,
        "capacity_bps": circuit.capacity_bps or None,
        **_figures(one.counters, one.rates, circuit.capacity_bps),
        "problem": one.problem or None,
    }


def _provider_row(world: World, traffic: PopTraffic, one: ProviderTraffic) -> dict[str, Any]:
    circuits = [circuit for circuit in traffic.pop.circuits if circuit.provider == one.provider]
    state, note = circuit_state(world, circuits)
    return {
        "provider": one.provider,
        "pop": traffic.pop.name,
        "circuits": list(one.circuits),
        "state": state,
        "note": note,
        "capacity_bps": one.capacity_bps or None,
        **_figures(one.counters, one.rates, one.capacity_bps),
        "problem": one.problem or None,
    }


def _figures(counters: Counters | None, rates: Rates | None, capacity_bps: int) -> dict[str, Any]:
    """Rates in bit/s and packets/s, shares of the capacity in percent; ``in`` is from the provider, ``out`` to it."""
    return {
        "interval_s": round(rates.interval_s, 3) if rates else None,
        "in_bps": round(rates.in_bps) if rates else None,
        "out_bps": round(rates.out_bps) if rates else None,
        "in_share_percent": _share(rates.in_bps, capacity_bps) if rates else None,
        "out_share_percent": _share(rates.out_bps, capacity_bps) if rates else None,
        "in_packets_per_s": round(rates.in_packets_per_s, 1) if rates else None,
        "out_packets_per_s": round(rates.out_packets_per_s, 1) if rates else None,
        "in_bytes": counters.in_bytes if counters else None,
        "out_bytes": counters.out_bytes if counters else None,
    }


def _share(rate_bps: float, capacity_bps: int) -> float | None:
    return round(100 * rate_bps / capacity_bps, 2) if capacity_bps else None
