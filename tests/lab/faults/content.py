"""Candidates that are damaged, that hurt, or that somebody should have been asked about."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from typing import Optional

from netorch.agent.clock import uptime
from netorch.lab import enter_command, exec_in
from tests.lab.faults.asked import held_agent
from tests.lab.faults.bed import Attempt
from tests.lab.faults.hurts import HURTS
from tests.lab.faults.play import finish
from tests.lab.faults.steps import Step, choose_step
from tests.lab.operator_shell import Said

CORRUPTED = "/run/corrupted"
_WRAPPER = "/usr/local/sbin/corrupt"
_CORRUPT = """\
import json, random, subprocess, sys
how, seed, *argv = sys.argv[1:]
data, dice = sys.stdin.buffer.read(), random.Random(seed)
if how == "request cut":
    data = data[: dice.randrange(1, len(data))]
else:
    request = json.loads(data)
    file = next(o["item"] for o in request["operations"] if o["item"]["kind"] == "FileItem")
    text, at = file["text"], dice.randrange(len(file["text"]))
    texts = {"text cut": text[:at], "a character": text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :], "empty": ""}
    file["text"] = texts[how]
    data = json.dumps(request).encode()
open("/run/corrupted", "w").write(how)
sys.exit(subprocess.run(["/usr/bin/python3", *argv], input=data).returncode)
"""
DAMAGES = ("text cut", "a character", "empty", "request cut")
_PYTHON = f"""#!/bin/sh
for last; do :; done
[ "$last" = apply ] && exec /usr/bin/python3 {_WRAPPER} "@HOW@" @SEED@ "$@"
exec /usr/bin/python3 "$@"
"""


def damaged_on_the_way(attempt: Attempt) -> Optional[Said]:
    """The request reaches the agent damaged: its hash, or its form, tells."""
    how = attempt.choice
    python = attempt.target.path("/usr/sbin/python3")
    attempt.target.path(_WRAPPER).write_text(_CORRUPT)
    python.write_text(_PYTHON.replace("@HOW@", how).replace("@SEED@", str(attempt.random.randrange(1 << 30))))
    python.chmod(0o755)
    try:
        with attempt.project.running(*attempt.arguments()) as process:
            said = finish(attempt, process)
    finally:
        python.unlink()
    assert attempt.target.path(CORRUPTED).read_text() == how
    attempt.target.path(CORRUPTED).unlink()
    attempt.events.append(how)
    assert said.code == 1, said
    assert not attempt.watcher.candidates(), "it came as far as being tried"
    return said


def damaged_on_disk(attempt: Attempt) -> Optional[Said]:
    """The candidate loses its end on the disk after it was verified, at any step while it is pending."""
    command, number = choose_step(attempt, confirm_calls=16)
    with held_agent(attempt.target, command), attempt.project.running(*attempt.arguments()) as process:
        step = Step(attempt, command, number)
        while step.call and attempt.target.pending() is None:
            step.next()
        file = attempt.target.path(attempt.target.router.candidate)
        was_there = file.exists()
        if was_there:
            text = file.read_text()
            file.write_text(text[: attempt.random.randrange(len(text) // 2, len(text) - 1)])
        step.end("go")
        assert was_there, f"{attempt.seed}: no candidate was on the disk any more: {attempt.events}"
        return finish(attempt, process, timeout_s=120)


def hurtful(attempt: Attempt) -> Optional[Said]:
    """Valid syntax that does harm: refused by a guard, or reverted by the checks."""
    what = attempt.choice
    attempt.until(lambda: _is_all_up(attempt), 60, "its sessions are up, so that they can be lost")
    change, codes = HURTS[attempt.target.router.name][what]
    change(attempt.project)
    with attempt.project.running(*attempt.arguments()) as process:
        said = finish(attempt, process, timeout_s=120)
    attempt.events.append(what)
    assert said.code in codes, f"{attempt.seed}: {what}: exit {said.code}: {said.out}{said.err}"
    return said


def _is_all_up(attempt: Attempt) -> bool:
    document = attempt.project("status", attempt.target.name, "--interval", "0.1", "-o", "json", code=None).document
    sessions = [session for device in document["devices"] for session in device["sessions"]]
    return bool(sessions) and all(session["state"] == "up" for session in sessions)


DELETIONS = ("no circuits", "empty", "drain of the last", "drain below capacity")


def refused_by_guard(attempt: Attempt) -> Optional[Said]:
    """Circuits that are gone from the inventory, an empty one, drains that leave too little: nothing is even begun."""
    what = attempt.choice
    arguments = attempt.arguments()
    pop = attempt.project.folder / f"inventory/pops/{attempt.target.pop}.yml"
    if what == "no circuits":
        head, _, _ = pop.read_text().partition("circuits:")
        pop.write_text(head)
    elif what == "empty":
        for file in (attempt.project.folder / "inventory/pops").iterdir():
            file.unlink()
    elif what == "drain of the last":
        arguments = ("drain", "switch", attempt.target.name)
    else:
        arguments = ("drain", "provider", "northtel", "--pop", attempt.target.pop)
    with attempt.project.running(*arguments) as process:
        said = finish(attempt, process)
    attempt.events.append(what)
    assert not attempt.watcher.changes, "something was begun"
    assert said.code in ((1, 7, 64) if what == "empty" else (7,)), f"{what}: exit {said.code}: {said.out}{said.err}"
    return said


CUTS = ("blackhole", "unreachable", "to a provider")

CONTROLLER = "198.19.255.254"
"""Where the lab's devices see it. Source: netorch.lab.topology, ROOT_ADDRESS."""

