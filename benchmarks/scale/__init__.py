"""What a network costs the controller as it grows: inventory, facts and plan of devices that answer at once, without SSH.

Every row is a process of its own, so that its memory is its own. Devices have what they are meant to have (``no change``,
about 20 kB of configuration each), or nothing (``first plan``).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.pops import write_inventory
from benchmarks.report import Progress

HOSTS = {
    "one POP of 10": [9],
    "one POP of 100": [99],
    "one POP of 1,000": [999],
    "2 POPs of 50": [49] * 2,
    "20 POPs of 50": [49] * 20,
}


def run(progress: Progress) -> dict[str, Any]:
    """Rows by network and case; ``ms_per_device`` is that of the whole run."""
    rows: list[dict[str, Any]] = []
    for name, hosts in HOSTS.items():
        progress(name)
        with tempfile.TemporaryDirectory() as folder:
            write_inventory(Path(folder), hosts)
            for case in ("first plan", "no change"):  # the first leaves behind what the devices of the second have
                rows.append({"network": name, "case": case, **_measured(folder, case)})
    return {"rows": rows}


def _measured(folder: str, case: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.scale.process", folder, case]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    row: dict[str, Any] = json.loads(done.stdout)
    return row
