"""The POP of this benchmark as it runs in the lab: its daemons' processes, control sockets and configuration."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.fulltable.kernel import SetDigest, Table, prefix_key
from benchmarks.fulltable.network import HOST, PROVIDERS, SWITCH, TABLES, session_of, write_inventory
from benchmarks.report import Progress
from netorch.agent.bird import Bird, BirdAbsent
from netorch.errors import TimedOut
from netorch.lab import LabSettings, exec_in, lab_down, lab_up
from netorch.lab.machine import set_service
from netorch.lab.processes import inhabitants, recorded
from netorch.lab.routes import bad_announcements
from netorch.model.inventory import Inventory
from netorch.model.types import Family

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = "/etc/bird/bird.conf"
MAIN, LOCAL = 254, 255
WAIT_S = 600.0


@dataclass(frozen=True)
class Expected:
    """What a kernel table is to hold: how many routes, and the digest of their prefixes."""

    routes: int
    prefixes: str


@dataclass(frozen=True)
class Daemon:
    """A routing daemon's process."""

    pid: int

    def cpu_s(self) -> float:
        """Processor time that it used so far. Source: Documentation/scheduler/sched-stats.rst."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9

    def busy_s(self) -> float:
        """Processor time that it used or waited for while others had the processor."""
        used, waited, _ = Path(f"/proc/{self.pid}/schedstat").read_text(encoding="ascii").split()
        return (int(used) + int(waited)) / 1e9

    def memory(self) -> tuple[int, int]:
        """Resident bytes now, and at most so far."""
        text = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        values = dict(line.split(":", 1) for line in text.splitlines())
        return int(values["VmRSS"].split()[0]) * 1024, int(values["VmHWM"].split()[0]) * 1024


@dataclass(frozen=True)
class Pop:
    """The running POP. ``folder`` is its inventory's."""

    folder: Path
    inventory: Inventory
    settings: LabSettings

    # ---- asking ----------------------------------------------------------------------------------------------------

    def bird(self, node: str) -> Bird:
        """A connection to the daemon of ``node``."""
        init = recorded(self.settings.node_folder(node) / "init")
        assert init is not None, f"{node} does not run"
        return Bird(path=f"/proc/{init.pid}/root/run/bird/bird.ctl", timeout_s=WAIT_S)

    def ask(self, node: str, command: str) -> str:
        """What the daemon of ``node`` answers, without reply codes."""
        with self.bird(node) as bird:
            return "\n".join(bird.ask(command).lines)

    def daemon(self, node: str) -> Daemon:
        """The daemon of ``node``."""
        for process in inhabitants([f"{self.settings.prefix}{node}"]):
            if Path(f"/proc/{process.pid}/comm").read_text(encoding="ascii").strip() == "bird":
                return Daemon(process.pid)
        raise AssertionError(f"{node} has no daemon")

    def netorch(self, *arguments: str) -> tuple[float, int]:
        """Run netorch as its user does; seconds, and the most bytes that it had resident."""
        command = [str(Path(sys.executable).with_name("netorch")), "--inventory", str(self.folder), *arguments]
        start = self.settings.clock.monotonic()
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            assert process.returncode == 0, f"netorch {arguments}: {output.read().decode()}"
        return self.settings.clock.monotonic() - start, usage.ru_maxrss * 1024

    def kernel(self, node: str, command: str, *arguments: str) -> Any:
        """Run ``kernel.py`` in the namespace of ``node``."""
        return in_namespace(f"{self.settings.prefix}{node}", command, *arguments)

    def counts(self, node: str) -> dict[int, int]:
        """How many IPv4 routes of BIRD's each kernel table of ``node`` holds."""
        return {int(table): routes for table, routes in self.kernel(node, "count").items()}

    def fib_size(self, node: str) -> int:
        """How many IPv4 routes of whatever origin the kernel of ``node`` holds, its own table of local addresses left out."""
        return sum(routes for table, routes in self.kernel(node, "everything").items() if int(table) != LOCAL)

    def tables(self, node: str) -> dict[int, Table]:
        """BIRD's part of each kernel table of ``node``."""
        return {int(number): Table(**table) for number, table in self.kernel(node, "digest").items()}

    def is_established(self, node: str) -> bool:
        """Whether the sessions between switch and host are up as ``node`` sees them."""
        with self.bird(node) as bird:
            sessions = [s for s in bird.short_protocols() if s.bgp_state and not s.name.startswith(PROVIDERS)]
        return bool(sessions) and all(session.state == "up" for session in sessions)

    def established_at(self, provider: str) -> str:
        """When the session of ``provider`` came up (local time, ``2026-01-31 23:59:59.999``), "" while it is not."""
        with self.bird(provider) as bird:
            (session,) = (s for s in bird.short_protocols() if s.name == session_of(provider))
        return session.since if session.bgp_state == "Established" else ""

    # ---- changing --------------------------------------------------------------------------------------------------

    def sessions(self, action: str, providers: tuple[str, ...] = PROVIDERS) -> None:
        """``enable``, ``disable`` or ``restart`` the sessions of ``providers`` at their own end."""
        for provider in providers:
            self.ask(provider, f"{action} {session_of(provider)}")

    def configuration(self, node: str) -> str:
        """The daemon's configuration on disk."""
        return exec_in(node, ["cat", CONFIGURATION], self.settings).stdout.decode()

    def restart(self, configurations: dict[str, str]) -> None:
        """Start switch and host afresh with these configurations; returns once the sessions between them are up."""
        for node in (SWITCH, HOST):
            set_service(node, "bird", self.settings, running=False)
            done = exec_in(node, ["tee", CONFIGURATION], self.settings, stdin=configurations[node].encode())
            assert done.returncode == 0, done.stderr
        for node in (SWITCH, HOST):
            set_service(node, "bird", self.settings, running=True)
        self.wait(lambda: all(map(self._is_ready, (SWITCH, HOST))), "switch and host find each other")

    def _is_ready(self, node: str) -> bool:
        try:
            return self.is_established(node)
        except BirdAbsent:
            return False

    def wait(self, condition: Callable[[], bool], what: str, *, interval_s: float = 0.1) -> float:
        """Return the seconds until ``condition`` held; TimedOut naming ``what``."""
        clock = self.settings.clock
        start = clock.monotonic()
        while not condition():
            if clock.monotonic() - start > WAIT_S:
                raise TimedOut(f"{what}: not within {WAIT_S:g} s", where="fulltable")
            clock.wait(interval_s)
        return clock.monotonic() - start

    # ---- expecting -------------------------------------------------------------------------------------------------

    def expected(self, *, with_policy: bool) -> dict[int, Expected]:
        """What the host's tables are to hold: what providers announce, less what policy refuses, or, without policy, only
        what carries our own ASN."""
        tables: dict[int, set[bytes]] = {TABLES[p]: self._announced(p, with_policy=with_policy) for p in PROVIDERS}
        tables[MAIN] = set.union(*tables.values())
        found = {}
        for number, keys in tables.items():
            digest = SetDigest()
            for key in keys:
                digest.add(key)
            found[number] = Expected(len(keys), str(digest))
        return found

    def _announced(self, provider: str, *, with_policy: bool) -> set[bytes]:
        """Read from the provider's own configuration, since a million prefixes take long to make."""
        file = self.settings.node_folder(provider) / "upper/etc/bird/announced4.conf"
        bad = {str(b.prefix): b.flaw for b in bad_announcements(self.inventory, provider, Family.IPV4)}
        refused = {prefix for prefix, flaw in bad.items() if with_policy or flaw == "own ASN in the path"}
        with file.open(encoding="ascii") as lines:
            prefixes = (line.split(" ", 2)[1] for line in lines if line.startswith("route "))
            return {_key(prefix) for prefix in prefixes if prefix not in refused}


