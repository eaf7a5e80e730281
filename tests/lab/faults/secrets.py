"""Canary secrets in deploys of every kind: looked for in whatever is printed, kept, logged, or seen of processes."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

from tests.lab.faults.bed import Bed, Target
from tests.lab.faults.play import Ending
from tests.lab.operator_shell import Said
from tests.lab.quick_lab import Project

NAME = "secrets"
EXPECTED = "in no output, log, argument list or file for others"
MARK = "".join(("KAN", "ARI"))
"""Every canary begins with it; written so that this file is none of the places where it is found."""

_WAYS = ("deploy", "deploy --diff -o json", "syntax error", "deploy --diff", "unusable secret")
_CIRCUIT = """
  - id: {id}
    name: extra-{id}
    provider: northtel
    switch: sw1
    port: {port}
    ipv4: {{local: 10.200.{high}.{low}/30, neighbor: 10.200.{high}.{next}}}
    password: file:../.lab/secrets/canary-{id}
"""


class ProcessList:
    """Reads every argument list that there is, again and again; a context manager."""

    def __init__(self) -> None:
        self.samples = 0
        self.found: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> ProcessList:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.02):
            for name in filter(str.isdigit, os.listdir("/proc")):
                try:
                    line = Path(f"/proc/{name}/cmdline").read_bytes()
                except OSError:
                    continue
                self.samples += 1
                if MARK.encode() in line:
                    self.found.add(line.replace(b"\0", b" ")[:200].decode(errors="replace"))


def play_secrets(made: Bed, seed: int, *, each: int) -> Ending:
    """One seed: deploys in several ways with ``each`` new secrets in all."""
    dice = random.Random(f"{NAME}/{seed}")
    with made.target() as target, ProcessList() as processes:
        project = made.checkout({target.pop: f"secrets {seed}"})
        said, count = [], each // len(_WAYS)
        _add_circuits(project, target, count)
        for way in _WAYS:
            values = [MARK + "".join(dice.choices("abcdefghjkmnpqrstuvwxyz23456789", k=16)) for _ in range(count)]
            said.append(_run(project, target, way, values))
        leaks = _leaks(project, target, said, processes)
        back = made.checkout({target.pop: f"secrets {seed} again"})
        restored = back("deploy", target.name, "--yes", "--allow-removals", "999", "--allow-empty", code=None)
        assert restored.code == 0, restored
        target.told = f"secrets {seed} again"
        events = (f"{each} secrets, {len(_WAYS)} deploys, {processes.samples} argument lists",)
    codes = ", ".join(str(one.code) for one in said)
    return Ending(NAME, seed, "kept" if not leaks else "told", f"exit {codes}", "; ".join(leaks), None, events)


def _add_circuits(project: Project, target: Target, count: int) -> None:
    file = f"pops/{target.pop}.yml"
    first = 1000 + 100 * int(target.pop.removeprefix("pop"))
    ports = ", ".join(f"x{number}" for number in range(count))
    project.edit(file, "ports: [swp1,", f"ports: [{ports}, swp1,")
    path = project.folder / "inventory" / file
    text = path.read_text().rstrip("\n")
    for number in range(count):
        high, low = divmod(4 * number, 256)
        text += _CIRCUIT.format(id=first + number, port=f"x{number}", high=high, low=low + 1, next=low + 2)
    path.write_text(text)
    project.edit("network.yml", "plugins: [drain, arp_mirror, describe]", "plugins: [drain, arp_mirror]")


def _run(project: Project, target: Target, way: str, values: list[str]) -> Said:
    """One deploy with new secrets; it ends as it must."""
    folder = project.folder / ".lab/secrets"
    folder.mkdir(exist_ok=True)
    first = 1000 + 100 * int(target.pop.removeprefix("pop"))
    for number, value in enumerate(values):
        file = folder / f"canary-{first + number}"
        file.touch(mode=0o600)
        file.write_text(f"{value}{'!' + chr(34) if way == 'unusable secret' and number == 0 else ''}\n")
    broken = project.folder / "templates/bird/provider_session.conf.j2"
    if way == "syntax error":
        project.patch("bird/provider_session.conf.j2", "    password ", "    pass word ")
    try:
        options = way.split()[1:] if way.startswith("deploy") else ()
        said = project("deploy", target.name, "--yes", "--confirm-timeout", "5", *options, code=None, timeout_s=180)
    finally:
        if broken.exists():
            broken.unlink()
    expected = (0,) if way.startswith("deploy") else (1, 3)
    assert said.code in expected, f"{way}: exit {said.code}: {said.out[-3000:]}{said.err[-3000:]}"
    return said


def _leaks(project: Project, target: Target, said: list[Said], processes: ProcessList) -> list[str]:
    """Where a canary was seen that must not be."""
    leaks = [f"argument list: {line}" for line in processes.found]
    leaks += [f"output of {' '.join(one.arguments)}" for one in said if MARK in one.out + one.err]
    for more in (("plan", target.name, "--diff"), ("status", target.name, "-o", "json"), ("history", target.name)):
        shown = project(*more, code=None)
        if MARK in shown.out + shown.err:
            leaks.append(f"output of {' '.join(more)}")
    # On the device: what others may read, and every log whoever may read it.
    find = "find / -xdev -type f \\( -perm -004 -o -path '/var/log/*' \\) -mmin -60 -print0 2>/dev/null"
    leaks += target.sh(f"{find} | xargs -0 -r grep -ls {MARK} 2>/dev/null || true").split()
    kept = target.sh(f"grep -rl {MARK} /etc/bird /var/lib/netorch || true").split()
    assert kept, "the secrets never came to the device"
    for path in project.folder.rglob("*"):
        if path.is_file() and path.stat().st_mode & 0o077 and MARK.encode() in path.read_bytes():
            leaks.append(str(path))
    return leaks
