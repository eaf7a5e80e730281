"""Fifty switches' BIRD configurations (450 lines each) from data to text, beside other ways to render the same text."""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from benchmarks import peers
from benchmarks.render.data import plain_data
from benchmarks.report import Progress, measure
from netorch.intent import derive_intent
from netorch.io.template_files import read_templates
from netorch.model.intent import DeviceIntent
from netorch.render import TemplateSource, render_device
from tests.unit.inventory_texts import example, load

HERE = Path(__file__).parent
INVENTORY = HERE.parent.parent / "inventory"
DEVICE = "sw2.pop1"
ROUNDS = 15
REPEATS = 50  # devices a round: one takes less than a millisecond
DEVICES = 1_000
PEERS = ("ansible-core", "arouteserver")
SLOW = ("netorch, templates compiled for each", "Jinja2 by hand, compiled for each", "Ansible's template")
FLOOR = "floor: Jinja2 by hand"


def prepare(progress: Progress) -> None:
    """Install the peers."""
    peers.install("render", PEERS, progress)


def run(progress: Progress) -> dict[str, Any]:
    """One row each; seconds are of fifty devices in a running process, or of a whole process for one where the name says so."""
    prepare(progress)
    device = derive_intent(load(example())).device(DEVICE)
    texts = read_templates()
    source = TemplateSource(texts)
    data = plain_data(device)
    template = _by_hand()
    if not texts_agree():
        raise AssertionError("the template by hand renders another text: bring by_hand.conf.j2 up to date")
    contenders = {
        FLOOR: _each(lambda: template.render(data)),
        "netorch": _each(lambda: render_device(device, source)),
        "netorch, templates compiled for each": _each(lambda: render_device(device, TemplateSource(texts))),
        "Jinja2 by hand, compiled for each": _each(lambda: _by_hand().render(data)),
        "Ansible's template": _ansible(data),
    }
    rows = measure(contenders, rounds=ROUNDS, floor=FLOOR, few=dict.fromkeys(SLOW, 3))
    rows += _processes()
    return {
        "versions": {"jinja2": version("jinja2"), **peers.versions("render", PEERS)},
        "lines": template.render(data).count("\n"),
        "rows": rows,
        "many": many_devices(device, source),
    }


def texts_agree() -> bool:
    """Whether the template by hand still renders what netorch does."""
    device = derive_intent(load(example())).device(DEVICE)
    return bool(
        _by_hand().render(plain_data(device)) == render_device(device, TemplateSource(read_templates()))[0].text
    )


def many_devices(device: DeviceIntent, source: TemplateSource) -> dict[str, Any]:
    """Rendering a thousand devices in one process, and how much the process grew over the last nine hundred."""
    before = 0
    start = time.perf_counter()
    for number in range(DEVICES):
        render_device(replace(device, name=f"sw{number}.pop1"), source)
        if number == DEVICES // 10:
            before = _resident_bytes()
    seconds = time.perf_counter() - start
    return {"devices": DEVICES, "seconds": round(seconds, 3), "grown_bytes": _resident_bytes() - before}


def _resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _by_hand() -> Any:
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string((HERE / "by_hand.conf.j2").read_text(encoding="utf-8"))


def _each(render: Callable[[], object]) -> Callable[[], float]:
    def timed() -> float:
        start = time.perf_counter()
        for _ in range(REPEATS):
            render()
        return time.perf_counter() - start

    return timed


def _processes() -> list[dict[str, Any]]:
    """Rows of whole processes, from files to text; the floor is a start of the interpreter that imports Jinja2."""
    with tempfile.TemporaryDirectory() as folder:
        contenders = {
            "process floor: import jinja2": _starts([sys.executable, "-c", "import jinja2"]),
            f"process: netorch render {DEVICE}": _starts(
                [_beside("netorch"), "--inventory", str(INVENTORY), "render", DEVICE]
            ),
            "process: arouteserver, 2 clients, 508 lines": _starts(_arouteserver(Path(folder))),
        }
        return measure(contenders, rounds=ROUNDS, floor="process floor: import jinja2")


def _arouteserver(folder: Path) -> list[str]:
    """A route server for two clients, without look-ups in databases of the Internet."""
    program = peers.program("render", "arouteserver")
    if program is None:
        raise AssertionError("arouteserver is not installed")
    package = next(program.parent.parent.glob("lib/python*/site-packages/pierky/arouteserver"))
    settings = {
        "cache_dir": folder,
        "templates_dir": package / "templates",
        "logging_config_file": package / "config.d/log.ini",
    }
    (folder / "cfg.yml").write_text("".join(f"{key}: {value}\n" for key, value in settings.items()))
    options = {
        "--cfg": folder / "cfg.yml",
        "--general": HERE / "arouteserver_general.yml",
        "--clients": HERE / "arouteserver_clients.yml",
        "--bogons": package / "config.d/bogons.yml",
        "--output": folder / "bird.conf",
        "--target-version": "2.0.11",
        "--ip-ver": 4,
    }
    return [str(program), "bird", *(str(word) for option in options.items() for word in option)]


def _beside(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _starts(command: list[str]) -> Callable[[], float]:
    def timed() -> float:
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - start

    return timed


def _ansible(data: dict[str, Any]) -> Callable[[], float]:
    """Seconds of fifty renderings by Ansible's templating in a process of its own, without starting Ansible."""
    python = peers.program("render", "python")

    def timed() -> float:
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(data, file)
            file.flush()
            command = [
                str(python),
                str(HERE / "ansible_peer.py"),
                str(HERE / "by_hand.conf.j2"),
                file.name,
                str(REPEATS),
            ]
            return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    return timed
