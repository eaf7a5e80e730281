"""The example, quick to test with: small tables, no delay, no loss. And operators' own copies of its inventory."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from netorch.inventory import load_inventory
from netorch.io.inventory_files import read_inventory
from netorch.model.inventory import Inventory
from netorch.model.types import Family
from tests.lab.deployed_pop import (
    HOSTS,
    PROVIDERS,
    expected_main_table,
    expected_provider_table,
    kernel_routes,
    mark,
)
from tests.lab.labs import ROOT, Lab, booted, lab_settings, own_network
from tests.lab.operator_shell import Shell
from tests.unit.inventory_texts import edited, example
from tests.waiting import wait_until

SPEAKERS = """speakers:
  - {provider: northtel, prefixes_ipv4: 40, prefixes_ipv6: 40, delay_ms: 0}
  - {provider: southnet, prefixes_ipv4: 40, prefixes_ipv6: 40, delay_ms: 0}
  - {provider: meadow, prefixes_ipv4: 40, prefixes_ipv6: 40, delay_ms: 0}
"""


@dataclass
class Project(Shell):
    """An operator's project: an inventory and what belongs to it, in ``folder``."""

    @property
    def inventory(self) -> Inventory:
        """What the inventory says."""
        files = read_inventory(str(self.folder / "inventory"))
        return load_inventory(files.texts, folder=files.folder)

    def edit(self, file: str, find: str, put: str) -> None:
        """Replace the first occurrence of a text in a file of the inventory; it must be there."""
        path = self.folder / "inventory" / file
        path.write_text(edited({file: path.read_text()}, file, (find, put))[file])

    def override(self, template: str, text: str) -> None:
        """Put a template in the place of netorch's own, or beside it."""
        network = self.folder / "inventory/network.yml"
        if "templates:" not in network.read_text():
            self.edit("network.yml", "defaults:", "templates: ../templates\n\ndefaults:")
        path = self.folder / "templates" / template
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def patch(self, template: str, find: str, put: str, *more: tuple[str, str]) -> None:
        """Override one of netorch's own templates with a changed copy; ``more`` are further (find, put)."""
        text = (ROOT / "templates" / template).read_text()
        self.override(template, edited({template: text}, template, (find, put), *more)[template])

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """``netorch ARGUMENTS`` as a process that is gone after the block, whatever happens in it."""
        with self.start(*arguments) as process:
            try:
                yield process
            finally:
                process.kill()

    def copy(self, folder: Path) -> Project:
        """A second checkout, with keys and secrets of its own, in ``folder``, which must not exist."""
        shutil.copytree(self.folder, folder)
        return Project(folder)


@dataclass(frozen=True)
class QuickLab:
    """A lab that is up, and the project that it was booted from."""

    lab: Lab
    project: Project

    def deploy(self, *pops: str) -> None:
        """The first deploy, of which the test wants nothing but its end: all hosts of a POP at once."""
        self.project("deploy", *pops, "--yes", "--batch", "100%", timeout_s=300)


def quick_example() -> dict[str, str]:
    """The files of the shipped inventory, with little for the providers to announce."""
    return {**example(), "lab.yml": SPEAKERS}


def only_pop2() -> dict[str, str]:
    """The same with the second POP alone: one switch, two hosts, two providers."""
    files = quick_example()
    del files["pops/pop1.yml"]
    return files


@contextmanager
def quick_lab(folder: Path, files: Mapping[str, str], *, name: str) -> Iterator[QuickLab]:
    """A lab of the inventory ``files``, in a network namespace of its own, for the time of the block."""
    for path, text in files.items():
        file = folder / "inventory" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    project = Project(folder)
    with own_network(), booted(project.inventory, lab_settings(folder, name)) as lab:
        yield QuickLab(lab, project)


def wait_until_exact(lab: Lab) -> None:
    """Return once every host of POP1 holds exactly what the providers announce, in every table and family."""
    wait_until(lambda: not any(inexact(lab, host) for host in HOSTS), timeout_s=30, what="exact tables")


def inexact(lab: Lab, host: str) -> bool:
    """Whether a table of the host misses a route, or has one that it must not have."""
    for family in Family:
        main = kernel_routes(lab, host, family, "main", proto="bird")
        if not expected_main_table(lab.inventory, family).items() <= main.items():
            return True
        for provider in PROVIDERS:
            wanted = expected_provider_table(lab.inventory, provider, family)
            if kernel_routes(lab, host, family, mark(lab.inventory, provider)) != wanted:
                return True
    return False


def bird_file(lab: Lab, device: str) -> str:
    """The configuration on the device's disk."""
    return lab.run(device, "cat", "/etc/bird/bird.conf")


def live_stamp(lab: Lab, device: str) -> str:
    """Which configuration the device's daemon runs."""
    return lab.run(device, "birdc", "eval", "NETORCH_STAMP").splitlines()[-1]


def protocol_names(lab: Lab, device: str) -> list[str]:
    """The names of every protocol of the device's BIRD, in its order."""
    lines = lab.run(device, "birdc", "show", "protocols").splitlines()[2:]
    return [line.split()[0] for line in lines if line.strip()]
