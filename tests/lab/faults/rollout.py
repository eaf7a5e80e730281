"""A roll-out over a whole POP whose controller is killed at each of its steps, and what the same command makes of it when it is
run again."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from netorch.agent.clock import uptime
from tests.lab.faults.bed import CONFIRM_TIMEOUT_S, ROLL_OUT_POP, STATE, Bed, Look, Target, Watcher
from tests.lab.faults.events import STARTED, Event, Sight
from tests.lab.faults.play import GRACE_S, CannotInject, Ending
from tests.lab.operator_shell import Said
from tests.lab.quick_lab import Project
from tests.waiting import wait_until

NAME = "roll-out killed"
EXPECTED = "each device old or new, whole; the same command converges"
HOSTS = 4
SHARES = 20
"""So many seeds have every step, once at it and once just after it."""

AT, AFTER = "killed at it", "killed after it"
AFTER_S = (0.005, 0.12)
"""How long after a step is just after it; confirming over a new connection takes about 0.1 s."""

_PLUGIN = """\
from dataclasses import replace

from netorch.api import Plugin


def amend(intent, overlay):
    text = intent.settings["told"]["text"]

    def labelled(device):
        labels = tuple(replace(one, alias=f"{one.alias}, {text}") for one in device.interfaces if one.alias)
        return replace(device, interfaces=labels + tuple(one for one in device.interfaces if not one.alias))

    return intent.with_devices(labelled)


