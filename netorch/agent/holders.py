"""Ends an agent that hangs with the lock in its hand, so that its device is not shut to everybody for good."""

from __future__ import annotations

import errno
import os
import signal
from contextlib import suppress

from netorch.agent.paths import LOCK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

_AGENT_AT_WORK = ("applying ", "confirming ", "reverting ")
_MARGIN_S = 10.0
_LONGEST_ENDING_S = 60.0
_LONGEST_PREPARATION_S = 600.0


def is_overdue(holder: Dict[str, Any], deadline: Optional[float], *, uptime: float) -> bool:
    """Whether who holds the lock must have been done long ago. ``deadline`` is that of the change that is pending, None where
    none is; all times are in seconds since the machine started.

    A watchdog is left alone: it goes on trying as long as it takes.
    """
    if not str(holder.get("what", "")).startswith(_AGENT_AT_WORK) or "at" not in holder:
        return False
    since = float(holder["at"])
    if deadline is None:
        return uptime > since + _LONGEST_PREPARATION_S
    return uptime > max(deadline, since + _LONGEST_ENDING_S) + _MARGIN_S


def end_holders(only: Optional[int] = None) -> None:
    """Kill who has the lock now: whoever it is, or ``only`` that process.

    What the lock's file says is not enough, since its writer may have ended and its number gone to another process: so the
    kernel is asked, of a process that cannot be replaced by another between the question and the signal.
    """
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        if pid == os.getpid() or only not in (None, pid) or not _holds_lock(pid):
            continue
        try:
            process = os.pidfd_open(pid)
        except OSError as exc:
            if exc.errno == errno.ENOSYS:  # Linux before 5.3
                os.kill(pid, signal.SIGKILL)
            continue
        try:
            if _holds_lock(pid):
                signal.pidfd_send_signal(process, signal.SIGKILL)
        finally:
            os.close(process)


def _holds_lock(pid: int) -> bool:
    """Whether the process has the lock: an open file that is merely waiting for it shows none. Source: proc_pid_fdinfo(5)."""
    with suppress(OSError):
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            if os.readlink(f"/proc/{pid}/fd/{descriptor}") == LOCK:
                with open(f"/proc/{pid}/fdinfo/{descriptor}", encoding="ascii") as file:
                    if "FLOCK" in file.read():
                        return True
    return False
