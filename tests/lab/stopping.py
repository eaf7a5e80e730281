"""Processes that are stopped, and proven to be: SIGSTOP is on its way when ``kill`` returns, and its process may still run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.waiting import wait_until


def is_stopped(pid: int) -> bool:
    """Whether every thread of the process is in state T; False for one that is gone. Source: proc(5)."""
    try:
        states = [_state(thread) for thread in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return False
    return bool(states) and all(state == "T" for state in states)


def _state(thread: Path) -> str:
    return (thread / "stat").read_text().rpartition(")")[2].split()[0]


def stop(*pids: int) -> None:
    """SIGSTOP; from here on none of them does anything."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for pid in pids:
        wait_until(lambda pid=pid: is_stopped(pid), what=f"process {pid} has stopped")  # type: ignore[misc]


def go_on(*pids: int) -> None:
    """SIGCONT for those that are still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """They do nothing while the block runs."""
    try:
        stop(*pids)
        yield
    finally:
        go_on(*pids)
