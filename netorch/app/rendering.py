"""Configuration files from the inventory alone: no device is asked, so no drain is known."""

from __future__ import annotations

from typing import Iterator, Sequence

from netorch.app.hooks import call_hook
from netorch.app.targets import select_devices
from netorch.intent import derive_intent
from netorch.io.template_files import read_templates
from netorch.loader import load_plugins
from netorch.model.inventory import Inventory
from netorch.model.items import FileItem
from netorch.model.overlay import Overlay
from netorch.render import TemplateSource, render_device


def render_inventory(inventory: Inventory, targets: Sequence[str]) -> Iterator[tuple[str, FileItem]]:
    """Device and file, for every file of ``targets``. Secrets and stamps are placeholders."""
    intent = derive_intent(inventory)
    for plugin in load_plugins(inventory.plugins):
        intent = call_hook(plugin, plugin.amend, intent, Overlay())
    templates = TemplateSource(read_templates(inventory.templates))
    for name in select_devices(inventory, targets):
        for file in render_device(intent.device(name), templates):
            yield name, file
