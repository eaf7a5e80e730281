"""BIRD that dies, dies again and again, hangs, or answers nonsense."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from typing import Optional

from netorch.agent.clock import uptime
from tests.lab.faults.asked import held_agent
from tests.lab.faults.bed import Attempt
from tests.lab.faults.control import Control
from tests.lab.faults.controller import at_moment
from tests.lab.faults.play import finish
from tests.lab.faults.steps import Step, choose_step
from tests.lab.operator_shell import Said
from tests.lab.stopping import stopped
from tests.waiting import wait_until

GIVEN_UP_WITHIN_S = 30.0


def killed(attempt: Attempt) -> Optional[Said]:
    """SIGKILL for BIRD at a step of the agent; its supervisor starts it again, with what is on disk."""
    command, number = choose_step(attempt)
    with held_agent(attempt.target, command), attempt.project.running(*attempt.arguments()) as process:
        step = Step(attempt, command, number)
        kill_bird(attempt)
        attempt.until(lambda: attempt.target.live() is not None, 20, "BIRD is back")
        step.end("go")
        return finish(attempt, process, timeout_s=120)


def kill_bird(attempt: Attempt) -> None:
    """End BIRD; proven by another process in its place."""
    before = attempt.target.service_pid("bird")
    os.kill(before, signal.SIGKILL)
    attempt.until(lambda: _bird(attempt) not in (None, before), 20, "BIRD was started again")


def _bird(attempt: Attempt) -> Optional[int]:
    try:
        return attempt.target.service_pid("bird")
    except (OSError, TypeError):
        return None


def crash_loop(attempt: Attempt) -> Optional[Said]:
    """BIRD dies as often as it comes, from the moment that something is pending until after the deadline."""
    dead: list[int] = []

    def die() -> None:
        pid = _bird(attempt)
        if pid is not None and pid not in dead[-1:]:
            os.kill(pid, signal.SIGKILL)
            dead.append(pid)

    def is_over() -> bool:
        die()
        return uptime() - started >= lasts_s and len(dead) > 1

    lasts_s = attempt.random.uniform(3.0, 12.0)
    with held_agent(attempt.target, "apply"), attempt.project.running(*attempt.arguments()) as process:
        at_moment(attempt, attempt.choice, "apply", die)
        started = uptime()
        wait_until(is_over, timeout_s=60, what="BIRD has died again, for long enough")
        said = finish(attempt, process)
        attempt.events.append(f"{len(dead)} deaths, given up after {uptime() - started:.1f} s at most")
    return said


def hanging(attempt: Attempt) -> Optional[Said]:
    """SIGSTOP for BIRD at a step of the agent; it goes on long after the controller has given up."""
    return hang(attempt, "bird", is_silent=lambda: attempt.target.live() is None)


def hang(attempt: Attempt, program: str, *, is_silent: Callable[[], bool]) -> Said:
    """SIGSTOP for a program of the device at a step of the agent, until some time after the controller has given up.
    ``is_silent`` proves that it does not answer."""
    command, number = choose_step(attempt)
    pid = attempt.target.service_pid(program)
    with held_agent(attempt.target, command), attempt.project.running(*attempt.arguments()) as process:
        step = Step(attempt, command, number)
        with stopped(pid):
            since = uptime()
            assert is_silent(), f"{attempt.seed}: {program} answers"
            step.end("go")
            said = finish(attempt, process, timeout_s=120)
            took_s = uptime() - since
            attempt.events.append(f"given up after {took_s:.1f} s")
            until = since + attempt.random.uniform(0.0, 25.0)
            wait_until(lambda: uptime() >= until, timeout_s=60, what="it is time to go on")
        attempt.excused_until = uptime()
    assert took_s < GIVEN_UP_WITHIN_S, f"{attempt.seed}: given up only after {took_s:.1f} s"
    return said


LIES = ("truncated", "garbage", "another code", "nothing")


class Liar:
    """Changes some of BIRD's answers: from the one numbered ``first`` on, ``count`` of them."""

    def __init__(self, how: str, dice: random.Random) -> None:
        self.how = how
        self.first = dice.randint(0, 14)
        self.count = dice.choice((1, 1, 3, 1000))
        self._dice = dice
        self._seen = 0

    def __call__(self, command: str, reply: bytes) -> Optional[bytes]:
        number, self._seen = self._seen, self._seen + 1
        if not self.first <= number < self.first + self.count:
            return reply
        if self.how == "nothing":
            return None
        if self.how == "truncated":
            return reply[: self._dice.randrange(len(reply))].rstrip(b"\n")
        if self.how == "garbage":
            return self._dice.randbytes(self._dice.randint(1, 400)) + b"\n0000 \n"
        head, _, last = reply[:-1].rpartition(b"\n")
        codes = (b"0000", b"0003", b"0004", b"0013", b"0018", b"0019", b"0020", b"8002", b"9001")
        code = self._dice.choice([code for code in codes if code != last[:4]])
        return head + (b"\n" if head else b"") + code + last[4:] + b"\n"


def lies(attempt: Attempt) -> Optional[Said]:
    """Answers of BIRD that are cut short, garbage, have another code, or never come."""
    liar = Liar(attempt.choice, attempt.random)
    with Control(attempt.target, liar) as control, attempt.project.running(*attempt.arguments()) as process:
        said = finish(attempt, process, timeout_s=150)
        end = attempt.watcher.deadline() + 1
        wait_until(lambda: uptime() > end, timeout_s=90, what="the deadline has passed")
        asked, twisted = len(control.asked), list(control.twisted)
    attempt.excused_until = uptime()
    attempt.events.append(
        f"{liar.how} from answer {liar.first} on, {len(twisted)} of {asked}: {', '.join(twisted[:2])}"
    )
    assert twisted, f"{attempt.seed}: no answer was changed: {attempt.events}"
    return said
