"""What the device's machine itself can do: a clock that steps, no more processes."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import time
from pathlib import Path
from typing import Optional

from netorch.agent.clock import uptime
from tests.lab.faults.asked import held_agent
from tests.lab.faults.bed import Attempt
from tests.lab.faults.controller import at_moment, kill
from tests.lab.faults.play import CannotInject, finish
from tests.lab.operator_shell import Said

HOUR_S = 3600
_LIBRARY = "/usr/local/lib/netorch-clock.so"
_OFFSET = "/var/lib/netorch-clock"
_PRELOAD = "/etc/ld.so.preload"
# The time of day alone, for every program of the device that starts from now on; clocks that do not step stay.
_SHIM = f"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long offset(void) {{
    static const long *shared;
    if (!shared) {{
        int fd = open("{_OFFSET}", O_RDONLY | O_CLOEXEC);
        if (fd < 0) return 0;
        void *found = mmap(0, sizeof(long), PROT_READ, MAP_SHARED, fd, 0);
        close(fd);
        if (found == MAP_FAILED) return 0;
        shared = found;
    }}
    return *shared;
}}
int clock_gettime(clockid_t clock, struct timespec *now) {{
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += offset();
    return failed;
}}
int gettimeofday(struct timeval *now, void *zone) {{
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}}
time_t time(time_t *result) {{
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (result) *result = exact.tv_sec;
    return exact.tv_sec;
}}
"""


STEPS = ("-1 h, armed", "+1 h, armed", "-1 h, applied", "+1 h, applied")


def clock_steps(attempt: Attempt) -> Optional[Said]:
    """The time of day jumps by an hour while a change waits whose controller is dead: back at the deadline all the same."""
    hours = int(attempt.choice.partition(" ")[0])
    offset = _install_clock(attempt)
    try:
        with held_agent(attempt.target, "apply"), attempt.project.running(*attempt.arguments()) as process:
            at_moment(
                attempt, attempt.choice.rpartition(" ")[2], "apply", lambda: _kill_and_step(process, offset, hours)
            )
        moved_s = int(attempt.target.sh("date +%s")) - time.time()  # noqa: TID251 - the machine's own clock
        assert abs(moved_s - hours * HOUR_S) < 10, f"the clock of the device moved by {moved_s} s"
        attempt.until(lambda: attempt.target.pending() is None, 60, "the device has decided")
        early_s = attempt.watcher.deadline() - uptime()
        attempt.events.append(f"{attempt.choice}: decided {-early_s:+.1f} s from the deadline")
        assert early_s < 1.0, attempt.events
    finally:
        attempt.target.path(_PRELOAD).unlink()
    return None


def _kill_and_step(process: subprocess.Popen[str], offset: Path, hours: int) -> None:
    kill(process)
    offset.write_bytes(struct.pack("l", hours * HOUR_S))


def _install_clock(attempt: Attempt) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        raise CannotInject("no C compiler: the time of day cannot be set for one device alone")
    library = attempt.target.path(_LIBRARY)
    if not library.exists():
        built = attempt.project.folder / "clock.so"
        argv = [compiler, "-shared", "-fPIC", "-O1", "-x", "c", "-", "-o", str(built)]
        subprocess.run(argv, input=_SHIM, text=True, check=True, timeout=60)
        shutil.copy(built, library)
    offset = attempt.target.path(_OFFSET)
    offset.write_bytes(struct.pack("l", 0))
    attempt.target.path(_PRELOAD).write_text(f"{_LIBRARY}\n")
    return offset


class ProcessLimit:
    """A limit for sshd and everything that it starts; a context manager. ``hits`` counts what the kernel refused."""

    def __init__(self, attempt: Attempt, most: int) -> None:
        self._mount = attempt.project.folder / "pids"
        self._group = self._mount / f"netorch-{os.getpid()}-{attempt.target.pop}"
        self._sshd = attempt.target.service_pid("sshd")
        self._most = most

    def __enter__(self) -> ProcessLimit:
        self._mount.mkdir()
        argv = ["mount", "-t", "cgroup", "-o", "pids", "pids", str(self._mount)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CannotInject(f"no control group for processes: {done.stderr.strip()}")
        self._group.mkdir()
        (self._group / "cgroup.procs").write_text(str(self._sshd))
        (self._group / "pids.max").write_text(str(self._most))
        return self

    def __exit__(self, *_: object) -> None:
        (self._group / "pids.max").write_text("max")
        for _round in range(50):
            members = (self._group / "cgroup.procs").read_text().split()
            if not members:
                break
            for pid in members:
                try:
                    (self._mount / "cgroup.procs").write_text(pid)
                except OSError:  # it has ended
                    continue
        self._group.rmdir()
        subprocess.run(["umount", str(self._mount)], check=True)

    @property
    def hits(self) -> int:
        """How often a process was refused."""
        return int((self._group / "pids.events").read_text().split()[1])


LIMITS = ("1", "2", "3", "4", "5")
"""How many processes sshd and what it starts may be: too few for a deploy, each."""


def process_limit(attempt: Attempt) -> Optional[Said]:
    """The device can start no more than a few processes: an error in time, or a change that goes back."""
    most = int(attempt.choice)
    started = uptime()
    with ProcessLimit(attempt, most) as limit, attempt.project.running(*attempt.arguments()) as process:
        said = finish(attempt, process, timeout_s=120)
        hits, took_s = limit.hits, uptime() - started
        attempt.events.append(f"{most} processes at most, {hits} refused, told after {took_s:.1f} s")
        assert took_s < 20.0, attempt.events
        attempt.until(lambda: attempt.target.pending() is None, 60, "the device has decided")
    assert hits, "no process was refused"
    return said
