"""Many devices on one machine: the hosts of a POP in netorch's own lab, with BIRD and an sshd each."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType

from benchmarks.pops import host_names, mark, write_change, write_inventory
from benchmarks.report import Progress
from netorch.app.assemble import Surroundings
from netorch.app.inventory import read_inventory
from netorch.io.ssh import SshConnector, SshEnvironment
from netorch.lab import LabSettings, lab_down, lab_up
from netorch.lab.processes import recorded

CONFIGURATION = "/etc/bird/bird.conf"
TARGET = "/etc/bird/pushed.conf"
PORT = 22


class Fleet:
    """``size`` hosts and their switch; a context manager, whose end takes the lab down."""

    def __init__(self, size: int, progress: Progress) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="netorch-push-"))
        self._progress = progress
        write_inventory(self.folder, [size])
        self.inventory = read_inventory(self.folder / "inventory")
        self.addresses = {name: self.inventory.device(name).ssh.address for name in host_names(1, size)}
        self._settings = LabSettings(state=self.folder / ".lab")
        self.key, self.known_hosts = self.folder / ".lab/id_ed25519", self.folder / ".lab/known_hosts"
        self._deployed = b""

    def __enter__(self) -> Fleet:
        self._progress(f"booting {len(self.addresses)} hosts")
        try:
            lab_up(self.inventory, self._settings)
        except BaseException:
            self._clear()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def _clear(self) -> None:
        lab_down(self._settings)
        shutil.rmtree(self.folder)

    def surroundings(self) -> Surroundings:
        """For a controller in this process."""
        return Surroundings(
            self.folder / "inventory", home=str(self.folder), user="root", environment={}, author="bench"
        )

    def connector(self) -> SshConnector:
        """netorch's own way to the hosts."""
        ssh = {device.name: device.ssh for device in self.inventory.devices}
        return SshConnector(ssh, SshEnvironment(str(self.folder), "root", config_files=()))

    # ---- what is pushed --------------------------------------------------------------------------------------------

    def content(self, serial: int) -> bytes:
        """The file that peers push: a host's whole configuration as netorch deployed it first, with the mark of ``serial``."""
        if not self._deployed:
            self._deployed = self.read(next(iter(self.addresses)), CONFIGURATION)
        return self._deployed + f"{mark(serial)}\n".encode()

    def change(self, serial: int) -> None:
        """Let the inventory say ``serial``."""
        write_change(self.folder, serial)

    def read(self, name: str, path: str) -> bytes:
        """A file of a device, b"" where it has none."""
        init = recorded(self._settings.node_folder(name) / "init")
        assert init is not None, f"{name} does not run"
        file = Path(f"/proc/{init.pid}/root{path}")
        return file.read_bytes() if file.exists() else b""

    def pushed(self, serial: int) -> int:
        """On how many hosts the file of ``serial`` arrived whole."""
        return sum(self.read(name, TARGET) == self.content(serial) for name in self.addresses)

    def deployed(self, serial: int) -> int:
        """On how many hosts netorch deployed ``serial``."""
        line = f"\n{mark(serial)}\n".encode()
        return sum(line in self.read(name, CONFIGURATION) for name in self.addresses)

    # ---- for programs of others ------------------------------------------------------------------------------------

    def describe(self) -> str:
        """The hosts as JSON, for programs of other environments."""
        return json.dumps({"addresses": self.addresses, "key": str(self.key), "known_hosts": str(self.known_hosts)})

    def ssh_options(self) -> list[str]:
        """Options that let OpenSSH's programs use the fleet's key and known_hosts, and nothing of the user's."""
        options = {
            "IdentityFile": self.key,
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": self.known_hosts,
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "KexAlgorithms": "curve25519-sha256",
            "LogLevel": "ERROR",
        }
        return ["-F", "none", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]


def environment(**more: str) -> dict[str, str]:
    """The environment for programs: ours without what points at the user's keys."""
    kept = {name: value for name, value in os.environ.items() if name not in ("SSH_AUTH_SOCK", "SSH_ASKPASS")}
    return {**kept, **more}
