"""A roll-out over a whole POP one device of which falls ill: the others are changed, and not later than without."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from netorch.agent.clock import uptime
from netorch.lab import set_link
from tests.lab.faults.asked import held_agent
from tests.lab.faults.bed import CONFIRM_TIMEOUT_S, ROLL_OUT_POP, Bed, Target
from tests.lab.faults.daemon import GIVEN_UP_WITHIN_S
from tests.lab.faults.play import Ending
from tests.lab.faults.steps import Step
from tests.lab.operator_shell import Said
from tests.lab.stopping import stopped
from tests.waiting import wait_until

NAME = "one sick device among others"
EXPECTED = (
    "told within 20 s (its daemon hangs: 30 s); the others are changed, 3 s later at most, 20 s where it never answered"
)
ILLNESSES = ("sshd stopped", "cable pulled", "its daemon hangs", "sshd stopped from the start")
_HANGING = {"bird": ("bird",), "frr": ("bgpd", "zebra")}

_POP = f"pop{ROLL_OUT_POP}"
_ARGUMENTS = ("deploy", _POP, "--yes", "--batch", "100%", "--confirm-timeout", str(int(CONFIRM_TIMEOUT_S)))
_TOLD_WITHIN_S = 20.0
_LATER_BY_S = 3.0
_STEPS = 18
"""Of an agent with a pending change: fewer than it makes until it is done."""


def play_sick(made: Bed, seed: int) -> Ending:
    """One seed: a roll-out with all devices well, then one in which a host falls ill."""
    illness = ILLNESSES[seed % len(ILLNESSES)]
    hosts = [target for target in made.group if target.name.startswith("h")]
    sick = hosts[seed // len(ILLNESSES) % len(hosts)]
    well = [target for target in made.group if target is not sick]
    unsafe: list[str] = []
    usual_s, usual = _roll_out(made, f"well {seed}", made.group)
    assert usual.code == 0, usual
    before = sick.look()
    late_s, told_s, said = _with_illness(made, seed, illness, sick=sick, well=well)
    from_the_start = illness.endswith("from the start")
    within_s = (
        GIVEN_UP_WITHIN_S if illness == "its daemon hangs" else _TOLD_WITHIN_S + (usual_s if from_the_start else 0)
    )
    if told_s > within_s:
        unsafe.append(f"told only after {told_s:.1f} s")
    # Facts of all devices are asked for before anything is planned: there one that says nothing is waited for, once.
    if late_s - usual_s > (_TOLD_WITHIN_S if from_the_start else _LATER_BY_S):
        unsafe.append(f"the others were done after {late_s:.1f} s, {usual_s:.1f} s with all well")
    wait_until(lambda: sick.pending() is None and sick.is_up(), timeout_s=60, what=f"{sick.name} has decided")
    after = sick.look()
    if said.code == 0 and after.generation == before.generation:
        unsafe.append("a success was reported that did not happen")
    if after.live != after.disk or (after.generation == before.generation and after != before):
        unsafe.append(f"{sick.name}: {after}, {before} before")
    _, again = _roll_out(made, f"again {seed}", made.group)
    if again.code != 0:
        unsafe.append(f"run again: exit {again.code}: {again.out}{again.err}")
    events = (
        f"{illness}: {sick.name}",
        f"the others after {late_s:.1f} s, {usual_s:.1f} s with all well",
        f"told after {told_s:.1f} s",
    )
    state = "the others changed" if not unsafe else "neither"
    return Ending(NAME, seed, state, f"exit {said.code}", "; ".join(unsafe), None, events, illness)


def _with_illness(made: Bed, seed: int, illness: str, *, sick: Target, well: list[Target]) -> tuple[float, float, Said]:
    """When the last of the others was done, and when the controller had ended since the illness began, both in seconds."""
    project = made.changed(f"sick {seed}")
    before = {target.name: target.look().generation for target in made.group}
    program = random.Random(f"{NAME}/{seed}/hangs").choice(_HANGING[sick.router.name])
    started = uptime()
    if illness.endswith("from the start"):
        with _ill(made, illness, sick, program=program), project.running(*_ARGUMENTS) as process:
            done_s = _until_changed(well, before, started, process)
            said = project.finish(process, timeout_s=120)
            told_s = uptime() - started
    else:
        with held_agent(sick, "apply"), project.running(*_ARGUMENTS) as process:
            step = _under_way(sick, seed)
            began = uptime()
            with _ill(made, illness, sick, program=program):
                step.end("go")
                done_s = _until_changed(well, before, started, process)
                said = project.finish(process, timeout_s=120)
                told_s = uptime() - began
    made.forget(project)
    return done_s, told_s, said


@dataclass
class _Sick:
    target: Target
    events: list[str] = field(default_factory=list)


def _under_way(sick: Target, seed: int) -> Step:
    """Its agent at a step while its change is pending: the controller cannot be faster."""
    step = Step(_Sick(sick), "apply", 1)
    while step.call and sick.pending() is None:
        step.next()
    for _ in range(random.Random(f"{NAME}/{seed}").randint(0, _STEPS)):
        step.next()
    assert sick.pending() is not None, f"{sick.name} has nothing pending"
    return step


@contextmanager
def _ill(made: Bed, illness: str, sick: Target, *, program: str) -> Iterator[None]:
    if illness == "cable pulled":
        set_link(sick.name, "mgmt0", made.lab.settings, connected=False)
        try:
            yield
        finally:
            set_link(sick.name, "mgmt0", made.lab.settings, connected=True)
        return
    if illness == "its daemon hangs":
        pids = [sick.service_pid(program)]
    else:
        pids = [*_connections(sick), sick.service_pid("sshd")]
    with stopped(*pids):
        yield


def _connections(target: Target) -> list[int]:
    """The processes of its sshd that serve a connection: their titles say so."""
    titles = {pid: Path(f"/proc/{pid}/cmdline") for pid in target.processes()}
    return [pid for pid, title in titles.items() if title.exists() and title.read_bytes().startswith(b"sshd: ")]


def _roll_out(made: Bed, text: str, targets: tuple[Target, ...]) -> tuple[float, Said]:
    project = made.changed(text)
    before = {target.name: target.look().generation for target in targets}
    started = uptime()
    with project.running(*_ARGUMENTS) as process:
        done_s = _until_changed(list(targets), before, started, process)
        said = project.finish(process, timeout_s=120)
    made.forget(project)
    return done_s, said


def _until_changed(
    targets: list[Target], before: dict[str, int], started: float, process: subprocess.Popen[str]
) -> float:
    def is_done() -> bool:
        return all(target.look().generation > before[target.name] for target in targets)

    wait_until(
        lambda: is_done() or process.poll() is not None, timeout_s=90, what="the devices that are well are changed"
    )
    if not is_done():
        out, err = process.communicate(timeout=10)
        raise AssertionError(f"exit {process.returncode}, and not every device that is well is changed: {out}{err}")
    return uptime() - started
