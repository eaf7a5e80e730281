"""The files of an inventory after each has been checked by itself."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from netorch.inventory.document import Path
from netorch.inventory.schema_lab import LabFile
from netorch.inventory.schema_network import NetworkFile, ProvidersFile
from netorch.inventory.schema_pops import DeviceKeys, HostKeys, PopFile, RouterKeys, SwitchKeys

NETWORK = "network.yml"
PROVIDERS = "providers.yml"
LAB = "lab.yml"
POPS = "pops"


@dataclass(frozen=True)
class Site:
    """One POP and the file that it comes from."""

    file: str
    keys: PopFile

    @property
    def name(self) -> str:
        """The POP's name."""
        return self.keys.name

    def full_name(self, device: str) -> str:
        """The full name of a device of this POP."""
        return f"{device}.{self.name}"

    def switch(self, name: str) -> SwitchKeys | None:
        """The switch with the short ``name``."""
        return next((switch for switch in self.keys.switches if switch.name == name), None)

    def router(self, name: str) -> RouterKeys | None:
        """The router with the short ``name``."""
        return next((router for router in self.keys.routers if router.name == name), None)

    def devices(self) -> Iterator[tuple[Path, DeviceKeys]]:
        """Every switch, then every host, then every router, with its path."""
        for at, switch in enumerate(self.keys.switches):
            yield ("switches", at), switch
        for at, host in enumerate(self.keys.hosts):
            yield ("hosts", at), host
        for at, router in enumerate(self.keys.routers):
            yield ("routers", at), router


@dataclass(frozen=True)
class Tree:
    """All files; ``sites`` in the order of their files' names."""

    network: NetworkFile
    providers: ProvidersFile
    sites: tuple[Site, ...]
    lab: LabFile


def router_id(device: DeviceKeys) -> str | None:
    """The router id as written, else its default; None for a host without any IPv4 service address, and for a router without
    any IPv4 address."""
    if isinstance(device, SwitchKeys):
        return device.router_id or str(device.fabric.ipv4.ip)
    if isinstance(device, HostKeys):
        return device.router_id or next((str(address) for address in device.service if address.version == 4), None)
    if isinstance(device, RouterKeys):
        return device.router_id or next((str(i.ipv4.ip) for i in device.interfaces if i.ipv4 is not None), None)
    return None


def kind_of_file(file: str) -> str | None:
    """Which of the schema's kinds ``file`` is by its place; None if it has no place in an inventory."""
    folder, name = posixpath.split(file)
    if folder == POPS and name.endswith(".yml") and name != ".yml":
        return "pop"
    return {NETWORK: "network", PROVIDERS: "providers", LAB: "lab"}.get(file)