PLUGIN = Plugin(name="told", help="tells what is rolled out", amend=amend, settings=("text",))
"""
_POP = f"pop{ROLL_OUT_POP}"
_ARGUMENTS = ("deploy", _POP, "--yes", "--batch", "1,2,100%", "--soak", "0.3")
_TIMEOUT = ("--confirm-timeout", str(int(CONFIRM_TIMEOUT_S)))


@dataclass(frozen=True)
class Kill:
    """SIGKILL for the controller ``after_s`` seconds after ``event``, which is step ``number`` of ``total``."""

    event: Event
    number: int
    total: int
    after_s: float = 0.0

    @property
    def how(self) -> str:
        return AFTER if self.after_s else AT


class RollOuts:
    """Roll-outs over the bed's group. ``steps`` is every step of one that nobody disturbs; where ``chosen`` are given these are
    what is played, whatever the seed."""

    def __init__(self, made: Bed, chosen: Sequence[Event] = ()) -> None:
        self._made = made
        self._chosen = chosen
        self._versions = 0
        first = self._record()
        # Twice: how often facts are asked for at the end depends on how soon all is up.
        self.steps = tuple(first if chosen else (event for event in self._record() if event in first))

    def kill(self, event: Event, *, after_s: float = 0.0) -> Kill:
        """A death at ``event``, which must be one of the steps."""
        return Kill(event, self.steps.index(event) + 1, len(self.steps), after_s)

    def kills(self, seed: int) -> Iterator[Kill]:
        """What the seed plays: its share of the steps, or those that were chosen."""
        yield from map(self.kill, self._chosen)
        if self._chosen:
            return
        for number, event in enumerate(self.steps, 1):
            if number % SHARES == seed % SHARES:
                dice = random.Random(f"{NAME}/{seed}/{number}")
                yield self.kill(event)
                yield self.kill(event, after_s=dice.uniform(*AFTER_S))

    def play(self, kill: Kill, seed: int) -> Ending:
        """One death of the controller, and the roll-out that follows."""
        text, project = self._next()
        group = self._made.group
        before = {target.name: target.look() for target in group}
        with ExitStack() as stack:
            watchers = {target.name: stack.enter_context(Watcher(target)) for target in group}
            seen = self._kill(project, kill)
            wait_until(
                lambda: all(_has_decided(t, watchers[t.name]) for t in group),
                timeout_s=120,
                what="every device has decided",
            )
            after = {target.name: target.look() for target in group}
            unsafe = [
                f"{target.name}: {wrong}"
                for target in group
                for wrong in _wrong(
                    target, watchers[target.name], before[target.name], after=after[target.name], text=text
                )
            ]
        new = sum(after[name].generation != before[name].generation for name in after)
        unsafe += self._run_again(project, text, before)
        self._made.forget(project)
        done = f"{new} new, {len(group) - new} old"
        events = (
            f"step {kill.number} of {kill.total}, {kill.event}",
            f"{kill.after_s * 1000:.0f} ms later",
            seen,
            done,
        )
        state = "old or new, then all new" if not unsafe else "neither"
        return Ending(NAME, seed, state, kill.how, "; ".join(unsafe), None, events)

    def table(self, endings: Sequence[Ending]) -> str:
        """What became of each step."""
        lines = ["| Step | Of the roll-out | Killed at it | Killed just after | Then |", "|---|---|---|---|---|"]
        for number, event in enumerate(self.steps, 1):
            here = f"step {number} of {len(self.steps)}, {event}"
            own = {ending.told: ending for ending in endings if ending.events[:1] == (here,)}
            if own:
                cells = (own[how].events[-1] if how in own else "-" for how in (AT, AFTER))
                then = "all new" if not any(ending.unsafe for ending in own.values()) else "UNSAFE"
                lines.append(f"| {number} | {event} | {' | '.join(cells)} | {then} |")
        return "\n".join(lines)

    # --- how it is done

    def _next(self) -> tuple[str, Project]:
        """An inventory in which every device differs from all before, in its file and in its kernel; and what it tells."""
        self._versions += 1
        text = f"roll-out {self._versions}"
        project = self._made.changed(text)
        (project.folder / "told").mkdir()
        (project.folder / "told/__init__.py").write_text(_PLUGIN)
        plugin = f"{{name: told, path: ../told, settings: {{text: {text}}}}}"
        project.edit("network.yml", "describe]", f"describe, {plugin}]")
        for target in self._made.group:
            target.sh(f"rm -rf {STATE}/agent/*")  # the agent is sent anew: that, too, is a step
        return text, project

    def _record(self) -> list[Event]:
        text, project = self._next()
        audit = project.folder / "audit.log"
        with (
            Sight(self._made.group, audit) as sight,
            project.running(*_ARGUMENTS, *_TIMEOUT, "--audit", str(audit)) as process,
        ):
            sight.follow(process, until=lambda: False, timeout_s=120)
            assert process.wait(30) == 0, sight.said
        assert all(target.look().alias.endswith(f", {text}") for target in self._made.group), "it is all there"
        self._made.forget(project)
        return sight.events

    def _kill(self, project: Project, kill: Kill) -> str:
        """Let it come; how many more steps were seen until the controller was dead."""
        audit = project.folder / "audit.log"
        with (
            Sight(self._made.group, audit) as sight,
            project.running(*_ARGUMENTS, *_TIMEOUT, "--audit", str(audit)) as process,
        ):
            if kill.event.what != STARTED:
                sight.follow(process, until=lambda: kill.event in sight.events, timeout_s=120)
                if kill.event not in sight.events:
                    raise CannotInject(f"step {kill.number}, {kill.event}, did not come this time")
            else:
                sight.events.append(kill.event)
            came = uptime()
            wait_until(
                lambda: uptime() >= came + kill.after_s or process.poll() is not None, timeout_s=10, what="just after"
            )
            was_alive = process.poll() is None
            process.kill()
            process.wait(30)
            sight.drain()
            further = len(sight.events) - 1 - sight.events.index(kill.event)
        if not was_alive and kill.after_s:
            return "the controller had ended by then"
        assert was_alive, f"the controller had ended before it was killed at {kill.event}"
        assert process.returncode == -signal.SIGKILL, process.returncode
        return f"{further} steps further" if further else "exactly there"

    def _run_again(self, project: Project, text: str, before: dict[str, Look]) -> list[str]:
        """What is not as it must be after the same command, to which nothing is done."""
        again: Said = project(*_ARGUMENTS, *_TIMEOUT, code=None, timeout_s=180)
        planned: Said = project("plan", _POP, "--detailed-exitcode", code=None)
        wrong = []
        if again.code != 0 or planned.code != 0:
            said = f"{again.out}{again.err}{planned.out}"
            wrong.append(f"run again: exit {again.code}, then plan: exit {planned.code}: {said}")
        for target in self._made.group:
            now, was = target.look(), before[target.name]
            is_new = now.live == now.disk != was.disk and now.alias.endswith(f", {text}")
            if not is_new or now.generation != was.generation + 1:
                wrong.append(f"{target.name} after it was run again: {now}, before all: {was}")
        return wrong


def _has_decided(target: Target, watcher: Watcher) -> bool:
    if target.pending() is not None:
        return uptime() > watcher.deadline() + GRACE_S + 5
    return target.is_up() and bool(watcher.samples) and not target.is_busy()


def _wrong(target: Target, watcher: Watcher, before: Look, *, after: Look, text: str) -> Iterator[str]:
    """What the kill left that must not be: every device is wholly as it was, or wholly new."""
    if target.pending() is not None:
        yield f"still pending {GRACE_S + 5:g} s after its deadline"
    left = target.sh(f"ls -A {STATE}/pending; ls -A {target.router.folder} | grep netorch || true").split()
    if left:
        yield f"left behind: {' '.join(left)}"
    if after.generation == before.generation:
        if after != before:
            yield f"{after}, before: {before}"
    else:
        journal = json.loads(target.path(f"{STATE}/generations/{after.generation}/journal.json").read_text())
        stamp = journal["daemon"]["candidate"]
        if not after.live == after.disk == stamp or not after.alias.endswith(f", {text}"):
            yield f"half confirmed: {after}, its generation has {stamp}"
    changes = watcher.changes.values()
    lost = {c["daemon"]["candidate"] for c in changes if not target.is_confirmed(c["id"])} - {None, before.live}
    last = watcher.last_live(lost)
    if last is not None and last > watcher.deadline() + GRACE_S + target.router.undo_s:
        yield f"unconfirmed {last - watcher.deadline():.1f} s after its deadline"
