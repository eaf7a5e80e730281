"""Controllers that die, and paths to the device that break."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from typing import Optional

from netorch.agent.clock import uptime
from netorch.lab import set_link
from tests.lab.faults.asked import held, held_agent, hold, release
from tests.lab.faults.bed import Attempt, Target
from tests.lab.faults.path import Path, lead_through
from tests.lab.faults.play import finish
from tests.lab.faults.steps import Step
from tests.lab.operator_shell import Said
from tests.lab.stopping import go_on, stopped
from tests.waiting import wait_until

USUAL_UP_BYTES, USUAL_DOWN_BYTES = 17_000, 22_000
"""What a deploy of this size sends at least to the device, and gets from it, measured: a break at a byte below comes."""

REQUEST_BYTES = 4_000
"""Less than any request to apply something here has."""

ERROR_WITHIN_S = 20.0


MOMENTS = ("any time", "asking for facts", "upload", "armed", "checks", "applied", "confirm")
"""Of a deploy, when its controller is killed."""


def kill_controller(attempt: Attempt) -> Optional[Said]:
    """SIGKILL: at a moment of the first seconds, or while the device is at a step."""
    moment = attempt.choice
    command = {"asking for facts": "facts", "any time": "", "confirm": "confirm"}.get(moment, "apply")
    holding = held_agent(attempt.target, command) if command else nullcontext()
    with holding, attempt.project.running(*attempt.arguments()) as process:
        if command:
            at_moment(attempt, moment, command, lambda: kill(process))
            assert process.returncode == -signal.SIGKILL, f"{attempt.seed}: it ended before it was killed"
            return None
        seconds, started = attempt.random.uniform(0.0, 3.0), uptime()
        wait_until(
            lambda: uptime() - started >= seconds or process.poll() is not None, timeout_s=10, what="its time has come"
        )
        _note_phase(attempt, moment)
        kill(process)
        return None if process.returncode == -signal.SIGKILL else finish(attempt, process)


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL; it is gone when this returns."""
    process.kill()
    process.wait()


def at_moment(attempt: Attempt, moment: str, command: str, harm: Callable[[], None]) -> None:
    """Do ``harm`` while the held agent of ``command`` is at ``moment``, then let it go on: its controller waits meanwhile, and
    cannot be faster. ``moment`` is one of MOMENTS, or ``apply`` for any step of it."""
    target = attempt.target
    if moment not in ("armed", "apply", "checks", "applied"):
        agent = held(target, command)
        _note_phase(attempt, moment)
        harm()
        go_on(agent)
        return
    step = Step(attempt, command, attempt.random.randint(1, target.router.apply_calls) if moment == "apply" else 1)
    hold(target, "confirm")  # where the apply has fewer steps than that, its change waits there
    while step.call and not _is_at(target, moment):
        step.next()
    waiting = None if step.call else held(target, "confirm")
    release(target)
    assert _is_at(target, moment), f"{attempt.seed}: it never was at {moment}"
    _note_phase(attempt, moment)
    harm()
    step.end("go")
    if waiting is not None:
        go_on(waiting)


def _is_at(target: Target, moment: str) -> bool:
    pending = target.pending()
    if pending is None:
        return False
    if moment == "checks":
        return bool(target.live() == pending["daemon"]["candidate"])
    return moment != "applied" or pending["phase"] == "applied"


def _note_phase(attempt: Attempt, moment: str) -> None:
    pending = attempt.target.pending() or {"phase": "nothing pending"}
    attempt.events.append(f"at {moment} ({pending['phase']})")


def cut_path(attempt: Attempt) -> Optional[Said]:
    """The connections are reset, now and from then on, once a chosen number of bytes has passed."""
    return _broken(attempt, "cut")


def silent_path(attempt: Attempt) -> Optional[Said]:
    """Half-open: the connections stay, and nothing comes through any more."""
    return _broken(attempt, "silent")


PLACES = ("any byte up", "any byte down", "upload", "apply", "checks", "confirm")
"""Of a deploy, where its path breaks."""


