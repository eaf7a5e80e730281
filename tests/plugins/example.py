"""The shipped example network, and made-up facts of its devices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from netorch.api import (
    Channel,
    Intent,
    Inventory,
    Link,
    Mac,
    Neighbour,
    NextHop,
    Overlay,
    Plugin,
    Protocol,
    Session,
    VerbContext,
)
from netorch.intent import derive_intent
from netorch.inventory import load_inventory
from netorch.io.inventory_files import read_inventory
from netorch.testing import fake_context

ROOT = Path(__file__).resolve().parents[2]
NOW = 1_700_000_000.0


def _read() -> Inventory:
    files = read_inventory(str(ROOT / "inventory"))
    return load_inventory(files.texts, folder=files.folder)


INVENTORY = replace(_read(), pki=None)  # without agents, unless a test wants them
INTENT = derive_intent(INVENTORY)


def link(name: str, *, mac: str = "02:00:00:00:00:01", octets: int = 0) -> Link:
    """An interface that is up, half of ``octets`` received and half sent."""
    return Link(name, Mac(mac), True, True, "", octets // 2, octets - octets // 2, 0, 0)


def resolved(next_hop: NextHop, mac: str | None, state: str = "reachable") -> Neighbour:
    """What a switch has of ``next_hop``."""
    known = Mac(mac) if mac is not None else None
    return Neighbour(next_hop.family, next_hop.switch_interface, next_hop.address, known, state)


def protocol(session: Session, *, state: str = "Established", imported: int = 1000) -> Protocol:
    """The daemon's report of ``session``."""
    is_up = state == "Established"
    channel = Channel(session.family.value, routes_imported=imported, routes_preferred=imported // 2)
    return Protocol(session.name, "BGP", bgp_state=state, channels=(channel,) if is_up else ())


def context(
    plugin: Plugin,
    *,
    intent: Intent | None = None,
    overlay: Overlay | None = None,
    inventory: Inventory = INVENTORY,
) -> VerbContext:
    """What a verb of ``plugin`` starts from, in the example network unless another intent is given."""
    start = fake_context(plugin, inventory, overlay=overlay)
    return start if intent is None else replace(start, intent=plugin.amend(intent, start.overlay))
