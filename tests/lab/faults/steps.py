"""Agents that are stopped, killed, or lose their machine at a chosen step of their work."""

from __future__ import annotations

import platform
import subprocess
import sys
from typing import Optional, Protocol

from netorch.lab import start_node, stop_node
from tests.lab.faults import tracer
from tests.lab.faults.asked import held, held_agent
from tests.lab.faults.bed import Attempt, Target
from tests.lab.faults.play import CannotInject, finish
from tests.lab.operator_shell import Said


class Stepped(Protocol):
    """Whose agent is followed, and where that is told."""

    target: Target
    events: list[str]


class Step:
    """The agent of ``command`` at its N-th step. ``call`` is what it is about to do, "" once it has ended."""

    def __init__(self, attempt: Stepped, command: str, number: int) -> None:
        if platform.machine() not in tracer.CALLS:
            raise CannotInject(f"no table of system calls for {platform.machine()}")
        agent = held(attempt.target, command)
        self._tracer = subprocess.Popen(
            [sys.executable, "-I", "-S", tracer.__file__, str(agent), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()
        where = f"step {number}: {self.call}" if self.call else f"only {self._count} steps"
        attempt.events.append(f"{command}, {where}")

    def _read(self) -> None:
        assert self._tracer.stdout is not None
        said = self._tracer.stdout.readline().split()
        assert said[:1] in (["at"], ["ended"]), said
        self.call = said[1] if said[0] == "at" else ""
        self._count = said[1]

    def next(self) -> None:
        """Let the agent make this call, and stop before the next."""
        self.say("next")
        self._read()

    def say(self, word: str) -> None:
        """Tell the tracer, and do not wait for what comes of it."""
        assert self._tracer.stdin is not None
        self._tracer.stdin.write(f"{word}\n")
        self._tracer.stdin.flush()

    def end(self, word: str) -> None:
        """Let the agent be killed there (``kill``), hang there (``stop``), or go on for good (``go``)."""
        with self._tracer as process:
            process.communicate(f"{word}\n" if self.call else "", timeout=30)


def choose_step(attempt: Attempt, *, confirm_calls: int = 0) -> tuple[str, int]:
    """A command of the agent, and which of its steps; of a confirmation's only the first ``confirm_calls``, where given."""
    router = attempt.target.router
    command = attempt.random.choice(("apply", "apply", "confirm"))
    most = router.apply_calls if command == "apply" else confirm_calls or router.confirm_calls
    return command, attempt.random.randint(1, most)


def kill_agent(attempt: Attempt) -> Optional[Said]:
    """SIGKILL for the agent just before one of the system calls that leave something behind."""
    command, number = choose_step(attempt)
    with held_agent(attempt.target, command), attempt.project.running(*attempt.arguments()) as process:
        step = Step(attempt, command, number)
        step.end("kill")
        said = finish(attempt, process)
        assert said.code != 0 or not step.call, "a killed agent cannot have answered"
        return said


HANGS = ("before its watchdog runs", "beside its watchdog", "confirming", "beside its watchdog")
"""Where an agent hangs."""


def hang_agent(attempt: Attempt) -> Optional[Said]:
    """SIGSTOP for the agent, the lock in its hand: its watchdog ends it, or the next call where there is none yet."""
    command = "confirm" if attempt.choice == "confirming" else "apply"
    with held_agent(attempt.target, command), attempt.project.running(*attempt.arguments()) as process:
        step = Step(attempt, command, attempt.random.randint(1, 26) if command == "confirm" else 1)
        while step.call and not _is_where(attempt, command):
            step.next()
        for _ in range(attempt.random.randint(0, 18) if attempt.choice == "beside its watchdog" else 0):
            step.next()
        attempt.events.append(f"hangs before {step.call}")
        assert step.call, f"{attempt.seed}: the agent had ended: {attempt.events}"
        step.end("stop")
        said = finish(attempt, process, timeout_s=150)
    assert said.code != 0, "an agent that hangs cannot have answered"
    if attempt.choice == "before its watchdog runs":
        look = attempt.target.look()
        assert look == attempt.before, f"{attempt.seed}: {look}, {attempt.before} before"
        attempt.project("plan", attempt.target.name)
        assert attempt.target.pending() is None, f"{attempt.seed}: the next call did not end it"
    return said


def _is_where(attempt: Attempt, command: str) -> bool:
    """Whether the agent is where it is to hang: a watchdog is a third process of that name."""
    if attempt.target.pending() is None:
        return False
    return attempt.choice != "beside its watchdog" or len(attempt.target.processes(command)) > 2


def restart_device(attempt: Attempt) -> Optional[Said]:
    """The machine loses its power there, and comes back."""
    command, number = choose_step(attempt)
    with held_agent(attempt.target, command), attempt.project.running(*attempt.arguments()) as process:
        step = Step(attempt, command, number)
        _cut_power(attempt, step)
        return finish(attempt, process)


def restart_between_confirmation_and_rename(attempt: Attempt) -> Optional[Said]:
    """The journal says that the change is confirmed; none, or some, of what follows has been done."""
    further = attempt.random.randint(0, 3)
    with held_agent(attempt.target, "confirm"), attempt.project.running(*attempt.arguments()) as process:
        step = Step(attempt, "confirm", 1)
        while step.call and not _is_confirmed(attempt):
            step.next()
        for _ in range(further):
            step.next()
        assert _is_confirmed(attempt), "the journal was not found between confirmation and rename"
        attempt.events.append(f"power lost {further} steps after the journal says so, before {step.call}")
        _cut_power(attempt, step)
        return finish(attempt, process)


def _is_confirmed(attempt: Attempt) -> bool:
    pending = attempt.target.pending()
    return pending is not None and pending["phase"] == "confirmed"


def _cut_power(attempt: Attempt, step: Step) -> None:
    settings = attempt.bed.lab.settings
    first = attempt.target.root
    if step.call:
        step.say("power")
    stop_node(attempt.target.name, settings)
    step.end("go")
    start_node(attempt.target.name, settings)
    assert attempt.target.root != first, "the device has another first process"
