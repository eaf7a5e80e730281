"""The inventory, read from disk and checked."""

from __future__ import annotations

from pathlib import Path

from netorch.inventory import load_inventory
from netorch.io.inventory_files import read_inventory as read_files
from netorch.model.inventory import Inventory


def read_inventory(folder: Path) -> Inventory:
    """The inventory in ``folder``; InventoryError with every finding when it is wrong."""
    files = read_files(str(folder))
    return load_inventory(files.texts, folder=files.folder, commit=files.commit, shown=files.shown)
