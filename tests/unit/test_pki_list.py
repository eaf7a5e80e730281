"""``netorch pki list``: what the authority has on record of every device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from netorch.app.inventory import read_inventory
from netorch.app.pki import certificate_rows
from netorch.io.authority import Authority
from netorch.model.certificate import CertificateFacts
from netorch.testing import FakeClock

EXAMPLE = Path(__file__).resolve().parents[2] / "inventory"


def test_device_that_left_the_inventory_is_told(tmp_path: Path) -> None:
    """Its certificate holds on until somebody revokes it: it must not pass for one that is looked after."""
    inventory = read_inventory(EXAMPLE)
    assert inventory.pki is not None
    inventory = replace(inventory, pki=replace(inventory.pki, folder=str(tmp_path / "pki")))
    authority = Authority(tmp_path / "pki", FakeClock())
    authority.create("example")
    for name in ("h1.pop1", "h9.pop1"):
        made, _ = authority.issue_with_key(name, life_s=30 * 86400.0)
        seen = CertificateFacts(made.serial, made.fingerprint, made.issuer, 0.0, made.not_after, "device", (), 1)
        authority.note_installed(name, seen)
    names = [device.name for device in inventory.devices]
    states = {row["device"]: row["state"] for row in certificate_rows(inventory, FakeClock(), names)}
    assert (states["h1.pop1"], states["h9.pop1"]) == ("good", "not in the inventory")
