"""A roll-out over a whole POP whose controller is killed, and what the same command makes of it when it is run again."""

from __future__ import annotations

import random
from contextlib import ExitStack

from netorch.agent.clock import uptime
from tests.lab.faults.bed import CONFIRM_TIMEOUT_S, ROLL_OUT_POP, Bed, Look, Target, Watcher
from tests.lab.faults.play import GRACE_S, Ending
from tests.lab.quick_lab import Project
from tests.waiting import wait_until

NAME = "roll-out killed"
EXPECTED = "each device old or new; the same command converges"
HOSTS = 4
USUAL_S = 4.5
"""What such a roll-out takes, about: it is killed at any moment of that."""

_POP = f"pop{ROLL_OUT_POP}"
_ARGUMENTS = ("deploy", _POP, "--yes", "--batch", "1,2,100%", "--confirm-timeout", str(int(CONFIRM_TIMEOUT_S)))


def play_roll_out(made: Bed, seed: int) -> Ending:
    """One seed: SIGKILL for the controller of a roll-out over a switch and its hosts."""
    project = _changed(made, seed)
    before = {target.name: target.look() for target in made.group}
    at_s = random.Random(f"{NAME}/{seed}").uniform(0.2, USUAL_S)
    with ExitStack() as stack:
        watchers = {target.name: stack.enter_context(Watcher(target)) for target in made.group}
        killed = _kill_after(project, at_s)
        wait_until(
            lambda: all(_has_decided(t, watchers[t.name]) for t in made.group),
            timeout_s=120,
            what="every device has decided",
        )
        states, unsafe = [], []
        for target in made.group:
            state, wrong = _judge(target, watchers[target.name], before[target.name])
            states.append(state)
            unsafe += wrong
    again = project(*_ARGUMENTS, code=None, timeout_s=180)
    planned = project("plan", _POP, "--detailed-exitcode", code=None)
    if again.code != 0 or planned.code != 0:
        unsafe.append(
            f"run again: exit {again.code}, then plan: exit {planned.code}: {again.out}{again.err}{planned.out}"
        )
    stamps = [(target.look().live, target.look().disk) for target in made.group]
    if any(
        live != disk or live == before[target.name].live
        for target, (live, disk) in zip(made.group, stamps, strict=True)
    ):
        unsafe.append(f"run again: {stamps}")
    made.forget(project)
    told = "killed" if killed else "was faster"
    events = (f"after {at_s:.1f} s: {states.count('confirmed')} of {len(states)} confirmed",)
    return Ending(
        NAME, seed, "old or new, then all new" if not unsafe else "neither", told, "; ".join(unsafe), None, events
    )


def _changed(made: Bed, seed: int) -> Project:
    """An inventory in which every device of the POP differs."""
    project = made.checkout({_POP: f"roll-out {seed}"})
    for role in ("switch", "host"):
        project.override(f"bird/local-{role}.conf.j2", f"# roll-out {seed}\n")
    return project


def _kill_after(project: Project, seconds: float) -> bool:
    with project.running(*_ARGUMENTS) as process:
        started = uptime()
        wait_until(
            lambda: uptime() - started >= seconds or process.poll() is not None,
            timeout_s=seconds + 5,
            what="its time has come",
        )
        was_alive = process.poll() is None
        process.kill()
        process.communicate()
    return was_alive


def _has_decided(target: Target, watcher: Watcher) -> bool:
    if target.pending() is not None:
        return uptime() > watcher.deadline() + GRACE_S + 5
    return target.live() is not None and bool(watcher.samples)


def _judge(target: Target, watcher: Watcher, before: Look) -> tuple[str, list[str]]:
    after, wrong = target.look(), []
    if target.pending() is not None:
        wrong.append(f"{target.name}: still pending")
    if after.live != after.disk:
        wrong.append(f"{target.name}: {after}")
    lost = {c["daemon"]["candidate"] for c in watcher.changes.values() if not target.is_confirmed(c["id"])} - {
        None,
        before.live,
    }
    last = watcher.last_live(lost)
    if last is not None and last > watcher.deadline() + GRACE_S:
        wrong.append(f"{target.name}: unconfirmed {last - watcher.deadline():.1f} s after its deadline")
    if after.generation == before.generation:
        if after != before:
            wrong.append(f"{target.name}: {after}, {before} before")
        return "last good", wrong
    return "confirmed", wrong
