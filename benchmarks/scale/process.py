"""``python -m benchmarks.scale.process FOLDER CASE``: one run in a process of its own; a JSON row on standard output."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from netorch.app.assemble import Surroundings, open_controller
from netorch.app.gather import gather_world
from netorch.app.planning import make_plan
from netorch.cli.progress import Silence
from netorch.io.device import Device
from netorch.model.codec import to_json
from netorch.model.facts import DaemonFacts, DeviceFacts, FileFact
from netorch.model.items import FileItem
from netorch.model.plan import DevicePlan
from netorch.model.request import Answer
from netorch.ports import Reply
from netorch.testing import FakeConnector


def main(folder: Path, case: str) -> dict[str, object]:
    """Plan for every device; answers of the devices are files in ``folder``/facts."""
    marks = [time.perf_counter()]
    surroundings = Surroundings(folder / "inventory", home=str(folder), user="root", environment={}, author="bench")
    with open_controller(surroundings, Silence()) as opened:
        names = tuple(device.name for device in opened.inventory.devices)
        devices = {name: Device(name, FakeConnector({name: _Answers(folder, name)})) for name in names}
        controller = replace(opened, devices=devices.__getitem__)
        marks.append(time.perf_counter())
        world = gather_world(controller, names)
        marks.append(time.perf_counter())
        plan, failures = make_plan(controller, world, names)
        marks.append(time.perf_counter())
    failures |= world.failures
    assert not failures, failures
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    changed = sum(not device.is_empty for device in plan.devices)
    assert changed == (0 if case == "no change" else len(names)), f"{case}: {changed} devices would change"
    if case == "first plan":
        _keep(folder, plan.devices)
    inventory_s, gather_s, plan_s = (after - before for before, after in pairwise(marks))
    return {
        "devices": len(names),
        "inventory_s": round(inventory_s, 3),
        "gather_s": round(gather_s, 3),
        "plan_s": round(plan_s, 3),
        "ms_per_device": round(1000 * (marks[-1] - marks[0]) / len(names), 2),
        "peak_mib": peak_mib,
    }


class _Answers:
    """A device that was deployed, once its facts have been kept, and an empty one before."""

    def __init__(self, folder: Path, name: str) -> None:
        self._file = folder / "facts" / name
        self._empty = _reply(DeviceFacts(name, "agent", "base", 0, DaemonFacts("bird", "2.0.12", True, None, None)))

    def __call__(self, command: str, stdin: bytes) -> Reply:
        """The answer to a request for facts, the only one that comes."""
        return Reply(0, self._file.read_bytes() if self._file.exists() else self._empty, b"")


def _reply(facts: DeviceFacts) -> bytes:
    return json.dumps(to_json(Answer("facts", facts=facts, generation=facts.generation))).encode()


def _keep(folder: Path, plans: tuple[DevicePlan, ...]) -> None:
    """What the devices will say once these plans are carried out."""
    (folder / "facts").mkdir()
    daemon = DaemonFacts("bird", "2.0.12", running=True, live_stamp="stamp", disk_stamp="stamp")
    for plan in plans:
        items = [operation.item for operation in plan.operations]
        facts = DeviceFacts(
            plan.device,
            "agent",
            "base",
            1,
            daemon,
            files=tuple(_facts_of_files(items)),
            items=tuple(item for item in items if not isinstance(item, FileItem)),
        )
        (folder / "facts" / plan.device).write_bytes(_reply(facts))


def _facts_of_files(items: list[object]) -> Iterator[FileFact]:
    return (FileFact(item.path, "sha256", item.mode, item.text) for item in items if isinstance(item, FileItem))


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2])))
