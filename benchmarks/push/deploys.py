"""netorch's whole transaction on every host: facts, plan, apply, checks, confirmation. Each returns the seconds that it took."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable

from benchmarks.push.fleet import Fleet, environment
from netorch.app.assemble import open_controller
from netorch.app.deploying import Options, deploy
from netorch.app.gather import gather_world
from netorch.app.planning import make_plan
from netorch.cli.progress import Silence
from netorch.plan.rollout import parse_sizes


def by_command(fleet: Fleet, outcome: str) -> float:
    """``netorch deploy`` of the POP: the whole process counts. ``outcome`` is what must become of every host."""
    # All hosts at once, as the contenders do: a roll-out with a canary would measure its caution.
    command = [sys.executable, "-m", "netorch", "deploy", "pop1", "--yes", "--batch", "100%", "-o", "json"]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=fleet.folder, env=environment(), capture_output=True, text=True, check=False)
    taken = time.perf_counter() - start
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    results = json.loads(done.stdout)["results"]
    _expect(fleet, outcome, ((result["device"], result["outcome"]) for result in results))
    return taken


def in_process(fleet: Fleet, outcome: str) -> float:
    """The same by netorch's library in this process, from the reading of the inventory on."""
    options = Options(sizes=parse_sizes("100%"))
    start = time.perf_counter()
    with open_controller(fleet.surroundings(), Silence()) as controller:
        names = tuple(device.name for device in controller.inventory.devices)
        world = gather_world(controller, names)
        plan, failures = make_plan(controller, world, names)
        result = deploy(controller, world, plan, failures={**failures, **world.failures}, options=options)
    taken = time.perf_counter() - start
    _expect(fleet, outcome, ((result.device, result.outcome) for result in result.results))
    return taken


def _expect(fleet: Fleet, outcome: str, results: Iterable[tuple[str, str]]) -> None:
    found = Counter(reached for device, reached in results if device in fleet.addresses)
    assert found == {outcome: len(fleet.addresses)}, f"expected every host {outcome}, found {dict(found)}"
