"""``netorch --help``, beside the same help text from click alone and above a bare start of the interpreter."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.report import Progress, measure

ROUNDS = 21

CLICK_ALONE = """
import click


@click.group(help="Runs points of presence that have no routers.")
def main(): ...


for name in ("arp", "deploy", "drain", "lab", "parse", "ping", "plan", "render", "run", "schema", "status", "validate"):
    main.command(name, help="One line about it.")(lambda: None)

main(prog_name="netorch")
"""


def run(progress: Progress) -> dict[str, Any]:
    """One row each; seconds are of the whole process."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "click_alone.py"
        script.write_text(CLICK_ALONE)
        netorch = str(Path(sys.executable).with_name("netorch"))
        contenders = {
            "floor: python -c pass": _starts([sys.executable, "-c", "pass"]),
            "click alone --help": _starts([sys.executable, str(script), "--help"]),
            "netorch --help": _starts([netorch, "--help"]),
            "netorch --version": _starts([netorch, "--version"]),
        }
        rows = measure(contenders, rounds=ROUNDS, floor="floor: python -c pass")
    return {"versions": {name: version(name) for name in ("netorch", "click")}, "rows": rows}


def _starts(command: list[str]) -> Callable[[], float]:
    def timed() -> float:
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start

    return timed
