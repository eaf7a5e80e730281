"""What becomes of sessions one end of which is deployed, while the other, by its file, is not what the inventory says. Pure."""

from __future__ import annotations

from typing import Container, Dict, Iterable, Mapping

from netorch.model.capabilities import begins_bfd
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


def other_releases(intent: Intent, facts: Mapping[str, DeviceFacts], chosen: Container[str]) -> Dict[str, str]:
    """Remarks by device, on those of ``chosen`` whose configuration is made for a neighbour of another release than the one
    that runs there, and would be another one for that: whether BFD is begun for it. Neighbours without facts are not judged."""
    by_name = {device.name: device for device in intent.devices}
    remarks: Dict[str, Dict[str, None]] = {}
    for device in filter(lambda one: one.name in chosen, intent.devices):
        own = device.daemon, device.version
        for session in device.sessions:
            peer, found = by_name.get(session.peer), facts.get(session.peer)
            version = found.daemon.version if found is not None else None
            if peer is None or version is None or not session.bfd:
                continue
            if begins_bfd(own, (peer.daemon, peer.version)) != begins_bfd(own, (peer.daemon, version)):
                said = f"{peer.name} runs {peer.daemon} {version}, for the inventory it is {peer.version}"
                remarks.setdefault(device.name, {})[said] = None
    return {
        name: f"{'; '.join(said)}: a session that ends might not come back; correct the inventory, then deploy"
        for name, said in remarks.items()
    }


def _unsaid(device: DeviceIntent, facts: DeviceFacts) -> Iterable[Session]:
    """The sessions of ``device`` for whose neighbour its file is to have BFD of its own, and has none."""
    lines = frozenset(configuration_text(facts, device.daemon).splitlines())
    return (
        session
        for session in device.sessions
        if session.bfd_first and f" peer {session.neighbor} interface {session.interface}" not in lines
    )
