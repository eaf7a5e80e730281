"""Which providers are drained or down in a POP, from what its switches say."""

from __future__ import annotations

from collections.abc import Iterable

from netorch.app.gather import World
from netorch.app.ping_tracks import DOWN, DRAINED, ProviderState
from netorch.model.intent import DeviceIntent, Session
from netorch.model.overlay import OverlayEntry
from netorch.model.text import utc_text
from netorch.model.types import Family

_GRACEFUL_SHUTDOWN = (65535, 0)  # RFC 8326 section 5

Line = tuple[DeviceIntent, Session]


def provider_states(world: World) -> dict[tuple[str, str, Family], ProviderState]:
    """By POP, provider and family, for every provider that has a session of that family in a POP of ``world``.

    A provider is drained where all of its sessions there are closed or announced with graceful shutdown; it is down where
    none of them is Established, as far as switches could be asked.
    """
    lines: dict[tuple[str, str, Family], list[Line]] = {}
    for device in world.intent.devices:
        if device.name not in world.facts or device.role != "switch":
            continue
        for session in device.sessions:
            if session.kind == "provider":
                for family in session.carried:
                    lines.setdefault((device.pop, session.peer, family), []).append((device, session))
    blind = world.blind_pops | {world.intent.device(name).pop for name in world.failures}
    return {key: _state(world, key[0], found, is_whole=key[0] not in blind) for key, found in lines.items()}


def _state(world: World, pop: str, lines: list[Line], *, is_whole: bool) -> ProviderState:
    if all(is_drained(session) for _, session in lines):
        entry = _drained_by(world, pop, lines)
        return ProviderState(DRAINED) if entry is None else ProviderState(DRAINED, _words(entry), entry.created)
    if is_whole and not any(is_established(world, *line) for line in lines):
        return ProviderState(DOWN, "; ".join(said(world, *line) for line in lines))
    return ProviderState()


def is_drained(session: Session) -> bool:
    """Whether nothing is meant to go over ``session``: it is closed, or announced with graceful shutdown."""
    outgoing = session.export_policy
    return not session.enabled or (outgoing is not None and _GRACEFUL_SHUTDOWN in outgoing.communities)


def drain_words(world: World, pop: str, lines: Iterable[Line]) -> str | None:
    """Who drained ``lines`` of ``pop``, since when and why; None where no drain says so, but the inventory."""
    entry = _drained_by(world, pop, lines)
    return None if entry is None else _words(entry)


def _drained_by(world: World, pop: str, lines: Iterable[Line]) -> OverlayEntry | None:
    """The drain that did it; None where no drain says so, but the inventory."""
    circuits = {circuit.id: circuit.name for circuit in world.intent.circuits}
    names = {pop} | {name for device, session in lines for name in (session.peer, device.name)}
    names |= {circuits[session.circuit] for _, session in lines if session.circuit in circuits}
    for entry in world.overlay.active("drain"):
        if entry.data.get("name") in names and entry.data.get("pop", pop) == pop:
            return entry
    return None


def _words(entry: OverlayEntry) -> str:
    until = f", until {utc_text(entry.until)}" if entry.until is not None else ""
    reason = f": {entry.reason}" if entry.reason else ""
    return f"by {entry.author} since {utc_text(entry.created)}{until}{reason}"


def is_established(world: World, device: DeviceIntent, session: Session) -> bool:
    """Whether the device, which could be asked, says so."""
    protocol = world.facts[device.name].protocol(session.name)
    return protocol is not None and protocol.bgp_state == "Established"


def said(world: World, device: DeviceIntent, session: Session) -> str:
    """What the device says of ``session``, in words."""
    protocol = world.facts[device.name].protocol(session.name)
    state = protocol.bgp_state or protocol.state if protocol is not None else "missing"
    error = f" ({protocol.last_error})" if protocol is not None and protocol.last_error else ""
    return f"{device.name} {session.name} is {state}{error}"