@contextlib.contextmanager
def booted_pop(prefixes: int, progress: Progress) -> Iterator[Pop]:
    """The POP as ``netorch deploy`` leaves it, with full tables on its host; nothing of it remains afterwards."""
    with tempfile.TemporaryDirectory(prefix="netorch-fulltable-") as folder:
        inventory = write_inventory(Path(folder) / "inventory", prefixes)
        settings = LabSettings(state=Path(folder) / ".lab", timeout_s=WAIT_S)
        pop = Pop(Path(folder) / "inventory", inventory, settings)
        try:
            lab_up(inventory, settings, progress)
            for provider in PROVIDERS:
                progress(f"{provider} reads its table")
                pop.ask(provider, "show status")
            pop.netorch("deploy", "pop1", "--yes")
            yield pop
        finally:
            lab_down(settings)


def _key(prefix: str) -> bytes:
    address, _, length = prefix.partition("/")
    return prefix_key(bytes(map(int, address.split("."))), int(length))


def in_namespace(netns: str, command: str, *arguments: str) -> Any:
    """Run ``kernel.py`` in a network namespace."""
    argv = ["nsenter", f"--net=/run/netns/{netns}", sys.executable, "-m", "benchmarks.fulltable.kernel"]
    done = subprocess.run([*argv, command, *arguments], cwd=ROOT, capture_output=True, check=False, timeout=WAIT_S)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)
