"""Where a lab lives on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from netorch.io.clock import SystemClock
from netorch.lab.plan import OWN_ROOT
from netorch.ports import Clock, Secrets

Report = Callable[[str], None]
"""Told, in words for an operator, what the lab does now."""


ROOTFS_FOLDER = Path("/var/cache/netorch")


def rootfs_folder(environment: Mapping[str, str]) -> Path:
    """Where the root file systems of other Debian releases are: ROOTFS_FOLDER, or what NETORCH_ROOTFS says."""
    return Path(environment.get("NETORCH_ROOTFS") or ROOTFS_FOLDER)


@dataclass(frozen=True)
class LabSettings:
    """Paths and names of a lab. One machine (one network namespace) carries one lab.

    ``state`` holds what the user's own commands need: the key, known_hosts, secrets (the project's ``.lab``). ``run`` holds
    everything else. ``owner`` (user and group id) owns the files in ``state``; None leaves them to root. ``secrets``
    resolves the passwords that the lab does not make itself. ``exabgp`` is the program that plays ``speaker: exabgp``.
    ``rootfs`` holds the root file systems of other Debian releases.
    """

    state: Path
    run: Path = Path("/run/netorch-lab")
    owner: Optional[tuple[int, int]] = None
    secrets: Optional[Secrets] = None
    exabgp: str = "exabgp"
    prefix: str = "netorch-"
    rootfs: Path = ROOTFS_FOLDER
    timeout_s: float = 60.0
    clock: Clock = field(default_factory=SystemClock)

    @property
    def files(self) -> Path:
        """A tmpfs of the lab's own: overlays cannot lie on an overlay, and a restart of the machine empties it."""
        return self.run / "fs"

    @property
    def plan_file(self) -> Path:
        """What this lab consists of; written before anything is made, so that ``lab_down`` finds all of it."""
        return self.files / "plan.json"

    def root_of(self, rootfs: str) -> Path:
        """The folder that the root file system called ``rootfs`` lies in, ``/`` for this machine's own."""
        return Path("/") if rootfs == OWN_ROOT else self.rootfs / rootfs

    def node_folder(self, node: str) -> Path:
        """The folder of one node: ``upper`` (its files), ``init`` (its first process), ``boot.log``."""
        return self.files / "nodes" / node
