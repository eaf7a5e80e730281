"""What becomes of sessions one end of which is deployed, while the other, by its file, is not what the inventory says. Pure."""

from __future__ import annotations

from typing import Container, Dict, Iterable, Mapping

from netorch.model.facts import DeviceFacts
from netorch.model.intent import DeviceIntent, Intent, Session
from netorch.plan.daemons import configuration_text


def lone_ends(intent: Intent, facts: Mapping[str, DeviceFacts], chosen: Container[str]) -> Dict[str, str]:
    """Remarks by device, on those of ``chosen`` whose neighbour is to begin BFD first, as FRR 10.3 needs it of an 8.4.4
    (docs/frr.md), is not chosen and does not yet do so. Neighbours without facts are not judged."""
    waiting: Dict[str, Dict[str, None]] = {}
    for device in intent.devices:
        if device.name not in chosen and device.name in facts:
            for session in _unsaid(device, facts[device.name]):
                if session.peer in chosen:
                    waiting.setdefault(session.peer, {})[device.name] = None
    return {
        name: f"{', '.join(others)} does not begin BFD with it by itself yet: a session that ends would not come back; "
        f"deploy {' '.join(others)} as well"
        for name, others in waiting.items()
    }


def _unsaid(device: DeviceIntent, facts: DeviceFacts) -> Iterable[Session]:
    """The sessions of ``device`` for whose neighbour its file is to have BFD of its own, and has none."""
    lines = frozenset(configuration_text(facts, device.daemon).splitlines())
    return (
        session
        for session in device.sessions
        if session.bfd_first and f" peer {session.neighbor} interface {session.interface}" not in lines
    )
