"""Labs to test with, and how to wait for what happens in them."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from netorch.inventory import load_inventory
from netorch.io.inventory_files import read_inventory
from netorch.lab import LabSettings, exec_in, lab_down, lab_up
from netorch.model.inventory import Inventory

ROOT = Path(__file__).resolve().parents[2]
CLONE_NEWNET = 0x40000000  # linux/sched.h
LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Lab:
    """A lab that is up."""

    inventory: Inventory
    settings: LabSettings

    def run(self, node: str, *argv: str, stdin: str = "", timeout_s: float = 30.0) -> str:
        """Standard output of a command in ``node``, which must succeed."""
        done = exec_in(node, argv, self.settings, stdin=stdin.encode(), timeout_s=timeout_s)
        assert done.returncode == 0, f"{node}: {argv}: {(done.stderr + done.stdout).decode()}"
        return done.stdout.decode()

    def sh(self, node: str, script: str, *, stdin: str = "", timeout_s: float = 30.0) -> str:
        """Standard output of a shell script in ``node``, which must succeed."""
        return self.run(node, "sh", "-euc", script, stdin=stdin, timeout_s=timeout_s)

    def ping(self, node: str, destination: str, *options: str) -> bool:
        """Whether one ping from ``node`` is answered within a second."""
        argv = ("ping", "-n", "-c", "1", "-W", "1", *options, destination)
        return exec_in(node, argv, self.settings).returncode == 0


def example_inventory(folder: Path) -> Inventory:
    """The shipped inventory, copied to ``folder``/inventory, so that its ``.lab`` is ``folder``/.lab."""
    if not (folder / "inventory").exists():
        shutil.copytree(ROOT / "inventory", folder / "inventory")
    files = read_inventory(str(folder / "inventory"))
    return load_inventory(files.texts, folder=files.folder)


def lab_settings(folder: Path, name: str = "") -> LabSettings:
    """Settings of a lab whose files are in ``folder``; labs with different names do not share a path."""
    return LabSettings(
        state=folder / ".lab",
        run=Path(f"/run/netorch-lab{name}"),
        prefix=f"netorch{name}-",
        exabgp=str(Path(sys.executable).with_name("exabgp")),
    )


def small(inventory: Inventory, **changes: object) -> Inventory:
    """``inventory`` with BIRD speakers that announce little and delay nothing; ``changes`` for every speaker."""
    little = {"prefixes_ipv4": 20, "prefixes_ipv6": 20, "delay_ms": 0.0, "loss_percent": 0.0, **changes}
    return replace(inventory, lab=tuple(replace(speaker, **little) for speaker in inventory.lab))  # type: ignore[arg-type]


@contextmanager
def own_network() -> Iterator[None]:
    """A network namespace for this thread and what it starts: a machine without a lab, beside the session's."""
    outer = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    assert LIBC.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
    try:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield
    finally:
        assert LIBC.setns(outer, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        os.close(outer)


@contextmanager
def booted(inventory: Inventory, settings: LabSettings) -> Iterator[Lab]:
    """A lab for the time of the block."""
    try:
        lab_up(inventory, settings)
        yield Lab(inventory, settings)
    finally:
        lab_down(settings)
