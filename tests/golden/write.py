"""Writes the golden files anew: ``python -m tests.golden.write``. Read the difference before it is committed."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from netorch.intent import derive_intent
from netorch.io.template_files import read_templates
from netorch.model.capabilities import capabilities_of
from netorch.model.inventory import Inventory
from netorch.render import TemplateSource, render_for
from tests.unit.inventory_texts import example, load, texts

FOLDER = Path(__file__).parent / "bird"
FRR_FOLDER = Path(__file__).parent / "frr"
UNDERLAY_FOLDER = Path(__file__).parent / "underlay"
WITHOUT_GROUPS = """! This release does not see what the kernel takes out of a group of next hops with its carrier: no groups.
no zebra nexthop kernel enable
"""
"""What FRR 8.4.4 is told, and later releases are not; the golden files are of 8.4.4."""


def untyped(text: str) -> str:
    """A configuration of BIRD with functions that do not say what they return, as those of 2.0.12, the golden files' release."""
    return text.replace("() -> bool\n", "()\n")


def underlay_inventory() -> Inventory:
    """Three POPs of three routers in a ring, each with a LAN and an underlay of its own: ``rip``, ``ospf``, ``bgp``."""
    return load(texts(UNDERLAY_FOLDER / "inventory"))


def rendered_underlay(daemon: str, version: str) -> dict[str, str]:
    """The configuration of every router of those POPs, by file name, were it of ``daemon``."""
    return rendered(daemon, version, inventory=underlay_inventory())


def rendered(daemon: str = "bird", version: str = "2.0.12", *, inventory: Optional[Inventory] = None) -> dict[str, str]:
    """The configuration of every device of ``inventory``, by default the shipped one, without plugins, by file name, were it
    of ``daemon``."""
    can = capabilities_of(daemon, version)
    assert can is not None
    intent = derive_intent(inventory or load(example()))
    templates = TemplateSource(read_templates())
    return {f"{device.name}.conf": render_for(can, device, templates=templates)[0].text for device in intent.devices}


if __name__ == "__main__":
    for folder, found in ((FOLDER, rendered()), (FRR_FOLDER, rendered("frr", "8.4.4"))):
        folder.mkdir(exist_ok=True)
        for name, text in found.items():
            (folder / name).write_text(text)
    for daemon, version in (("bird", "2.0.12"), ("frr", "8.4.4")):
        folder = UNDERLAY_FOLDER / daemon
        folder.mkdir(exist_ok=True)
        for name, text in rendered_underlay(daemon, version).items():
            if name.startswith("r1."):
                (folder / name).write_text(text)
