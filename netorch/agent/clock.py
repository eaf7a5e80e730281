"""The device's clocks; the only place of the agent that reads them."""

from __future__ import annotations

import re
import time

_MOMENT = re.compile(r"(\d+)-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)")


def now() -> float:
    """Seconds since the epoch, for people; it may step."""
    return time.time()


def utc_text(epoch_s: float) -> str:
    """A moment as daemons' sessions have it: ``2026-11-22 15:04:28+00:00``."""
    return time.strftime("%Y-%m-%d %H:%M:%S+00:00", time.gmtime(epoch_s))


def as_utc(local: str) -> str:
    """``local``, a moment in the device's own time without a zone, in UTC; what is no such moment stays as it is."""
    found = _MOMENT.match(local)
    if found is None:
        return local
    year, month, day, hour, minute, second = map(int, found.groups())
    return utc_text(time.mktime((year, month, day, hour, minute, second, 0, 0, -1)))


def uptime() -> float:
    """Seconds since the machine started, time asleep included; never steps. Deadlines are kept in it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wait(seconds: float) -> None:
    """Let ``seconds`` pass, between two looks at a condition."""
    time.sleep(seconds)


def boot_id() -> str:
    """What tells this boot of the machine from every other; also of a container, whose kernel stays when it is restarted:
    there its first process is another one.

    Source: proc_pid_stat(5), field 22.
    """
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        kernel = file.read().strip()
    with open("/proc/1/stat", encoding="utf-8", errors="replace") as file:
        return f"{kernel}/{file.read().rpartition(')')[2].split()[19]}"
