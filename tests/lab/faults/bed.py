"""A lab of small POPs whose switches are harmed side by side, and what the harm leaves on them."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from netorch.agent.clock import uptime
from netorch.inventory import load_inventory
from netorch.io.inventory_files import read_inventory
from netorch.lab.daemons import LAB_FOLDER
from netorch.lab.processes import recorded
from tests.lab.faults.router import BIRD, Router, router_of
from tests.lab.labs import Lab, booted, lab_settings, own_network
from tests.lab.looker import Looker
from tests.lab.quick_lab import Project
from tests.waiting import wait_until

ROLL_OUT_POP = 50
ANNOUNCING_POP = 1
"""It has a host that originates a prefix, and a second circuit."""

CONFIRM_TIMEOUT_S = 5.0
STATE = "/var/lib/netorch"
_STARTS_FRR = f"{LAB_FOLDER}/frr.sh"
"""Runs until its program has been given the configuration."""

_NETWORK = """\
name: faults
asn: 64500
own_prefixes: [192.0.2.0/24, "2001:db8:1::/48"]
ssh: {{user: root, identity: ../.lab/id_ed25519, known_hosts: ../.lab/known_hosts}}
defaults: {{daemon: {daemon}, version: "{version}"}}
plugins: [drain, arp_mirror, describe]
"""
_PROVIDERS = """\
providers:
  - {name: northtel, id: 1, asn: 64496, relation: transit}
  - {name: southnet, id: 2, asn: 64497, relation: transit}
"""
_SPEAKERS = """\
speakers:
  - {provider: northtel, prefixes_ipv4: 20, prefixes_ipv6: 20, delay_ms: 0}
  - {provider: southnet, prefixes_ipv4: 20, prefixes_ipv6: 20, delay_ms: 0}
"""
_POP = """\
name: pop{n}
switches:
  - name: sw1
    daemon: {daemon}
    version: "{version}"
    ssh: {{address: 198.18.{n}.1}}
    fabric: {{interface: br0, ipv4: 10.{n}.1.1/24, ipv6: "fd00:{n}:1::1/64"}}
    ports: [swp1, swp2, swp11, swp12, swp13, swp14]
{hosts}circuits:
  - id: {n}
    name: northtel-pop{n}
    provider: northtel
    switch: sw1
    port: swp1
    ipv4: {{local: 203.0.113.{local}/30, neighbor: 203.0.113.{neighbor}}}
    capacity: 10G
    description: told by nobody
"""
_SECOND_CIRCUIT = """\
  - id: 200
    name: southnet-pop{n}
    provider: southnet
    switch: sw1
    port: swp2
    ipv4: {{local: 203.0.113.242/30, neighbor: 203.0.113.241}}
    capacity: 1G
"""
_HOST = """\
  - name: h{h}
    daemon: {daemon}
    version: "{version}"
    ssh: {{address: 198.18.{n}.1{h}}}
    service: [192.0.2.{service}]
    uplinks: [{{interface: eth0, switch: sw1, port: swp1{h}, ipv4: 10.{n}.1.1{h}/24, ipv6: "fd00:{n}:1::1{h}/64"}}]
"""


def inventory_texts(pops: int, *, hosts: int, routers: Sequence[Router] = (BIRD,)) -> dict[str, str]:
    """An inventory of ``pops`` POPs with one switch each; where ``hosts`` is not 0, of one more with that many hosts.

    The switches run ``routers`` in turns, that of the last POP the last of them. One of the others, with the first of them, has
    a host as well, and a second circuit, so that its switch has something to announce, and to lose. Every second host runs BIRD
    whatever its switch runs.
    """
    network = _NETWORK.format(daemon=routers[0].name, version=routers[0].version)
    texts = {"network.yml": network, "providers.yml": _PROVIDERS, "lab.yml": _SPEAKERS}
    for n in [*range(1, pops + 1), *([ROLL_OUT_POP] if hosts else [])]:
        router = routers[-1] if n == ROLL_OUT_POP else routers[(n - 1) % len(routers)]
        numbers = range(1, {ROLL_OUT_POP: hosts, ANNOUNCING_POP: 1}.get(n, 0) + 1)
        first = 0 if n == ROLL_OUT_POP else 100
        text = "hosts:\n" if numbers else ""
        for h in numbers:
            runs = router if h % 2 else BIRD
            text += _HOST.format(n=n, h=h, service=first + h, daemon=runs.name, version=runs.version)
        if numbers:
            originators = ", ".join(f"h{h}" for h in numbers[:2])
            text += f"prefixes:\n  - prefix: 192.0.2.0/24\n    originators: [{originators}]\n"
        runs_on = {"daemon": router.name, "version": router.version}
        text = _POP.format(n=n, local=4 * n + 2, neighbor=4 * n + 1, hosts=text, **runs_on)
        texts[f"pops/pop{n}.yml"] = text + (_SECOND_CIRCUIT.format(n=n) if n == ANNOUNCING_POP else "")
    return texts


@dataclass(frozen=True)
class Look:
    """A device at one moment. ``live`` and ``disk`` are stamps, ``alias`` that of the provider's port."""

    live: Optional[str]
    disk: Optional[str]
    alias: str
    generation: int


