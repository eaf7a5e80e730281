"""The lab's processes: found by what the lab recorded and by the namespaces they live in, never by their names."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from netorch.lab.commands import NETNS_FOLDER, wait_for
from netorch.ports import Clock

END_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Process:
    """A process id that cannot be mistaken for a later process of the same number. ``start`` is in clock ticks since boot.

    Source: proc_pid_stat(5), field 22.
    """

    pid: int
    start: str

    @property
    def alive(self) -> bool:
        """Whether it runs; a zombie does not."""
        found = process_of(self.pid)
        return found is not None and found.start == self.start

    def kill(self) -> None:
        """Send SIGKILL, if it is still there."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def process_of(pid: int) -> Optional[Process]:
    """The running process ``pid``; None if there is none, or only a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else Process(pid, fields[19])


def recorded(file: Path) -> Optional[Process]:
    """The process that ``file`` names ("PID START"), None unless it still runs."""
    try:
        pid, start = file.read_text(encoding="ascii").split()
    except (FileNotFoundError, ValueError):
        return None
    process = Process(int(pid), start)
    return process if process.alive else None


def namespace_exists(name: str) -> bool:
    """Whether there is a named network namespace, and not only the file that one is mounted on."""
    file = NETNS_FOLDER / name
    return file.exists() and file.stat().st_dev != NETNS_FOLDER.stat().st_dev


def inhabitants(namespaces: Iterable[str]) -> list[Process]:
    """Every process in one of these named network namespaces."""
    inodes = {(NETNS_FOLDER / name).stat().st_ino for name in namespaces if namespace_exists(name)}
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                inside = os.stat(f"/proc/{entry}/ns/net").st_ino in inodes
            except OSError:
                continue
            process = process_of(int(entry)) if inside else None
            if process is not None:
                found.append(process)
    return found


def end(processes: Iterable[Process], *, clock: Clock) -> None:
    """Kill and wait until all are gone; TimedOut after 10 s."""
    ending = list(processes)
    for process in ending:
        process.kill()
    wait_for(
        lambda: not any(process.alive for process in ending),
        "the lab's processes end",
        clock=clock,
        timeout_s=END_TIMEOUT_S,
    )
