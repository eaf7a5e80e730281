"""The inventory, read from disk and checked."""

from __future__ import annotations

from pathlib import Path

from netorch.app.registries import with_registered
from netorch.errors import InventoryProblem
from netorch.inventory import lint_inventory, load_inventory, refuse_settings
from netorch.io.inventory_files import read_inventory as read_files
from netorch.loader import find_mistakes, load_plugins
from netorch.model.inventory import Inventory


def read_inventory(folder: Path) -> Inventory:
    """The inventory in ``folder``; InventoryError with every finding when it is wrong."""
    files = read_files(str(folder))
    return with_registered(load_inventory(files.texts, folder=files.folder, commit=files.commit, shown=files.shown))


def check_inventory(folder: Path, *, commands: frozenset[str]) -> Inventory:
    """The inventory in ``folder``, its plugins with it. ``commands`` are names that no plugin may take.

    Raises InventoryError with every finding, in settings of plugins too; PluginError where a plugin itself is wrong.
    """
    files = read_files(str(folder))
    inventory = load_inventory(files.texts, folder=files.folder, commit=files.commit, shown=files.shown)
    wrong = {position: find_mistakes(plugin) for position, plugin in enumerate(inventory.plugins)}
    refuse_settings(files.texts, wrong, shown=files.shown)
    load_plugins(inventory.plugins, reserved=commands)
    return inventory


def lint_folder(folder: Path) -> tuple[InventoryProblem, ...]:
    """What ``netorch lint`` finds in the inventory in ``folder``; InventoryError with every finding when it is wrong."""
    files = read_files(str(folder))
    return lint_inventory(files.texts, folder=files.folder, shown=files.shown)