def _broken(attempt: Attempt, how: str) -> Said:
    command = {"upload": "apply", "apply": "apply", "checks": "apply", "confirm": "confirm"}.get(attempt.choice, "")
    holding = held_agent(attempt.target, command) if command else nullcontext()
    with Path(attempt.target.address, how) as path, holding:
        if attempt.choice == "any byte up":
            path.break_up = attempt.random.randint(1, USUAL_UP_BYTES)
        elif attempt.choice == "any byte down":
            path.break_down = attempt.random.randint(1, USUAL_DOWN_BYTES)
        elif attempt.choice == "upload":
            path.delay_s = 0.5  # the request is still on its way when its reader is found
        lead_through(attempt.project, attempt, path)
        with attempt.project.running(*attempt.arguments()) as process:
            if command:
                at_moment(attempt, attempt.choice, command, lambda: _break(attempt, path))
            wait_until(lambda: path.broken.is_set() or process.poll() is not None, timeout_s=60, what="the path breaks")
            assert path.broken.is_set(), f"it never came to {attempt.choice}: {path.up} bytes up, {path.down} down"
            broken = uptime()
            if not command:
                _note_phase(attempt, attempt.choice)
            attempt.events.append(f"{how} after {path.up} bytes up, {path.down} down")
            said = finish(attempt, process, timeout_s=120)
            took_s = uptime() - broken
            attempt.events.append(f"told after {took_s:.1f} s")
            assert took_s < ERROR_WITHIN_S, f"{attempt.seed}: told only after {took_s:.1f} s: {said.out}{said.err}"
            assert attempt.choice != "upload" or not attempt.watcher.changes, "half a request was begun"
            if attempt.choice in ("apply", "checks", "confirm"):
                assert "unknown" in said.out, f"{attempt.seed}: more was told than can be known: {said.out}{said.err}"
            return said


def _break(attempt: Attempt, path: Path) -> None:
    if attempt.choice == "upload":
        path.break_up = path.up + attempt.random.randint(1, REQUEST_BYTES)
        path.delay_s = 0.0
        wait_until(path.broken.is_set, timeout_s=10, what="the path breaks in the middle of the request")
    else:
        path.broken.set()


def slow_path(attempt: Attempt) -> Optional[Said]:
    """Every chunk takes its time: the deploy gets through, or says why not."""
    with Path(attempt.target.address, delay_s=attempt.random.uniform(0.05, 0.25)) as path:
        lead_through(attempt.project, attempt, path)
        with attempt.project.running(*attempt.arguments()) as process:
            said = finish(attempt, process, timeout_s=120)
        assert path.connections >= 2
        attempt.events.append(f"{path.delay_s * 1000:.0f} ms a chunk")
        return said


PULLED = ("armed", "checks", "confirm")
"""When the cable is pulled."""


def pulled_cable(attempt: Attempt) -> Optional[Said]:
    """The management interface loses its carrier while the change is pending, and gets it back much later."""
    settings = attempt.bed.lab.settings
    command = "confirm" if attempt.choice == "confirm" else "apply"

    def pull() -> None:
        set_link(attempt.target.name, "mgmt0", settings, connected=False)
        assert attempt.target.path("/sys/class/net/mgmt0/carrier").read_text().strip() == "0"

    with held_agent(attempt.target, command), attempt.project.running(*attempt.arguments()) as process:
        try:
            at_moment(attempt, attempt.choice, command, pull)
            cut = uptime()
            said = finish(attempt, process, timeout_s=120)
            took_s = uptime() - cut
            attempt.events.append(f"told after {took_s:.1f} s")
            assert took_s < ERROR_WITHIN_S, f"{attempt.seed}: told only after {took_s:.1f} s"
            attempt.until(lambda: attempt.target.pending() is None, 30, "the device has decided alone")
        finally:
            set_link(attempt.target.name, "mgmt0", settings, connected=True)
        return said


def stopped_sshd(attempt: Attempt) -> Optional[Said]:
    """sshd takes connections and says nothing: nothing can be done, and that is told in time."""
    with stopped(attempt.target.service_pid("sshd")):
        started = uptime()
        with attempt.project.running(*attempt.arguments()) as process:
            said = finish(attempt, process)
        took_s = uptime() - started
        attempt.events.append(f"told after {took_s:.1f} s")
        assert said.code == 4, said
        assert took_s < ERROR_WITHIN_S + 2, f"{attempt.seed}: told only after {took_s:.1f} s"
        return said


def wrong_host_key(attempt: Attempt) -> Optional[Said]:
    """A key that is not the one in known_hosts, or none there: refused before anything is sent."""
    known = attempt.project.folder / ".lab/known_hosts"
    lines = dict(line.split(" ", 1) for line in known.read_text().splitlines())
    unknown = attempt.choice == "unknown"
    other = next(address for address in lines if address != attempt.target.address)
    if unknown:
        del lines[attempt.target.address]
    else:
        lines[attempt.target.address] = lines[other]
    known.write_text("".join(f"{address} {key}\n" for address, key in lines.items()))
    log = attempt.target.path("/var/log/sshd.log")
    before = log.read_text().count("Accepted") if log.exists() else 0
    with attempt.project.running(*attempt.arguments()) as process:
        said = finish(attempt, process)
    assert said.code == 4, said
    assert "host key" in said.out + said.err
    assert (log.read_text().count("Accepted") if log.exists() else 0) == before, "somebody logged in"
    attempt.events.append("unknown" if unknown else "changed")
    return said
