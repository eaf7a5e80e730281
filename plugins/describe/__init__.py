"""Labels: interface aliases and session descriptions follow the inventory's circuits and uplinks."""

from __future__ import annotations

from dataclasses import replace
from typing import Mapping, Tuple

from netorch.api import (
    AliasItem,
    Circuit,
    DeviceIntent,
    Facts,
    Intent,
    Interface,
    Item,
    Overlay,
    Plugin,
    Session,
    one_line,
)

LABEL_BYTES = 255
"""The kernel keeps an alias of at most 255 bytes (IFALIASZ 256 in linux/if.h); a BIRD string is capped there too."""


def amend(intent: Intent, overlay: Overlay) -> Intent:
    """Give every session a description and every circuit port, host port and uplink an alias."""
    circuits = {circuit.id: circuit for circuit in intent.circuits}
    devices = {device.name: device for device in intent.devices}

    def described(device: DeviceIntent) -> DeviceIntent:
        return replace(
            device,
            sessions=tuple(_describe_session(device, s, circuits=circuits, devices=devices) for s in device.sessions),
            interfaces=tuple(
                _label_interface(device, i, circuits=circuits, devices=devices) for i in device.interfaces
            ),
        )

    return intent.with_devices(described)


def propose(intent: Intent, facts: Facts) -> Mapping[str, Tuple[Item, ...]]:
    """One alias for every interface that has a label; interfaces without one are left alone."""
    return {
        device.name: tuple(
            AliasItem(interface.name, interface.alias) for interface in device.interfaces if interface.alias
        )
        for device in intent.devices
    }


def circuit_label(circuit: Circuit) -> str:
    """``northtel: Northtel NT-100231, circuit 1 (northtel-pop1-a)``."""
    what = f"{circuit.description}, " if circuit.description else ""
    return one_line(f"{circuit.provider}: {what}circuit {circuit.id} ({circuit.name})", max_bytes=LABEL_BYTES)


def _describe_session(
    device: DeviceIntent, session: Session, *, circuits: Mapping[int, Circuit], devices: Mapping[str, DeviceIntent]
) -> Session:
    if session.kind == "provider":
        circuit = circuits.get(session.circuit) if session.circuit is not None else None
        label = circuit_label(circuit) if circuit else session.description
    else:
        label = _far_end(device.name, session.peer, devices)
    return replace(session, description=one_line(label, max_bytes=LABEL_BYTES))


def _label_interface(
    device: DeviceIntent, interface: Interface, *, circuits: Mapping[int, Circuit], devices: Mapping[str, DeviceIntent]
) -> Interface:
    if interface.role == "circuit":
        here = (c for c in circuits.values() if (c.switch, c.port) == (device.name, interface.name))
        label = "; ".join(circuit_label(circuit) for circuit in here)
    elif interface.role in ("host", "uplink", "link"):
        label = _far_end(device.name, interface.peer, devices)
    else:
        return interface
    return replace(interface, alias=one_line(label, max_bytes=LABEL_BYTES) or interface.alias)


def _far_end(device: str, peer: str, devices: Mapping[str, DeviceIntent]) -> str:
    """``h1.pop1 eth0``: the peer and its interface towards ``device``, where the intent knows it."""
    interfaces = devices[peer].interfaces if peer in devices else ()
    towards = [i.name for i in interfaces if i.role in ("host", "uplink", "link") and i.peer == device]
    return f"{peer} {towards[0]}" if len(towards) == 1 else peer


PLUGIN = Plugin(
    name="describe",
    help="interface aliases and session descriptions from circuits and uplinks",
    amend=amend,
    propose=propose,
    kinds=(AliasItem,),
)
