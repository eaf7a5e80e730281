"""A node's life: started from its files, entered, stopped, asked what runs in it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from netorch.errors import NetorchError
from netorch.lab.commands import NETNS_FOLDER, Tools, wait_for
from netorch.lab.files import boot_program
from netorch.lab.plan import Node, Service
from netorch.lab.processes import Process, end, recorded
from netorch.lab.settings import LabSettings

SUPERVISOR_FOLDER = "run/netorch-lab"
ENVIRONMENT = (
    "PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin",
    "HOME=/root",
    "LANG=C.UTF-8",
)


@dataclass(frozen=True)
class ServiceStatus:
    """One daemon of a node. ``pid`` is as the node sees it, None while it is down; ``starts`` counts since boot."""

    name: str
    pid: Optional[int]
    starts: int


@dataclass(frozen=True)
class Machine:
    """One node on this machine."""

    node: Node
    settings: LabSettings

    @property
    def folder(self) -> Path:
        """Where its files and its first process's id are."""
        return self.settings.node_folder(self.node.name)

    @property
    def init(self) -> Optional[Process]:
        """Its first process, None unless the node runs."""
        return recorded(self.folder / "init")

    def boot(self, tools: Tools) -> None:
        """Start it; returns once its supervisor runs."""
        spec = self.folder / "boot.json"
        spec.write_text(
            json.dumps(
                {
                    "hostname": self.node.name,
                    "netns": str(NETNS_FOLDER / self.node.netns),
                    "folder": str(self.folder),
                    "lower": str(self.settings.root_of(self.node.rootfs)),
                    "mount": str(self.settings.files),
                    "binds": [path for path in self.node.binds if os.path.isdir(path)],
                }
            ),
            encoding="ascii",
        )
        tools.run([sys.executable, "-I", "-S", str(boot_program()), str(spec)])

    def stop(self) -> None:
        """Kill it with everything in it, as a power failure does."""
        init = self.init
        if init is not None:
            end([init], clock=self.settings.clock)

    def enter(self) -> tuple[str, ...]:
        """The words before a command that run it inside; NetorchError unless the node runs."""
        init = self.init
        if init is None:
            raise NetorchError("is not running", where=self.node.name, hint="netorch lab up")
        return (
            "nsenter",
            f"--target={init.pid}",
            "--mount",
            "--uts",
            "--ipc",
            "--net",
            "--pid",
            "--root",
            "--wd=/",
            "env",
            "-i",
            "--chdir=/root",  # the caller's folder may not be there
            *ENVIRONMENT,
        )

    def services(self) -> tuple[ServiceStatus, ...]:
        """What its supervisor says, () unless the node runs."""
        file = self._inside("services.json")
        try:
            data = json.loads(file.read_text(encoding="ascii")) if file else {}
        except FileNotFoundError:
            data = {}
        return tuple(ServiceStatus(name, value["pid"], value["starts"]) for name, value in sorted(data.items()))

    def set_service(self, name: str, *, running: bool) -> None:
        """Let the supervisor start or stop one service; returns once it has."""
        flag, init = self._inside(f"{name}.stopped"), self.init
        if flag is None or init is None:
            raise NetorchError("is not running", where=self.node.name, hint="netorch lab up")
        if running:
            flag.unlink(missing_ok=True)
        else:
            flag.touch()
        os.kill(init.pid, signal.SIGHUP)
        self._wait(
            lambda: any(s.name == name and (s.pid is not None) == running for s in self.services()),
            f"{name} {'starts' if running else 'stops'}",
        )

    def wait_until_up(self) -> None:
        """Return once every service has been started and those that can be asked answer."""
        self._wait(self._is_up, "its daemons start")

    def log_files(self) -> tuple[Path, ...]:
        """Its logs: of its first process, of the system, of each service."""
        logs = sorted((self.folder / "upper/var/log").glob("*"))
        return tuple(path for path in (self.folder / "boot.log", *logs) if path.is_file())

    def _is_up(self) -> bool:
        services = {service.name: service for service in self.services()}
        if any(each.name not in services for each in self.node.services if not each.enabled_by):
            return False
        init = self.init
        if init is None:
            raise NetorchError("ended while it started", where=self.node.name, hint=f"see {self.folder / 'boot.log'}")
        expected = [each for each in self.node.services if each.name in services]
        return all(services[each.name].starts > 0 and _is_ready(each, init.pid) for each in expected)

    def _inside(self, name: str) -> Optional[Path]:
        init = self.init
        return Path(f"/proc/{init.pid}/root/{SUPERVISOR_FOLDER}/{name}") if init else None

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        wait_for(condition, f"{self.node.name}: {what}", clock=self.settings.clock, timeout_s=self.settings.timeout_s)


def _is_ready(service: Service, init: int) -> bool:
    file = Path(f"/proc/{init}/root{service.ready_file}")
    return (not service.ready_file or file.exists()) and (not service.ready_port or _listens(init, service.ready_port))


def _listens(pid: int, port: int) -> bool:
    """Whether something listens on a TCP port in the namespace of ``pid``. Source: proc(5), /proc/net/tcp."""
    for name in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{name}").read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state = line.split()[:4]
            if state == "0A" and int(local.rpartition(":")[2], 16) == port:
                return True
    return False