_BIRD_CUT = """
ipv4 table cut4;
protocol static cut { ipv4 { table cut4; }; route 198.19.255.254/32 @WHERE@; }
protocol kernel kernel_cut { kernel table 198; ipv4 { table cut4; import none; export all; }; }
"""
_FRR_CUT = "!\nip route 198.19.255.254/32 @WHERE@ table 198\n"
_FRR_WORDS = {"unreachable": "reject"}
_RULE = "ip rule {action} to 198.19.255.254 priority 99 lookup 198"


def cuts_its_own_path(attempt: Attempt) -> Optional[Said]:
    """A candidate with which everything that is meant for the controller is thrown away, or sent to a provider."""
    number = int(attempt.target.pop.removeprefix("pop"))
    where = f"203.0.113.{4 * number + 1}" if attempt.choice == "to a provider" else attempt.choice
    if attempt.target.router.name == "bird":
        where = f"via {where}" if attempt.choice == "to a provider" else where
        attempt.project.override("bird/local-switch.conf.j2", _BIRD_CUT.replace("@WHERE@", where))
    else:
        text = _FRR_CUT.replace("@WHERE@", _FRR_WORDS.get(where, where))
        attempt.project.override("frr/local-switch.conf.j2", text)
    attempt.target.sh(_RULE.format(action="add"))
    try:
        with _Routes(attempt) as routes, attempt.project.running(*attempt.arguments()) as process:
            said = finish(attempt, process, timeout_s=120)
            attempt.until(lambda: routes.came and routes.went, 60, "the path was cut, and is back")
            assert _reaches_controller(attempt)
        cut_s = routes.went[-1] - routes.came[0]
        attempt.events.append(f"{where}: cut for {cut_s:.1f} s")
        if attempt.choice == "to a provider":  # as far as the device can know there is still a way
            late_s = routes.went[-1] - attempt.watcher.deadline()
            attempt.events.append(f"back {late_s:+.1f} s from the deadline")
            assert late_s < 3.0 + attempt.target.router.undo_s, attempt.events
        else:
            assert cut_s < 3.0 + attempt.target.router.undo_s, attempt.events
    finally:
        attempt.target.sh(_RULE.format(action="del"))
    return said


class _Routes:
    """When the kernel got the route that cuts the path, and when it lost it, as it tells itself; a context manager."""

    def __init__(self, attempt: Attempt) -> None:
        self.came: list[float] = []
        self.went: list[float] = []
        argv = enter_command(
            attempt.target.name, ("stdbuf", "-oL", "ip", "-o", "monitor", "route"), attempt.bed.lab.settings
        )
        # A session of its own: what enters the device leaves a child there that is to end with it.
        self._monitor = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> _Routes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._monitor.pid, signal.SIGKILL)
        self._thread.join()
        self._monitor.wait()

    def _read(self) -> None:
        assert self._monitor.stdout is not None
        with self._monitor.stdout as lines:
            for line in lines:
                if CONTROLLER in line:
                    (self.went if "Deleted" in line else self.came).append(uptime())


def _reaches_controller(attempt: Attempt) -> bool:
    get = ("ip", "-j", "route", "get", CONTROLLER)
    done = exec_in(attempt.target.name, get, attempt.bed.lab.settings)
    return done.returncode == 0 and json.loads(done.stdout)[0].get("dev") == "mgmt0"
