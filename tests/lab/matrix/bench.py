"""A cell of the matrix that is up: what runs there, and the project that it was booted from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.lab.matrix.pop import Release, devices
from tests.lab.quick_lab import QuickLab


@dataclass(frozen=True)
class Cell:
    """What runs on switches, and what on hosts."""

    switch: Release
    host: Release

    def __str__(self) -> str:
        return f"{self.switch} / {self.host}"


@dataclass(frozen=True)
class Bench:
    """A lab of one cell."""

    quick: QuickLab
    cell: Cell
    folder: Path
    notes: dict[str, str]


def stamps(bench: Bench, pop: str) -> dict[str, tuple[str, str]]:
    """Which configuration each device runs and has on disk."""
    return {name: (device["live_stamp"], device["disk_stamp"]) for name, device in devices(bench.quick, pop).items()}
