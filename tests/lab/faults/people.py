"""Other people and other programs at work on the same device at the same time."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Optional

from netorch.agent.clock import uptime
from tests.lab.faults import frr
from tests.lab.faults.asked import held, held_agent, hold, release
from tests.lab.faults.bed import Attempt
from tests.lab.faults.daemon import kill_bird
from tests.lab.faults.play import finish
from tests.lab.faults.steps import Step, choose_step
from tests.lab.operator_shell import Said
from tests.lab.quick_lab import Project
from tests.lab.stopping import go_on
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
    path = attempt.target.configuration
    path.write_text(path.read_text() + "# by hand\n")


def _edit_and_load(attempt: Attempt) -> None:
    path = attempt.target.configuration
    path.write_text('define NETORCH_STAMP = "by hand";\n' + path.read_text().partition(";\n")[2])
    _configure(attempt)


def _break_and_load(attempt: Attempt) -> None:
    attempt.target.configuration.write_text("nonsense\n")
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
    """Somebody's hand on the daemon or its file while the change is pending, at any step of the agent."""
    what, target = attempt.choice, attempt.target
    hands = frr.HANDS if target.router.name == "frr" else HANDS
    command, number = choose_step(attempt, confirm_calls=26)
    with held_agent(target, command), attempt.project.running(*attempt.arguments()) as process:
        step = Step(attempt, command, number if command == "apply" else 1)
        if command == "apply":
            hold(target, "confirm")  # where the apply has fewer steps than that, its change waits there
        while step.call and target.pending() is None:
            step.next()
        for _ in range(number if command == "confirm" else 0):
            pending = target.pending()
            if not step.call or pending is None or (pending["phase"] == "confirmed" and step.call == "rename"):
                break  # once the file is in place it is anybody's to edit
            step.next()
        waiting = held(target, "confirm") if command == "apply" and not step.call else None
        release(target)
        pending = target.pending()
        if pending is not None:
            hands[what](attempt)
            attempt.events.append(f"{what} while {pending['phase']}, before {step.call or 'it is confirmed'}")
        step.end("go")
        if waiting is not None:
            go_on(waiting)
        assert pending is not None, f"{attempt.seed}: nothing was pending: {attempt.events}"
        return finish(attempt, process, timeout_s=120)


MOMENTS = ("facts", "apply", "confirm")
"""What a controller's agent is about to do when another controller comes."""

RACE_TIMEOUT_S = 30.0
"""For a confirmation that waits until another interpreter has started, on a busy machine."""


def second_controller(attempt: Attempt) -> Optional[Said]:
    """Two operators with different plans at once: no mixture, and nobody is told of a success that is not there."""
    told = f"{attempt.told} of the other"
    other = attempt.bed.checkout({attempt.target.pop: told})
    return _race(attempt, other, attempt.arguments(timeout_s=RACE_TIMEOUT_S), told)


def cron(attempt: Attempt) -> Optional[Said]:
    """``netorch run`` from cron, with what was there before, while somebody deploys by hand."""
    other = attempt.bed.checkout({attempt.target.pop: attempt.target.told})
    return _race(attempt, other, ("run", attempt.target.name), attempt.target.told)


def _race(attempt: Attempt, other: Project, arguments: tuple[str, ...], other_told: str) -> Said:
    """One is held at a moment of its work until the other is at work too; then both go on. What is there in the end is what one
    of those wanted that report success."""
    target, dice = attempt.target, attempt.random
    runs = [(attempt.project, attempt.arguments(timeout_s=RACE_TIMEOUT_S)), (other, arguments)]
    first, second = dice.choice((runs, runs[::-1]))
    moment = dice.choice(MOMENTS if first[1][0] == "deploy" else MOMENTS[:1])
    with held_agent(target, moment), first[0].running(*first[1]) as one:
        early = held(target, moment)
        with held_agent(target, "facts"), second[0].running(*second[1]) as two:
            late = held(target, "facts", but=early)
            assert one.poll() is None, f"{attempt.seed}: the first one has ended"
            assert two.poll() is None, f"{attempt.seed}: the second one has ended"
            how = _let_go(attempt, {"first": early, "second": late})
            said = {first[0].folder: finish(attempt, one), second[0].folder: other.finish(two, timeout_s=90)}
    attempt.until(lambda: target.pending() is None, 60, "the device has decided")
    own, others = said[attempt.project.folder], said[other.folder]
    order = "own" if first is runs[0] else "the other"
    attempt.events[:] = [f"{order} first, held at {moment}, {how}: exit {own.code}, the other exit {others.code}"]
    wanted = {attempt.told: own.code, other_told: others.code, target.told: 0}
    text = target.configuration.read_text()
    (found,) = [told for told in wanted if f"{told}," in text or f'{told}"' in text or f"{told}\n" in text]
    assert wanted[found] == 0, f"{attempt.seed}: {found!r} is there, and its controller said {wanted[found]}"
    attempt.told = found
    attempt.bed.forget(other)
    return own


def _let_go(attempt: Attempt, agents: dict[str, int]) -> str:
    """Both go on, in either order, one up to two seconds before the other; how it was."""
    names = attempt.random.sample(sorted(agents), 2)
    pause_s = attempt.random.choice((0.0, attempt.random.uniform(0.0, 2.0)))
    began = uptime()
    go_on(agents[names[0]])
    wait_until(lambda: uptime() - began >= pause_s, timeout_s=10, what=f"it is the {names[1]} one's turn")
    go_on(agents[names[1]])
    return f"the {names[0]} goes on {pause_s:.2f} s before the {names[1]}"
