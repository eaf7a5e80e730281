"""Undoes a change at its deadline unless it was confirmed: a process of its own, which needs no agent and no controller."""

from __future__ import annotations

import errno
import os
import signal
import sys
from contextlib import suppress

from netorch.agent import journal, services, slots
from netorch.agent.clock import uptime, wait
from netorch.agent.daemons import daemon_of
from netorch.agent.holders import end_holders
from netorch.agent.outcome import Busy, Stop
from netorch.agent.undo import recover

NEEDED = (services, slots)  # loaded before anything is changed: at the deadline the agent's folder may have gone

NAME = "netorch watchdog"
_INTERVAL_S = 0.2
_LOCK_PATIENCE_S = 2.0
_LOCK_TIMEOUT_S = 60.0
_RETRY_S = 2.0
_SYSTEMD_TIMEOUT_S = 10.0


def start(change_id: str) -> None:
    """Start the watchdog of a change whose journal has been written; it runs when this returns.

    A machine that systemd runs gets it as a unit, since logging out may end every process of an SSH session there.
    """
    if not (os.path.isdir("/run/systemd/system") and _start_unit(change_id)):
        _start_process(change_id)


def _start_unit(change_id: str) -> bool:
    import subprocess

    unit = f"netorch-watchdog-{change_id}"
    agent = [sys.executable, "-I", "-S", os.path.abspath(sys.path[0]), "watchdog", change_id]
    properties = ("--property=Restart=on-failure", "--property=RestartSec=1", "--property=OOMScoreAdjust=-900")
    command = ["systemd-run", "--quiet", "--collect", f"--unit={unit}", *properties, *agent]
    try:
        run = subprocess.run(command, capture_output=True, timeout=_SYSTEMD_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return run.returncode == 0


def _start_process(change_id: str) -> None:
    first = os.fork()
    if first:
        _, status = os.waitpid(first, 0)
        if status != 0:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return
    status = 1
    try:
        os.setsid()
        if os.fork() == 0:
            _let_go()
            watch(change_id)
        status = 0
    finally:
        os._exit(status)


def _let_go() -> None:
    """Hold nothing of the agent's: not its answer's pipe, and above all not its lock."""
    os.chdir("/")
    os.closerange(0, 1024)
    for _ in range(3):
        os.open(os.devnull, os.O_RDWR)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("-900")
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def watch(change_id: str) -> None:
    """Wait until the change is confirmed or undone, or its deadline passes; then undo it, as often as it takes."""
    path = f"{journal.folder_of(change_id)}/journal.json"
    seen = None
    deadline = uptime()
    while True:
        try:
            state = os.stat(path)
        except FileNotFoundError:
            return
        if (state.st_ino, state.st_mtime_ns) != seen:
            seen = (state.st_ino, state.st_mtime_ns)
            pending = journal.read_pending()
            if pending is None or pending["id"] != change_id:
                return
            deadline = pending["deadline"]
            # Their modules are loaded now: at the deadline the agent's folder may have gone.
            daemon_of(pending["daemon"]["name"])
            slots.load_for(step["before"] for step in pending["steps"] if step["step"] == "slot")
        left_s = deadline - uptime()
        if left_s <= 0:
            break
        wait(min(_INTERVAL_S, left_s))
    with suppress(OSError, Stop):
        _undo_by_force()
    while os.path.exists(path):  # the daemon does not answer, or the disk is full: nobody else may ever ask again
        wait(_RETRY_S)
        with suppress(OSError, Stop), journal.Lock(NAME, "undoing", wait_s=_LOCK_TIMEOUT_S):
            recover()


def _undo_by_force() -> None:
    """An agent that still holds the lock past the deadline hangs: it is ended, so that its change does not stay."""
    try:
        with journal.Lock(NAME, "undoing", wait_s=_LOCK_PATIENCE_S):
            recover()
            return
    except Busy:
        end_holders()
    with journal.Lock(NAME, "undoing", wait_s=_LOCK_TIMEOUT_S):
        recover()
