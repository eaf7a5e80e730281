"""What only FRR can suffer: several programs of which one dies or hangs, a load that is killed half-way or refused in part, and
somebody who types into vtysh."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Optional

from netorch.agent.clock import uptime
from netorch.lab import enter_command, set_service
from tests.lab.faults.asked import held_agent
from tests.lab.faults.bed import Attempt
from tests.lab.faults.controller import at_moment
from tests.lab.faults.daemon import hang
from tests.lab.faults.play import finish
from tests.lab.faults.steps import Step, choose_step
from tests.lab.operator_shell import Said
from tests.lab.stopping import go_on, is_stopped
from tests.waiting import wait_until

PROGRAMS = ("bgpd", "zebra", "staticd")
LOADING = ("frr-reload.py", "vtysh")
"""What may be killed while FRR loads."""

_LOAD_TIMEOUT_S = 60.0
_VTYSH, REAL_VTYSH = "/usr/bin/vtysh", "/usr/bin/vtysh.real"
_HELD_HALF_WAY = "/run/vtysh-held"
# The first that types what is loaded stops when it has typed half of it.
_HOLDS_HALF_WAY = f"""#!/bin/bash
last=
for word; do
    case "$last $word" in
    "-f /run/netorch/"*)
        if mkdir {_HELD_HALF_WAY} 2>/dev/null; then
            head -n "$(($(wc -l < "$word") / 2))" "$word" > {_HELD_HALF_WAY}/half
            {REAL_VTYSH} -f {_HELD_HALF_WAY}/half
            kill -STOP $$
        fi ;;
    esac
    last=$word
done
exec -a vtysh {REAL_VTYSH} "$@"
"""


def pid_of(attempt: Attempt, program: str) -> Optional[int]:
    """The process of a program, None while it does not run."""
    try:
        return attempt.target.service_pid(program)
    except (OSError, TypeError, KeyError):
        return None


def kill_program(attempt: Attempt, program: str) -> None:
    """SIGKILL; its supervisor has started it again when this returns."""
    before = attempt.target.service_pid(program)
    os.kill(before, signal.SIGKILL)
    attempt.until(lambda: pid_of(attempt, program) not in (None, before), 20, f"{program} was started again")


def killed(attempt: Attempt) -> Optional[Said]:
    """One program dies at a step of the agent, and comes back with what is on disk."""
    command, number = choose_step(attempt)
    with held_agent(attempt.target, command), attempt.project.running(*attempt.arguments()) as process:
        step = Step(attempt, command, number)
        kill_program(attempt, attempt.choice)
        step.end("go")
        return finish(attempt, process, timeout_s=120)


def killed_loading(attempt: Attempt) -> Optional[Said]:
    """What loads the candidate dies somewhere in the middle: frr-reload.py itself, or the vtysh that types for it."""
    holding = in_place_of_vtysh(attempt, _HOLDS_HALF_WAY) if attempt.choice == "vtysh" else nullcontext()
    with holding, held_agent(attempt.target, "apply"), attempt.project.running(*attempt.arguments()) as process:
        step = Step(attempt, "apply", 1)
        step.end("go")
        wait_until(
            lambda: _kill_one(attempt), timeout_s=_LOAD_TIMEOUT_S, what=f"{attempt.choice} is killed while it loads"
        )
        attempt.events.append(f"{attempt.choice} killed while it loads")
        return finish(attempt, process, timeout_s=120)


@contextmanager
def in_place_of_vtysh(attempt: Attempt, script: str) -> Iterator[None]:
    """``script`` is what everybody on the device takes for vtysh; the real one is REAL_VTYSH meanwhile."""
    own, real = attempt.target.path(_VTYSH), attempt.target.path(REAL_VTYSH)
    os.rename(own, real)
    try:
        own.write_text(script)
        own.chmod(0o755)
        yield
    finally:
        os.rename(real, own)
        attempt.target.sh(f"rm -rf {_HELD_HALF_WAY}")


def _kill_one(attempt: Attempt) -> bool:
    """Kill what loads, or the vtysh that is held for it; whether there was one."""
    if attempt.choice == "vtysh":
        victims = [pid for pid in attempt.target.processes(_VTYSH) if is_stopped(pid)]
    else:
        victims = []
        _stop_one(attempt, victims)
    for victim in victims:
        with suppress(ProcessLookupError):  # it had just ended
            os.kill(victim, signal.SIGKILL)
            return True
    return False


def _loaders(attempt: Attempt) -> list[int]:
    return attempt.target.processes("/usr/lib/frr/frr-reload.py", "--reload")


def _parent(pid: int) -> int:
    """Who started the process; 0 for one that has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            state, parent = file.read().rpartition(")")[2].split()[:2]
    except OSError:
        return 0
    return 0 if state in "ZX" else int(parent)


