"""Peers in a virtual environment of their own, so that netorch's stays as it is locked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.report import Progress

CACHE = Path(__file__).parent.parent / ".bench"


def install(name: str, packages: tuple[str, ...], progress: Progress) -> None:
    """Put ``packages`` into the environment ``name``; what is there already stays. Needs a package index."""
    folder = CACHE / name
    stamp = folder / ".stamp"
    wanted = "\n".join((sys.version, *packages))
    if stamp.exists() and stamp.read_text() == wanted:
        return
    progress(f"installing {', '.join(packages)} into {folder}")
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    subprocess.run([str(folder / "bin/pip"), "install", "--quiet", *packages], check=True)
    stamp.write_text(wanted)


def program(name: str, command: str) -> Path | None:
    """The program ``command`` of the environment ``name``, None when it is not installed."""
    path = CACHE / name / "bin" / command
    return path if path.exists() else None


def versions(name: str, packages: tuple[str, ...]) -> dict[str, str]:
    """The installed versions of ``packages`` in the environment ``name``."""
    python = program(name, "python")
    if python is None:
        return {}
    code = "import sys, importlib.metadata as m\nfor name in sys.argv[1:]: print(name, m.version(name))"
    printed = subprocess.run([python, "-c", code, *packages], check=True, capture_output=True, text=True).stdout
    return dict(line.split() for line in printed.splitlines())
