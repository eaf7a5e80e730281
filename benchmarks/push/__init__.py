"""A 20 kB configuration to N hosts of a POP in the lab: netorch's whole transaction, and files pushed by others.

The floor is what netorch's safety costs at least: two connections per host, one after the other, with a bare start of the
host's python3 on each; without a change one connection and one start.
"""

from __future__ import annotations

import functools
import itertools
import os
import statistics
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from benchmarks import peers
from benchmarks.push import contenders, deploys
from benchmarks.push.fleet import Fleet
from benchmarks.report import Progress, measure

SIZES = (10, 30, 100)
ROUNDS = {10: 5, 30: 5, 100: 3}
SLOW = {"ansible": 1}
FLOOR = "floor"

Push = Callable[[Fleet, bytes], float]
Deploy = Callable[[Fleet, str], float]
Serials = Callable[[], int]

DEPLOYS: dict[str, Deploy] = {
    "netorch deploy": deploys.by_command,
    "netorch deploy, in process": deploys.in_process,
}


def prepare(progress: Progress) -> None:
    """Install the peers."""
    peers.install(contenders.PEERS, contenders.PACKAGES, progress)


def run(progress: Progress) -> dict[str, Any]:
    """Rows by size and case: ``change`` brings something that no host has, ``no change`` what all of them have."""
    rows: list[dict[str, Any]] = []
    content = b""
    for size in SIZES:
        with Fleet(size, progress) as fleet:
            progress("first deploy")
            deploys.by_command(fleet, "changed")
            content = fleet.content(0)
            for case in ("change", "no change"):
                progress(f"push to {size} hosts, {case}")
                rows.extend({"n": size, "case": case, **row} for row in _case(fleet, case))
    return {"bytes": len(content), "parallel": contenders.WORKERS, "versions": _versions(), "rows": rows}


def _case(fleet: Fleet, case: str) -> list[dict[str, Any]]:
    """``cpu_median`` is the processor time of this side alone, in seconds: devices have processors of their own."""
    size, is_change = len(fleet.addresses), case == "change"
    serials: Serials = functools.partial(next, itertools.count(1)) if is_change else lambda: 0
    if not is_change:
        contenders.netorch_one_exec(fleet, fleet.content(0))
        fleet.change(0)
        deploys.by_command(fleet, "changed")
    clock = _Clock()
    floor = functools.partial(contenders.floor, fleet, 2 if is_change else 1)
    timed = {
        FLOOR: lambda: clock.time(FLOOR, floor),
        **{name: _timed_deploy(name, fleet, serials, clock) for name in DEPLOYS},
        **{name: _timed_push(name, push, fleet, serials=serials, clock=clock) for name, push in _pushes().items()},
    }
    rows = measure(timed, rounds=ROUNDS[size], floor=FLOOR, few=SLOW if size > SIZES[0] else None)
    return [{**row, "cpu_median": round(statistics.median(clock.cpu_s[row["name"]]), 3)} for row in rows]


class _Clock:
    """Collects the processor time of this process and of those that it started and waited for."""

    def __init__(self) -> None:
        self.cpu_s: dict[str, list[float]] = {}

    def time(self, name: str, work: Callable[[], float]) -> float:
        """What ``work`` returns."""
        before = sum(os.times()[:4])
        seconds = work()
        self.cpu_s.setdefault(name, []).append(sum(os.times()[:4]) - before)
        return seconds


def _pushes() -> dict[str, Push]:
    pushes: dict[str, Push] = {
        "netorch transport, one exec": contenders.netorch_one_exec,
        "paramiko, one exec": contenders.paramiko_one_exec,
        "OpenSSH ControlMaster": contenders.control_master,
    }
    if peers.program(contenders.PEERS, "python"):
        pushes |= {
            "asyncssh, one exec": contenders.asyncssh_one_exec,
            "pyinfra": contenders.pyinfra,
            "ansible": contenders.ansible,
        }
    return pushes


def _timed_push(name: str, push: Push, fleet: Fleet, *, serials: Serials, clock: _Clock) -> Callable[[], float]:
    def timed() -> float:
        serial = serials()
        content = fleet.content(serial)
        seconds = clock.time(name, lambda: push(fleet, content))
        arrived = fleet.pushed(serial)
        assert arrived == len(fleet.addresses), f"{name}: arrived on {arrived} of {len(fleet.addresses)} hosts"
        return seconds

    return timed


def _timed_deploy(name: str, fleet: Fleet, serials: Serials, clock: _Clock) -> Callable[[], float]:
    def timed() -> float:
        serial = serials()
        fleet.change(serial)
        seconds = clock.time(name, lambda: DEPLOYS[name](fleet, "changed" if serial else "unchanged"))
        arrived = fleet.deployed(serial)
        assert arrived == len(fleet.addresses), f"{name}: on {arrived} of {len(fleet.addresses)} hosts"
        return seconds

    return timed


def _versions() -> dict[str, str]:
    openssh = subprocess.run(["ssh", "-V"], check=True, capture_output=True, text=True).stderr.split()[0].strip(",")
    ours = {name: version(name) for name in ("netorch", "paramiko")}
    return {**ours, "openssh": openssh, **peers.versions(contenders.PEERS, contenders.PACKAGES)}
