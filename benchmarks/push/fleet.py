"""Many devices on one machine: an sshd each, with an /etc/bird, /root, /run and /var/lib of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from netorch.errors import TransportError
from netorch.io.ssh import SshConnector, SshEnvironment
from netorch.model.inventory import Ssh

ADDRESS = "127.0.0.1"
FIRST_PORT = 20_001
TARGET = "/etc/bird/bird.conf"

# An own mount namespace makes the paths those of a real device, and keeps the shell's start files of this machine out.
START = """
mkdir -p /etc/bird
for folder in /etc/bird /root /run /var/lib; do mount -t tmpfs -o mode=755 tmpfs "$folder"; done
mkdir -p /run/sshd
exec /usr/sbin/sshd -D -e -f "$1"
"""
CONFIG = """
ListenAddress {address}:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/id_ed25519.pub
Subsystem sftp internal-sftp
StrictModes no
UsePAM no
UseDNS no
PidFile none
LogLevel ERROR
"""


class Fleet:
    """``size`` devices, from ``dev001`` on; a context manager."""

    def __init__(self, size: int) -> None:
        self.ports = {f"dev{number + 1:03d}": FIRST_PORT + number for number in range(size)}
        self.folder = Path(tempfile.mkdtemp(prefix="netorch-push-"))
        self.key, self.known_hosts = self.folder / "id_ed25519", self.folder / "known_hosts"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Fleet:
        for key in ("id_ed25519", "host_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / key)], check=True)
        host_key = " ".join((self.folder / "host_key.pub").read_text().split()[:2])
        self.known_hosts.write_text("".join(f"[{ADDRESS}]:{port} {host_key}\n" for port in self.ports.values()))
        for name, port in self.ports.items():
            config = self.folder / f"{name}.conf"
            config.write_text(CONFIG.format(address=ADDRESS, port=port, folder=self.folder))
            command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", START, "sh", str(config)]
            self._processes[name] = subprocess.Popen(command, stderr=(self.folder / f"{name}.log").open("wb"))
        self._wait_for_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()
        shutil.rmtree(self.folder)

    def connector(self) -> SshConnector:
        """netorch's own way to the devices."""
        ssh = {
            name: Ssh(ADDRESS, port, "root", str(self.known_hosts), str(self.key)) for name, port in self.ports.items()
        }
        return SshConnector(ssh, SshEnvironment(str(self.folder), "root", config_files=()))

    def _wait_for_all(self) -> None:
        """Wait until every sshd answers."""
        connector, end = self.connector(), time.monotonic() + 60
        for name in self.ports:
            while True:
                try:
                    connector.connect(name).close()
                    break
                except TransportError:
                    if time.monotonic() > end:
                        raise
                    time.sleep(0.05)

    def contents(self) -> list[bytes]:
        """What every device has at TARGET, b"" where it has nothing."""
        paths = [Path(f"/proc/{process.pid}/root{TARGET}") for process in self._processes.values()]
        return [path.read_bytes() if path.exists() else b"" for path in paths]

    def describe(self) -> str:
        """The devices as JSON, for programs of other environments."""
        return json.dumps(
            {"address": ADDRESS, "ports": self.ports, "key": str(self.key), "known_hosts": str(self.known_hosts)}
        )

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
    """The environment for peers: ours without what points at the user's keys."""
    kept = {name: value for name, value in os.environ.items() if name not in ("SSH_AUTH_SOCK", "SSH_ASKPASS")}
    return {**kept, **more}