@dataclass
class Target:
    """A device to harm. ``told`` is the description that its circuit has in the last inventory that was deployed."""

    lab: Lab
    name: str
    told: str = "told by nobody"

    @property
    def pop(self) -> str:
        return self.name.partition(".")[2]

    @property
    def router(self) -> Router:
        """What it runs."""
        device = self.lab.inventory.device(self.name)
        return router_of(device.daemon, device.version)

    @property
    def configuration(self) -> Path:
        """The routing daemon's main file."""
        return self.path(self.router.configuration)

    @property
    def address(self) -> str:
        """Where its sshd listens."""
        return f"198.18.{self.pop.removeprefix('pop')}.1"

    @property
    def port(self) -> str:
        """An interface that has an alias where netorch gives it one."""
        return "swp1" if self.name.startswith("sw") else "eth0"

    @property
    def root(self) -> Path:
        """Its file system as this process sees it."""
        init = recorded(self.lab.settings.node_folder(self.name) / "init")
        if init is None:
            raise FileNotFoundError(f"{self.name} does not run")
        return Path(f"/proc/{init.pid}/root")

    def path(self, path: str) -> Path:
        """A file of the device."""
        return self.root / path.lstrip("/")

    def sh(self, script: str) -> str:
        """Standard output of a script on it, which must succeed."""
        return self.lab.sh(self.name, script)

    def live(self) -> Optional[str]:
        """The stamp that the routing daemon itself tells; None while it does not answer."""
        return self.router.live(self.path)

    def look(self) -> Look:
        """The device now."""
        text, live = self.configuration.read_text(), self.live()
        stamp = self.router.stamp_of(text)
        if live == stamp and not self.router.is_whole(self.path, text):
            live = f"{live}, but other lines than its file"
        return Look(
            live,
            stamp,
            self.path(f"/sys/class/net/{self.port}/ifalias").read_text().strip(),
            max((int(path.name) for path in self.path(f"{STATE}/generations").iterdir()), default=0),
        )

    def is_up(self) -> bool:
        """Whether its daemon runs a configuration: each of FRR's programs is given it some time after it has been started, and
        some of them have no stamp."""
        live = self.live()
        return live is not None and "no stamp" not in live and not self.processes(_STARTS_FRR)

    def is_busy(self) -> bool:
        """Whether an agent is at work that changes something."""
        return any(self.processes(command) for command in ("apply", "confirm"))

    def pending(self) -> Optional[dict[str, Any]]:
        """The journal of the change that waits; None without one."""
        try:
            for folder in self.path(f"{STATE}/pending").iterdir():
                if not folder.name.startswith("."):
                    return dict(json.loads((folder / "journal.json").read_text()))
        except (OSError, ValueError):
            return None
        return None

    def is_confirmed(self, change_id: str) -> bool:
        """Whether the change became a generation."""
        for folder in self.path(f"{STATE}/generations").iterdir():
            if json.loads((folder / "journal.json").read_text())["id"] == change_id:
                return True
        return False

    def processes(self, *words: str) -> list[int]:
        """The processes of the device, by their ids here, whose command line has every one of ``words``."""
        space = os.readlink(f"/proc/{self.root.parent.name}/ns/pid")
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                line = Path(f"/proc/{name}/cmdline").read_bytes().decode(errors="replace").split("\0")
                if os.readlink(f"/proc/{name}/ns/pid") == space and all(word in line for word in words):
                    found.append(int(name))
            except OSError:
                continue
        return found

    def service_pid(self, service: str) -> int:
        """The process of a daemon that the supervisor runs, by its id here."""
        inside = json.loads(self.path("/run/netorch-lab/services.json").read_text())[service]["pid"]
        space = os.readlink(f"/proc/{self.root.parent.name}/ns/pid")
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                status = Path(f"/proc/{name}/status").read_text()
                ids = status.partition("\nNSpid:\t")[2].split("\n")[0].split("\t")
                if os.readlink(f"/proc/{name}/ns/pid") == space and ids[-1] == str(inside):
                    return int(name)
            except OSError:
                continue
        raise ProcessLookupError(f"{service} of {self.name}, {inside} inside, is not there")


@dataclass(frozen=True)
class Sample:
    """What a watcher saw at ``at`` (seconds since boot)."""

    at: float
    live: Optional[str]
    change: Optional[str]
    phase: Optional[str]


