"""Keeps secrets out of whatever is shown or put on record."""

from __future__ import annotations

from collections.abc import Callable

from netorch.errors import NetorchError
from netorch.model.inventory import Inventory
from netorch.ports import Secrets
from netorch.render import redact


def secret_redactor(inventory: Inventory, secrets: Secrets) -> Callable[[str], str]:
    """Masks every secret that the inventory refers to."""
    found: list[str] = []
    for circuit in inventory.circuits:
        for reference in circuit.secrets:
            try:
                found.append(secrets.resolve(str(reference)))
            except NetorchError:
                continue  # a device that needs it fails with this very error
    return lambda text: redact(text, found)
