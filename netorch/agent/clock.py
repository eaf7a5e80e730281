"""The device's clocks; the only place of the agent that reads them."""

from __future__ import annotations

import time


def now() -> float:
    """Seconds since the epoch, for people; it may step."""
    return time.time()


def uptime() -> float:
    """Seconds since the machine started, time asleep included; never steps. Deadlines are kept in it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wait(seconds: float) -> None:
    """Let ``seconds`` pass, between two looks at a condition."""
    time.sleep(seconds)


def boot_id() -> str:
    """What tells this boot of the machine from every other."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
