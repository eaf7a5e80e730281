"""A 20 kB configuration to N devices with a real sshd each: upload, validate, compare, rename.

The floor is what netorch's safety costs at least: two connections per device, one after the other, with a bare start of the
device's python3 on each; without a change one connection and one start.
"""

from __future__ import annotations

import functools
import itertools
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from benchmarks import peers
from benchmarks.push import contenders
from benchmarks.push.fleet import Fleet
from benchmarks.report import Progress, measure

SIZES = (10, 30, 100)
ROUNDS = {10: 5, 30: 5, 100: 3}
SLOW = {"ansible": 1}
FLOOR = "floor"
BYTES = 20_000

Push = Callable[[Fleet, bytes], float]


def prepare(progress: Progress) -> None:
    """Install the peers."""
    peers.install(contenders.PEERS, contenders.PACKAGES, progress)


def run(progress: Progress) -> dict[str, Any]:
    """Rows by size and case: ``change`` pushes other bytes than the devices have, ``no change`` the same."""
    rows: list[dict[str, Any]] = []
    for size in SIZES:
        with Fleet(size) as fleet:
            for case, connections in (("change", 2), ("no change", 1)):
                progress(f"push to {size} devices, {case}")
                timed = {name: _timed(push, fleet, case) for name, push in _pushes().items()}
                timed = {FLOOR: functools.partial(contenders.floor, fleet, connections), **timed}
                measured = measure(timed, rounds=ROUNDS[size], floor=FLOOR, few=SLOW if size > SIZES[0] else None)
                rows.extend({"n": size, "case": case, **row} for row in measured)
    return {"bytes": BYTES, "parallel": contenders.WORKERS, "versions": _versions(), "rows": rows}


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


_serial = itertools.count()


def configuration() -> bytes:
    """BYTES of something like a configuration, different at every call."""
    head = f"# {next(_serial)}\nrouter id 198.18.1.1;\n".encode()
    line = b"protocol static { ipv4; route 192.0.2.0/24 blackhole; }\n"
    return (head + line * (BYTES // len(line)))[: BYTES - 1] + b"\n"


def _timed(push: Push, fleet: Fleet, case: str) -> Callable[[], float]:
    def timed() -> float:
        content = configuration()
        if case == "no change":
            contenders.netorch_one_exec(fleet, content)
        seconds = push(fleet, content)
        arrived = fleet.contents().count(content)
        assert arrived == len(fleet.ports), f"{push.__name__}: arrived on {arrived} of {len(fleet.ports)} devices"
        return seconds

    return timed


def _versions() -> dict[str, str]:
    openssh = subprocess.run(["ssh", "-V"], check=True, capture_output=True, text=True).stderr.split()[0].strip(",")
    ours = {name: version(name) for name in ("netorch", "paramiko")}
    return {**ours, "openssh": openssh, **peers.versions(contenders.PEERS, contenders.PACKAGES)}