LEFT_BEHIND = ("goes on at once", "goes on after the deadline")
"""What becomes of the load when the agent that began it is dead."""


def killed_agent_loading(attempt: Attempt) -> Optional[Said]:
    """The agent dies while FRR loads: the load is left behind, and must not go on typing once everything was put back."""
    with held_agent(attempt.target, "apply"), attempt.project.running(*attempt.arguments()) as process:
        step = Step(attempt, "apply", 1)
        step.end("go")
        loaders: list[int] = []
        wait_until(lambda: _stop_one(attempt, loaders), timeout_s=_LOAD_TIMEOUT_S, what="FRR loads")
        (loader,) = loaders
        try:
            os.kill(_parent(loader), signal.SIGKILL)
            attempt.events.append(f"the load {attempt.choice}")
            said = finish(attempt, process, timeout_s=60)
            if attempt.choice == "goes on after the deadline":
                attempt.until(lambda: attempt.target.pending() is None, 90, "the watchdog has undone it")
                assert not os.path.exists(f"/proc/{loader}"), f"{attempt.seed}: the load is still there"
        finally:
            go_on(loader)
        return said


def _stop_one(attempt: Attempt, into: list[int]) -> bool:
    """Stop what loads; whether there was something, which is put ``into`` the list."""
    for loader in _loaders(attempt):
        with suppress(ProcessLookupError):
            os.kill(loader, signal.SIGSTOP)
            wait_until(lambda loader=loader: is_stopped(loader) or not _parent(loader), what="it has stopped, or ended")  # type: ignore[misc]
            if is_stopped(loader):
                into.append(loader)
                return True
    return False


def crash_loop(attempt: Attempt) -> Optional[Said]:
    """One program dies as often as it comes, from the moment that something is pending until after the deadline."""
    program, _, moment = attempt.choice.partition(", ")
    dead: list[int] = []

    def die() -> None:
        pid = pid_of(attempt, program)
        if pid is not None and pid not in dead[-1:]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            dead.append(pid)

    def is_over() -> bool:
        die()
        return uptime() - started >= lasts_s and len(dead) > 1

    lasts_s = attempt.random.uniform(3.0, 12.0)
    with held_agent(attempt.target, "apply"), attempt.project.running(*attempt.arguments()) as process:
        at_moment(attempt, moment, "apply", die)
        started = uptime()
        wait_until(is_over, timeout_s=60, what=f"{program} has died again, for long enough")
        attempt.excused_until = uptime()
        said = finish(attempt, process)
        attempt.events.append(f"{len(dead)} deaths, given up after {uptime() - started:.1f} s at most")
    return said


def stays_dead(attempt: Attempt) -> Optional[Said]:
    """One program ends while the change is pending, and nobody starts it again until long after the deadline."""
    target, settings = attempt.target, attempt.bed.lab.settings
    try:
        with held_agent(target, "apply"), attempt.project.running(*attempt.arguments()) as process:
            at_moment(
                attempt,
                "armed",
                "apply",
                lambda: set_service(target.name, attempt.choice, settings, running=False),
            )
            said = finish(attempt, process, timeout_s=120)
            end = attempt.watcher.deadline() + attempt.random.uniform(1.0, 8.0)
            wait_until(lambda: uptime() >= end, timeout_s=60, what="the deadline has passed")
    finally:
        set_service(target.name, attempt.choice, settings, running=True)
    attempt.excused_until = uptime()
    return said


def hanging(attempt: Attempt) -> Optional[Said]:
    """SIGSTOP for one program at a step of the agent; it goes on long after the controller has given up."""
    program = attempt.choice
    return hang(attempt, program, is_silent=lambda: is_stopped(attempt.target.service_pid(program)))


REFUSED: dict[str, str] = {
    "a session without its AS number": "router bgp 64500\n neighbor 9.9.9.9 description nobody knows it\nexit\n",
    "a profile that is not there": "router bgp 64500\n neighbor 9.9.9.9 bfd profile nowhere\nexit\n",
}
"""Lines that ``vtysh -C`` is content with, and the program that gets them is not."""