class Watcher(Looker):
    """Looks at a device all the time."""

    def __init__(self, target: Target) -> None:
        super().__init__(interval_s=0.05)
        self.samples: list[Sample] = []
        self.changes: dict[str, dict[str, Any]] = {}
        self._target = target

    def look(self) -> None:
        """One sample."""
        pending = self._target.pending() or {}
        if pending:
            self.changes[pending["id"]] = pending
        self.samples.append(Sample(uptime(), self._target.live(), pending.get("id"), pending.get("phase")))

    def deadline(self) -> float:
        """The last deadline of any change that was seen; the time of the first look where there was none."""
        return max((change["deadline"] for change in self.changes.values()), default=self.samples[0].at)

    def candidates(self) -> set[str]:
        """The stamps that were tried."""
        return {change["daemon"]["candidate"] for change in self.changes.values()} - {None}

    def last_live(self, stamps: set[str]) -> Optional[float]:
        """When one of ``stamps`` was last seen live."""
        return max((s.at for s in self.samples if s.live and not stamps.isdisjoint(s.live.split("+"))), default=None)


class Bed:
    """The lab: ``targets`` are switches, each a POP of its own; ``group`` a whole POP, for roll-outs."""

    def __init__(self, lab: Lab, project: Project, folder: Path) -> None:
        self.lab = lab
        self.project = project
        everyone = [Target(lab, device.name) for device in lab.inventory.devices]
        self.group = tuple(target for target in everyone if target.pop == f"pop{ROLL_OUT_POP}")
        self.targets = tuple(t for t in everyone if t not in self.group and t.name.startswith("sw"))
        self._folder = folder
        self._free = list(self.targets)
        self._change = threading.Condition()
        self._lock = threading.Lock()
        self._checkouts = 0

    @contextmanager
    def target(self, daemons: Sequence[str], *, announces: bool = False) -> Iterator[Target]:
        """A switch with one of ``daemons`` for oneself; where ``announces``, the one that has something to announce, which others
        get last."""
        with self._change:
            self._change.wait_for(lambda: self._fitting(daemons, announces=announces))
            target = self._fitting(daemons, announces=announces)[-1]
            self._free.remove(target)
        try:
            yield target
        finally:
            with self._change:
                self._free.insert(0 if target.pop == f"pop{ANNOUNCING_POP}" else len(self._free), target)
                self._change.notify_all()

    def _fitting(self, daemons: Sequence[str], *, announces: bool) -> list[Target]:
        free = [target for target in self._free if target.router.name in daemons]
        return [target for target in free if not announces or target.pop == f"pop{ANNOUNCING_POP}"]

    def checkout(self, told: Mapping[str, str]) -> Project:
        """An operator's copy of the inventory in which the circuit of each POP has the description ``told`` of it."""
        with self._lock:
            self._checkouts += 1
            number = self._checkouts
        project = self.project.copy(self._folder / f"checkout-{number}")
        for pop, description in told.items():
            project.edit(f"pops/{pop}.yml", "description: told by nobody", f"description: {description}")
        return project

    def changed(self, text: str) -> Project:
        """The same in which every device of the group differs from all before: the file of each says ``text``."""
        project = self.checkout({f"pop{ROLL_OUT_POP}": text})
        for router in {target.router for target in self.group}:
            for role in ("switch", "host"):
                project.override(f"{router.name}/local-{role}.conf.j2", router.remark.replace("@TEXT@", text))
        return project

    def forget(self, project: Project) -> None:
        """Remove a copy that has served."""
        shutil.rmtree(project.folder)


@contextmanager
def bed(folder: Path, *, pops: int, hosts: int = 0, routers: Sequence[Router] = (BIRD,)) -> Iterator[Bed]:
    """A lab with ``pops`` switches, deployed; ``hosts`` as ``inventory_texts`` has it."""
    for path, text in inventory_texts(pops, hosts=hosts, routers=routers).items():
        file = folder / "project/inventory" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    project = Project(folder / "project")
    files = read_inventory(str(project.folder / "inventory"))
    inventory = load_inventory(files.texts, folder=files.folder)
    with own_network(), booted(inventory, lab_settings(project.folder, "faults")) as lab:
        made = Bed(lab, project, folder)
        project("deploy", *sorted({target.pop for target in (*made.targets, *made.group)}), "--yes", timeout_s=300)
        yield made


@dataclass
class Attempt:
    """One deploy of one seed to one switch, with a fault on the way: the row's alternative ``choice``, "" where it has none.

    ``events`` says what was done, for the report; until ``excused_until`` the fault itself kept the device from doing anything,
    and until ``quiet_until`` it may still have an effect.
    """

    bed: Bed
    target: Target
    seed: str
    random: random.Random
    watcher: Watcher
    before: Look
    told: str
    project: Project
    choice: str = ""
    events: list[str] = field(default_factory=list)
    excused_until: float = 0.0
    quiet_until: float = 0.0

    def arguments(self, *more: str, timeout_s: float = CONFIRM_TIMEOUT_S) -> tuple[str, ...]:
        """The deploy's command line."""
        return ("deploy", self.target.name, "--yes", "--confirm-timeout", str(int(timeout_s)), *more)

    def until(self, condition: Any, timeout_s: float, what: str) -> None:
        """Wait for something that must happen."""
        wait_until(condition, timeout_s=timeout_s, what=f"{self.target.name}: {what}")


def free_port(address: str) -> socket.socket:
    """A listening socket on a free port."""
    listener = socket.socket()
    listener.bind((address, 0))
    listener.listen(64)
    return listener
