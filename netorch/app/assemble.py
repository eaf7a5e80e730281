"""Puts a controller together from an inventory on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Iterator

from netorch.app.audit import Audit
from netorch.app.controller import Controller, Device
from netorch.app.inventory import read_inventory
from netorch.io.audit_log import AuditLog
from netorch.io.clock import SystemClock
from netorch.io.device import Device as AgentDevice
from netorch.io.secrets import InventorySecrets
from netorch.io.ssh import SshConnector
from netorch.io.ssh_endpoint import SshEnvironment
from netorch.io.template_files import read_templates
from netorch.loader import load_plugins
from netorch.model.inventory import Inventory
from netorch.ports import Progress, Secrets
from netorch.render import TemplateSource


@dataclass(frozen=True)
class Surroundings:
    """What a run takes from the shell that started it. ``folder`` holds the inventory; ``home`` and ``user`` are the
    local user's; ``author`` goes into histories;
    ``commands`` are names that no plugin may take. ``origin`` is where the author sits. Everything that is done is appended
    to the file ``audit``, else to the inventory's, else to ``audit_default``; to none where that is "" too.
    """

    folder: Path
    home: str
    user: str
    environment: Mapping[str, str]
    author: str
    commands: frozenset[str] = frozenset()
    origin: str = "local"
    audit: str = ""
    audit_default: str = ""
    warn: Callable[[str], None] = lambda text: None


@contextmanager
def open_controller(surroundings: Surroundings, progress: Progress) -> Iterator[Controller]:
    """A controller for the inventory; its connections end with the context."""
    inventory = read_inventory(surroundings.folder)
    environment = SshEnvironment(surroundings.home, surroundings.user, surroundings.environment.get("SSH_AUTH_SOCK"))
    with assemble_controller(
        inventory,
        environment,
        secrets=InventorySecrets(inventory.folder, surroundings.environment),
        progress=progress,
        author=surroundings.author,
        commands=surroundings.commands,
    ) as controller:
        yield replace(controller, audit=_audit(controller, surroundings))


def _audit(controller: Controller, surroundings: Surroundings) -> Audit | None:
    inventory = controller.inventory
    path = surroundings.audit or inventory.audit or surroundings.audit_default
    if not path:
        return None
    return Audit(
        write=AuditLog(Path(path), surroundings.warn).write,
        clock=controller.clock,
        redact=controller.redact,
        who=surroundings.author,
        origin=surroundings.origin,
        inventory=inventory.folder,
        commit=inventory.commit,
    )


@contextmanager
def assemble_controller(
    inventory: Inventory,
    environment: SshEnvironment,
    *,
    secrets: Secrets,
    progress: Progress,
    author: str,
    commands: frozenset[str] = frozenset(),
) -> Iterator[Controller]:
    """A controller for an inventory that is there already; its connections end with the context."""
    clock = SystemClock()
    connector = SshConnector({device.name: device.ssh for device in inventory.devices}, environment, clock=clock)
    opened: dict[str, AgentDevice] = {}
    lock = Lock()

    def devices(name: str) -> Device:
        with lock:
            if name not in opened:
                opened[name] = AgentDevice(name, connector, sudo=connector.endpoint(name).user != "root")
            return opened[name]

    try:
        yield Controller(
            inventory=inventory,
            plugins=load_plugins(inventory.plugins, reserved=commands),
            devices=devices,
            secrets=secrets,
            templates=TemplateSource(read_templates(inventory.templates)),
            clock=clock,
            progress=progress,
            author=author,
        )
    finally:
        for device in opened.values():
            device.close()