def refused_half_way(attempt: Attempt) -> Optional[Said]:
    """FRR takes every line but one."""
    attempt.project.override("frr/local-switch.conf.j2", f"!\n{REFUSED[attempt.choice]}")
    with attempt.project.running(*attempt.arguments()) as process:
        said = finish(attempt, process, timeout_s=120)
    assert said.code in (1, 6), f"{attempt.seed}: exit {said.code}: {said.out}{said.err}"
    assert "9.9.9.9" in said.out + said.err, f"{attempt.seed}: the line is not named: {said.out}{said.err}"
    return said


_DEADLY = "!\nroute-map deadly permit 5\n match metric 0\nexit\n"
"""``vtysh -C`` is content with it. 10.3 refuses it, as it does a metric of 0; 8.4.4 refuses it, keeps half of it, and every
program that knows route maps dies when it is asked what it runs."""


def deadly(attempt: Attempt) -> Optional[Said]:
    """FRR dies of the candidate, or refuses it."""
    before = attempt.target.service_pid("bgpd")
    attempt.project.override("frr/local-switch.conf.j2", _DEADLY)
    with attempt.project.running(*attempt.arguments()) as process:
        said = finish(attempt, process, timeout_s=120)
    has_died = pid_of(attempt, "bgpd") != before
    attempt.events.append("bgpd died" if has_died else "refused")
    assert has_died or "metric" in said.out + said.err, f"{attempt.seed}: exit {said.code}: {said.out}{said.err}"
    assert said.code in (1, 6), f"{attempt.seed}: exit {said.code}: {said.out}{said.err}"
    return said


def _type(attempt: Attempt, *lines: str) -> None:
    words = " ".join(f"-c '{line}'" for line in ("configure terminal", *lines))
    attempt.target.sh(f"vtysh {words} || true")


_NO_CHANGE = "ip prefix-list bogons_ipv4 seq 1 permit 0.0.0.0/8 le 32"
"""A line that is there."""

_TYPED = "/run/typed"
_TYPES = f"while :; do vtysh -c 'configure terminal' -c '{_NO_CHANGE}' >/dev/null 2>&1; echo >> {_TYPED}; done"


def typing(attempt: Attempt) -> Optional[Said]:
    """Somebody, or a program, types into vtysh all the while: it changes nothing, and takes the lock of 10.3's configuration."""
    typed = attempt.target.path(_TYPED)
    argv = enter_command(attempt.target.name, ("sh", "-c", _TYPES), attempt.bed.lab.settings)
    # A session of its own: what enters the device leaves a child there that is to end with it.
    with subprocess.Popen(argv, start_new_session=True) as human:
        try:
            attempt.until(typed.exists, 20, "somebody types")
            with attempt.project.running(*attempt.arguments()) as process:
                said = finish(attempt, process, timeout_s=120)
        finally:
            os.killpg(human.pid, signal.SIGKILL)
    attempt.events.append(f"typed {len(typed.read_text())} times")
    typed.unlink()
    assert _NO_CHANGE in attempt.target.configuration.read_text(), "the line is none of the configuration's"
    return said


def _shut(attempt: Attempt) -> None:
    number = int(attempt.target.pop.removeprefix("pop"))
    _type(attempt, "router bgp 64500", f"neighbor 203.0.113.{4 * number + 1} shutdown")


def _add_route(attempt: Attempt) -> None:
    _type(attempt, "ip route 10.77.0.0/16 blackhole")


def _take_filter(attempt: Attempt) -> None:
    _type(attempt, "no route-map netorch_stamp deny 1")


def _write(attempt: Attempt) -> None:
    attempt.target.sh("vtysh -c 'write memory' || true")


def _reload(attempt: Attempt) -> None:
    attempt.target.sh(f"/usr/lib/frr/frr-reload.py --reload {attempt.target.router.configuration} || true")


def _restart(attempt: Attempt) -> None:
    for program in PROGRAMS:
        kill_program(attempt, program)


def _edit(attempt: Attempt) -> None:
    path = attempt.target.configuration
    path.write_text(path.read_text() + "! by hand\n")


def _edit_and_reload(attempt: Attempt) -> None:
    path = attempt.target.configuration
    stamp = attempt.target.router.stamp_of(path.read_text())
    path.write_text(f"{path.read_text().replace(f' description {stamp}', ' description by-hand')}! by hand\n")
    _reload(attempt)


HANDS: dict[str, Callable[[Attempt], None]] = {
    "shutdown": _shut,
    "a route": _add_route,
    "the stamp taken away": _take_filter,
    "write memory": _write,
    "reload": _reload,
    "restart": _restart,
    "edit": _edit,
    "edit and reload": _edit_and_reload,
}
