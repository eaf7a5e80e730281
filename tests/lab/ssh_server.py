"""Real sshd processes on loopback for tests, with keys of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from netorch.io.ssh import SshConnector, SshEnvironment
from netorch.model.inventory import Ssh
from tests.waiting import wait_until

SSH_PORT = 22


def make_key(path: Path, *, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A new key pair at ``path`` and ``path``.pub."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", path.name, "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def public_key(path: Path) -> str:
    """``type base64`` of the key pair at ``path``."""
    return " ".join(path.with_name(f"{path.name}.pub").read_text().split()[:2])


class SshServer:
    """An sshd on ``address``:``port`` that lets root in with the keys given to ``authorize``.

    ``namespace`` names a network namespace to run it in.
    """

    def __init__(
        self,
        folder: Path,
        *,
        address: str = "127.0.0.1",
        host_keys: tuple[str, ...] = ("ed25519",),
        namespace: str | None = None,
    ) -> None:
        folder.mkdir(parents=True)
        self.folder, self.address = folder, address
        self._launcher = ("ip", "netns", "exec", namespace) if namespace else ()
        self.host_keys = [make_key(folder / f"host_{kind}", kind=kind) for kind in host_keys]
        self.authorized = folder / "authorized_keys"
        self.authorized.touch(mode=0o600)
        self.log = folder / "log"
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *extra: str) -> SshServer:
        """Start it, with ``extra`` lines first in its configuration, and wait until it listens."""
        self.port = self.port or (SSH_PORT if self._launcher else _free_port(self.address))
        lines = [
            *extra,
            f"ListenAddress {self.address}:{self.port}",
            *(f"HostKey {key}" for key in self.host_keys),
            f"AuthorizedKeysFile {self.authorized}",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "StrictModes no",
            "UsePAM no",
            "UseDNS no",
            "PidFile none",
            "LogLevel VERBOSE",
        ]
        config = self.folder / "sshd_config"
        config.write_text("\n".join(lines) + "\n")
        with self.log.open("ab") as log:
            command = [*self._launcher, "/usr/sbin/sshd", "-D", "-e", "-f", str(config)]
            self.process = subprocess.Popen(command, stderr=log)
        wait_until(self._listens, what=f"sshd on port {self.port}")
        return self

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        return "Server listening" in self.log.read_text()

    def authorize(self, key: Path) -> None:
        """Let the holder of ``key`` in."""
        with self.authorized.open("a") as file:
            file.write(public_key(key) + "\n")

    def known_hosts_lines(self) -> str:
        """One line per host key, as ssh-keyscan would print them."""
        name = self.address if self.port == SSH_PORT else f"[{self.address}]:{self.port}"
        return "".join(f"{name} {public_key(key)}\n" for key in self.host_keys)

    def workers(self) -> list[int]:
        """The processes of the sshd, itself first, then its connections."""
        assert self.process is not None
        found = [self.process.pid]
        for pid in found:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it may just have ended
                found.extend(int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return found

    def signal(self, number: int) -> None:
        """Send ``number`` to the sshd and all its connections' processes."""
        for pid in self.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        """End it and its connections."""
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGKILL)
            self.process.wait()


def _free_port(address: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as sock:
        sock.bind((address, 0))
        return int(sock.getsockname()[1])


class SshLab:
    """A home folder with a key, and the sshd processes of one test."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        (self.home / ".ssh").mkdir(parents=True)
        self.folder = folder
        self.key = make_key(self.home / ".ssh" / "id_ed25519")
        self.config = self.home / ".ssh" / "config"
        self.known_hosts = self.home / ".ssh" / "known_hosts"
        self.agent_socket: str | None = None
        self._servers: list[SshServer] = []
        self._stack = contextlib.ExitStack()

    def server(
        self,
        name: str,
        *extra: str,
        address: str = "127.0.0.1",
        host_keys: tuple[str, ...] = ("ed25519",),
        namespace: str | None = None,
    ) -> SshServer:
        """An sshd that knows the home's key and whose host keys are in its known_hosts."""
        server = SshServer(self.folder / name, address=address, host_keys=host_keys, namespace=namespace)
        self._servers.append(server)
        server.authorize(self.key)
        server.start(*extra)
        with self.known_hosts.open("a") as file:
            file.write(server.known_hosts_lines())
        return server

    def connector(self, **devices: Ssh | SshServer) -> SshConnector:
        """A connector for ``devices`` as the home's user: settings, or a server to reach at its address and port."""
        settings = {
            name: device if isinstance(device, Ssh) else Ssh(device.address, port=device.port)
            for name, device in devices.items()
        }
        environment = SshEnvironment(str(self.home), "root", self.agent_socket, (str(self.config),))
        return SshConnector(settings, environment)

    def start_agent(self, *keys: Path, passphrase: str = "") -> None:
        """Run an ssh-agent that holds ``keys``."""
        path = self.folder / "agent"
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
        self._stack.callback(agent.wait)
        self._stack.callback(agent.terminate)
        wait_until(path.exists, what="ssh-agent")
        askpass = self.folder / "askpass"
        askpass.write_text(f"#!/bin/sh\necho '{passphrase}'\n")
        askpass.chmod(0o700)
        environment = {
            "PATH": os.defpath,
            "SSH_AUTH_SOCK": str(path),
            "SSH_ASKPASS": str(askpass),
            "SSH_ASKPASS_REQUIRE": "force",
        }
        for key in keys:
            subprocess.run(["ssh-add", "-q", str(key)], env=environment, check=True)
        self.agent_socket = str(path)

    def close(self) -> None:
        """End everything that was started."""
        for server in self._servers:
            server.stop()
        self._stack.close()


@pytest.fixture
def ssh_lab(tmp_path: Path) -> Iterator[SshLab]:
    """A fresh SshLab."""
    lab = SshLab(tmp_path)
    try:
        yield lab
    finally:
        lab.close()
