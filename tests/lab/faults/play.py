"""Plays one fault, and judges what became of device and controller."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Optional

from netorch.agent.clock import uptime
from tests.lab.faults.bed import Attempt, Bed, Look, Watcher
from tests.lab.operator_shell import Said

GRACE_S = 10.0
"""An unconfirmed state that is live later than its deadline by more than this is unsafe."""


class CannotInject(Exception):
    """This machine cannot do that to a device."""


@dataclass(frozen=True)
class Fault:
    """A row of the matrix. ``act`` deploys, does the harm, proves that it happened and mends what must be mended; it
    returns how the controller ended, None where it was killed. Seeds take the ``choices`` in turn, so that each of them is
    played; those of ``announcing`` need a switch that has something to announce. ``late_s`` is what the row promises beyond
    the deadline. ``quick`` rows are part of every test run; ``daemons`` are those that it is played with."""

    name: str
    expected: str
    act: Callable[[Attempt], Optional[Said]]
    choices: tuple[str, ...] = ("",)
    announcing: frozenset[str] = frozenset()
    late_s: float = GRACE_S
    quick: bool = False
    daemons: tuple[str, ...] = ("bird", "frr")


@dataclass(frozen=True)
class Ending:
    """How one play ended. ``unsafe`` says why it must not have, "" where it is well; ``state`` is ``confirmed``,
    ``last good`` or what else is there; ``late_s`` is how long after the deadline the candidate was still live, the time
    left out in which the fault itself kept the device from doing anything; ``choice`` is the row's alternative,
    ``took_s`` how long all of it took."""

    fault: str
    seed: int
    state: str
    told: str
    unsafe: str = ""
    late_s: Optional[float] = None
    events: tuple[str, ...] = field(default=())
    choice: str = ""
    took_s: float = 0.0


def play(bed: Bed, fault: Fault, seed: int) -> Ending:
    """One seed of one row, on whichever switch is free."""
    choice = fault.choices[seed % len(fault.choices)]
    with bed.target(fault.daemons, announces=choice in fault.announcing) as target:
        told = f"{fault.name} {seed}"
        dice = random.Random(f"{fault.name}/{seed}")
        project = bed.checkout({target.pop: told})
        before = target.look()
        with Watcher(target) as watcher:
            attempt = Attempt(bed, target, f"{fault.name}/{seed}", dice, watcher, before, told, project, choice)
            said = fault.act(attempt)
            _wait_until_decided(attempt)
            after = target.look()
        ending = _judge(fault, seed, attempt, after, said)
        _converge(attempt)
        bed.forget(project)
        return ending


def _wait_until_decided(attempt: Attempt) -> None:
    """Until no agent is at work and no change waits, or its deadline has passed by the time that is granted at most."""
    target, watcher = attempt.target, attempt.watcher
    attempt.until(lambda: bool(watcher.samples), 10, "the watcher looks")

    def is_over() -> bool:
        if target.pending() is not None:
            return uptime() > watcher.deadline() + GRACE_S + 5
        if not target.is_up() or uptime() <= attempt.quiet_until:
            return False
        return not target.is_busy() and target.pending() is None

    try:
        attempt.until(is_over, 120, "the device has decided")
    except AssertionError as error:
        agents = [command for command in ("apply", "confirm") if target.processes(command)]
        found = f"{attempt.events}, live {target.live()}, pending {target.pending()}, agents at work: {agents}"
        raise AssertionError(f"{error}: {found}") from None


def _judge(fault: Fault, seed: int, attempt: Attempt, after: Look, said: Optional[Said]) -> Ending:
    watcher, target, before = attempt.watcher, attempt.target, attempt.before
    kept = [change for change in watcher.changes.values() if target.is_confirmed(change["id"])]
    unsafe = []
    if target.pending() is not None:
        unsafe.append(f"still pending {GRACE_S + 5:g} s after its deadline")
    wanted = Look(before.live, before.live, before.alias, before.generation)
    state = "last good"
    if after.generation != before.generation:
        state = "confirmed"
        stamp = kept[-1]["daemon"]["candidate"] if kept else after.live
        wanted = Look(stamp, stamp, after.alias, after.generation)
        if attempt.told not in after.alias and attempt.told in target.configuration.read_text():
            unsafe.append("half confirmed: the file is new, the alias is not")
    if after != wanted:
        state = "neither"
        unsafe.append(f"{after}, expected {wanted}")
    lost = watcher.candidates() - {change["daemon"]["candidate"] for change in kept} - {before.live}
    last = watcher.last_live(lost)
    late_s = None if last is None else last - max(attempt.excused_until, *_deadlines(watcher, lost))
    if late_s is not None and late_s > fault.late_s + target.router.undo_s:
        unsafe.append(f"an unconfirmed state was live {late_s:.1f} s after its deadline")
    if said is not None and said.code == 0 and state != "confirmed":
        unsafe.append("a success was reported that did not happen")
    told = "killed" if said is None else f"exit {said.code}"
    return Ending(fault.name, seed, state, told, "; ".join(unsafe), late_s, tuple(attempt.events), attempt.choice)


def _deadlines(watcher: Watcher, candidates: set[str]) -> list[float]:
    return [change["deadline"] for change in watcher.changes.values() if change["daemon"]["candidate"] in candidates]


def _converge(attempt: Attempt) -> None:
    """Whatever was left: an undisturbed deploy of the same inventory works, and the next one has nothing to do."""
    project = attempt.bed.checkout({attempt.target.pop: f"{attempt.told} again"})
    said = project("deploy", attempt.target.name, "--yes", code=None, timeout_s=120)
    assert said.code == 0, f"{attempt.seed}: the device does not recover: {said.out}{said.err}"
    look = attempt.target.look()
    assert look.live == look.disk, look
    assert f"{attempt.told} again" in look.alias, look
    attempt.target.told = f"{attempt.told} again"
    attempt.bed.forget(project)


def finish(attempt: Attempt, process: subprocess.Popen[str], *, timeout_s: float = 90.0) -> Said:
    """How the controller ended by itself."""
    said = attempt.project.finish(process, timeout_s=timeout_s)
    attempt.events.append(f"exit {said.code}")
    return said
