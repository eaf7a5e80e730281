"""Puts a controller together from an inventory on disk."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Iterator

from netorch.app.controller import Controller, Device
from netorch.inventory import load_inventory
from netorch.io.clock import SystemClock
from netorch.io.device import AgentDevice
from netorch.io.inventory_files import git_commit, read_inventory_files
from netorch.io.secrets import FileSecrets
from netorch.io.ssh import SshConnector
from netorch.io.template_files import template_source
from netorch.loader import load_plugins
from netorch.model.inventory import Inventory
from netorch.ports import Progress


@dataclass(frozen=True)
class Surroundings:
    """What a run takes from the shell that started it. ``folder`` holds the inventory; ``author`` goes into histories."""

    folder: Path
    home: Path
    environment: Mapping[str, str]
    author: str


def read_inventory(folder: Path) -> Inventory:
    """The inventory in ``folder``; InventoryError with every finding when it is wrong."""
    files = read_inventory_files(folder)
    return load_inventory(files, folder=str(folder.resolve()), commit=git_commit(folder))


@contextmanager
def open_controller(surroundings: Surroundings, progress: Progress) -> Iterator[Controller]:
    """A controller for the inventory; its connections end with the context."""
    inventory = read_inventory(surroundings.folder)
    clock = SystemClock()
    connector = SshConnector(
        {device.name: device.ssh for device in inventory.devices},
        home=surroundings.home,
        environment=surroundings.environment,
        clock=clock,
    )
    opened: dict[str, AgentDevice] = {}
    lock = Lock()

    def devices(name: str) -> Device:
        with lock:
            if name not in opened:
                opened[name] = AgentDevice(name, connector)
            return opened[name]

    try:
        yield Controller(
            inventory=inventory,
            plugins=load_plugins(inventory.plugins),
            devices=devices,
            secrets=FileSecrets(Path(inventory.folder), surroundings.environment),
            templates=template_source(inventory.templates),
            clock=clock,
            progress=progress,
            author=surroundings.author,
        )
    finally:
        for device in opened.values():
            device.close()
