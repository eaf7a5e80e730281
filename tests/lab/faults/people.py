"""Other people and other programs at work on the same device at the same time."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Optional

from netorch.agent.clock import uptime
from tests.lab.faults.bed import BIRD_CONF, Attempt
from tests.lab.faults.daemon import kill_bird
from tests.lab.faults.play import finish
from tests.lab.faults.steps import Step, choose_step, stopped_agent
from tests.lab.operator_shell import Said
from tests.lab.quick_lab import Project
from tests.waiting import wait_until


def _configure(attempt: Attempt) -> None:
    attempt.target.sh("birdc configure || true")


def _hang_up(attempt: Attempt) -> None:
    os.kill(attempt.target.service_pid("bird"), signal.SIGHUP)


def _confirm(attempt: Attempt) -> None:
    attempt.target.sh("birdc configure confirm || true")


def _reload(attempt: Attempt) -> None:
    attempt.target.sh("birdc reload all")


def _undo(attempt: Attempt) -> None:
    attempt.target.sh("birdc configure undo || true")


TIMEOUT_S = 7


def _configure_for_a_while(attempt: Attempt) -> None:
    attempt.target.sh(f"birdc configure timeout {TIMEOUT_S}")
    attempt.quiet_until = uptime() + TIMEOUT_S + 1


def _edit(attempt: Attempt) -> None:
    path = attempt.target.path(BIRD_CONF)
    path.write_text(path.read_text() + "# by hand\n")


def _edit_and_load(attempt: Attempt) -> None:
    path = attempt.target.path(BIRD_CONF)
    path.write_text('define NETORCH_STAMP = "by hand";\n' + path.read_text().partition(";\n")[2])
    _configure(attempt)


def _break_and_load(attempt: Attempt) -> None:
    attempt.target.path(BIRD_CONF).write_text("nonsense\n")
    attempt.target.sh("birdc configure | grep -q 'syntax error'")


HANDS: dict[str, Callable[[Attempt], None]] = {
    "configure": _configure,
    "SIGHUP": _hang_up,
    "restart": kill_bird,
    "configure confirm": _confirm,
    "configure undo": _undo,
    "configure timeout": _configure_for_a_while,
    "reload": _reload,
    "edit": _edit,
    "edit and configure": _edit_and_load,
    "break and configure": _break_and_load,
}


def human(attempt: Attempt) -> Optional[Said]:
    """Somebody's hand on BIRD or its file while the change is pending, at any step of the agent."""
    what = attempt.choice
    command, number = choose_step(attempt, confirm_calls=26)
    with stopped_agent(attempt, command), attempt.project.running(*attempt.arguments()) as process:
        step = Step(attempt, command, number if command == "apply" else 1)
        while step.call and attempt.target.pending() is None:
            step.next()
        for _ in range(number if command == "confirm" else 0):
            pending = attempt.target.pending()
            if not step.call or pending is None or (pending["phase"] == "confirmed" and step.call == "rename"):
                break  # once the file is in place it is anybody's to edit
            step.next()
        if attempt.target.pending() is None:  # the agent ended: a change that came through waits to be confirmed
            attempt.until(
                lambda: attempt.target.pending() is not None or process.poll() is not None, 20, "it is pending"
            )
        pending = attempt.target.pending()
        if pending is not None:
            HANDS[what](attempt)
            attempt.events.append(f"{what} while {pending['phase']}, before {step.call}")
        step.end("go")
        assert pending is not None, f"{attempt.seed}: nothing was pending: {attempt.events}"
        return finish(attempt, process, timeout_s=120)


def second_controller(attempt: Attempt) -> Optional[Said]:
    """Two operators with different plans at once: no mixture, and nobody is told of a success that is not there."""
    told = f"{attempt.told} of the other"
    other = attempt.bed.checkout({attempt.target.pop: told})
    return _race(attempt, other, attempt.arguments(), told)


def cron(attempt: Attempt) -> Optional[Said]:
    """``netorch run`` from cron, with what was there before, while somebody deploys by hand."""
    other = attempt.bed.checkout({attempt.target.pop: attempt.target.told})
    return _race(attempt, other, ("run", attempt.target.name), attempt.target.told)


def _race(attempt: Attempt, other: Project, arguments: tuple[str, ...], other_told: str) -> Said:
    """Both start within a second of each other. What is there in the end is what one of those wanted that report success."""
    offset_s = attempt.random.uniform(-0.4, 0.8)
    runs = [(attempt.project, attempt.arguments()), (other, arguments)]
    first, second = runs if offset_s > 0 else runs[::-1]
    with first[0].running(*first[1]) as one:
        started = uptime()
        wait_until(lambda: uptime() - started >= abs(offset_s), timeout_s=10, what="it is the second one's turn")
        overlap = one.poll() is None
        with second[0].running(*second[1]) as two:
            said = {first[0].folder: finish(attempt, one), second[0].folder: other.finish(two, timeout_s=90)}
    attempt.until(lambda: attempt.target.pending() is None, 60, "the device has decided")
    own, others = said[attempt.project.folder], said[other.folder]
    assert overlap, f"{attempt.seed}: the two did not run at the same time"
    attempt.events[:] = [f"exit {own.code}, the other exit {others.code}, {offset_s:+.2f} s later"]
    wanted = {attempt.told: own.code, other_told: others.code, attempt.target.told: 0}
    text = attempt.target.path(BIRD_CONF).read_text()
    (found,) = [told for told in wanted if f"{told}," in text or f'{told}"' in text]
    assert wanted[found] == 0, f"{attempt.seed}: {found!r} is there, and its controller said {wanted[found]}"
    attempt.told = found
    attempt.bed.forget(other)
    return own
