"""The shipped example network, and made-up facts of its devices."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from netorch.api import (
    Channel,
    DaemonFacts,
    DeviceFacts,
    Intent,
    Inventory,
    Item,
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

ROOT = Path(__file__).resolve().parents[2]
NOW = 1_700_000_000.0


def _read() -> Inventory:
    folder = ROOT / "inventory"
    files = {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in folder.rglob("*.yml")}
    return load_inventory(files, folder=str(folder))


INVENTORY = _read()
INTENT = derive_intent(INVENTORY)


def facts(
    device: str,
    *,
    items: Iterable[Item] = (),
    neighbours: Iterable[Neighbour] = (),
    links: Iterable[Link] = (),
    protocols: Iterable[Protocol] = (),
) -> DeviceFacts:
    """Facts of a device whose daemon runs what it was given."""
    daemon = DaemonFacts("bird", "2.0.12", True, "stamp", "stamp", protocols=tuple(protocols))
    return DeviceFacts(
        device, "1", "base", 1, daemon, items=tuple(items), neighbours=tuple(neighbours), links=tuple(links)
    )


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


def context(plugin: Plugin, *, intent: Intent = INTENT, overlay: Overlay | None = None) -> VerbContext:
    """What a verb of ``plugin`` starts from, its amendments made."""
    held = overlay or Overlay()
    return VerbContext(INVENTORY, plugin.amend(intent, held), held, NOW, "ann", {})
