"""Canary secrets in deploys of every kind: looked for in whatever is printed, kept, logged, or seen of processes."""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.faults.bed import Bed, Target
from tests.lab.faults.listening import MARK, Desk, ProcessList, files_for_others, files_of_device
from tests.lab.faults.play import Ending
from tests.lab.operator_shell import Said
from tests.lab.quick_lab import Project
from tests.secret_keeper import SCHEMES, Keeper
from tests.waiting import wait_until

NAME = "secrets"
EXPECTED = "in no output, log, argument list or file for others"

WAYS = ("deploy", "deploy --diff -o json", "syntax error", "deploy --diff", "unusable secret")
"""Each deploys with new secrets. The others are seen too late for that: they do not come as far as to have any."""
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_SESSION = {"bird": "bird/provider_session.conf.j2", "frr": "frr/session.conf.j2"}
_MISTAKES = {
    "bird": {
        "syntax error": ("    password ", "    pass word "),
        "template error": ("|bird_secret", ".nowhere.at_all"),
    },
    "frr": {"syntax error": ("}} password ", "}} pass word "), "template error": ("|frr_secret", ".nowhere.at_all")},
}
_CIRCUIT = """
  - id: {id}
    name: extra-{id}
    provider: northtel
    switch: sw1
    port: {port}
    ipv4: {{local: 10.200.{high}.{low}/30, neighbor: 10.200.{high}.{next}}}
    password: {reference}
"""


@dataclass
class Operator:
    """One who has an inventory with ``count`` circuits more, whose passwords are kept by every scheme in turns. ``said`` is all
    that was ever printed."""

    desk: Desk
    project: Project
    target: Target
    count: int
    keeper: Keeper
    said: list[Said] = field(default_factory=list)

    @property
    def first(self) -> int:
        """The id of the first circuit."""
        return 1000 + 100 * int(self.target.pop.removeprefix("pop"))

    @property
    def audit(self) -> Path:
        """The audit log."""
        return self.project.folder / "audit.log"

    def add_circuits(self) -> None:
        """Put them into the inventory."""
        project, file = self.project, f"pops/{self.target.pop}.yml"
        ports = ", ".join(f"x{number}" for number in range(self.count))
        project.edit(file, "ports: [swp1,", f"ports: [{ports}, swp1,")
        path = project.folder / "inventory" / file
        text = path.read_text().rstrip("\n")
        for number in range(self.count):
            high, low = divmod(4 * number, 256)
            name = self.first + number
            reference = self.keeper.reference(*self._kept(number))
            text += _CIRCUIT.format(
                id=name, port=f"x{number}", high=high, low=low + 1, next=low + 2, reference=reference
            )
        path.write_text(text)
        project.edit("network.yml", "plugins: [drain, arp_mirror, describe]", "plugins: [drain, arp_mirror]")

    def give(self, values: list[str]) -> None:
        """Other secrets."""
        for number, value in enumerate(values):
            self.keeper.keep(*self._kept(number), value)

    def _kept(self, number: int) -> tuple[str, str]:
        """The scheme and the name of a secret."""
        return SCHEMES[number % len(SCHEMES)], f"CANARY_{self.first + number}"

    def netorch(self, *arguments: str) -> Said:
        """One command, whatever comes of it."""
        environment = {**self.keeper.environment, "NETORCH_AUDIT": str(self.audit)}
        said = self.desk.netorch(self.project.folder, *arguments, environment=environment)
        self.said.append(said)
        return said

    def deploy(self, way: str) -> Said:
        """A deploy, with a mistake in it where the ``way`` says so; it ends as it must."""
        options = way.split()[1:] if way.startswith("deploy") else ()
        session, mistakes = _SESSION[self.target.router.name], _MISTAKES[self.target.router.name]
        if way in mistakes:
            self.project.patch(session, *mistakes[way])
        said = self.netorch("deploy", self.target.name, "--yes", "--confirm-timeout", "5", *options)
        if way in mistakes:
            (self.project.folder / "templates" / session).unlink()
        expected = (0,) if way.startswith("deploy") else (1, 3)
        assert said.code in expected, f"{way}: exit {said.code}: {said.out[-3000:]}{said.err[-3000:]}"
        return said


def play_secrets(made: Bed, seed: int, *, each: int, rehearses: bool, daemon: str) -> Ending:
    """One seed: deploys in several ways with ``each`` new secrets in all, and every command that shows something."""
    dice = random.Random(f"{NAME}/{seed}")
    with tempfile.TemporaryDirectory() as scratch, made.target((daemon,)) as target, ProcessList() as processes:
        with Desk(Path(scratch) / "desk") as desk:
            project = made.checkout({target.pop: f"secrets {seed}"})
            begun = project.folder / "begun"
            begun.touch()
            keeper = Keeper(project.folder / ".lab/kept")
            operator = Operator(desk, project, target, each // len(WAYS), keeper)
            operator.add_circuits()
            for way in WAYS:
                values = [MARK + "".join(dice.choices(_LETTERS, k=16)) for _ in range(operator.count)]
                operator.give([f'{values[0]}!"', *values[1:]] if way == "unusable secret" else values)
                if way == "deploy --diff":
                    _look_ahead(operator)
                operator.deploy(way)
            operator.give([f"{MARK}template"])
            operator.deploy("template error")
            _look_back(operator, rehearses=rehearses)
            leaks = [*processes.found, *_told(operator), *_kept(operator, begun)]
        _prove_detectors(target, processes, begun)
        _restore(made, target, seed)
    codes = ", ".join(str(one.code) for one in operator.said)
    events = (
        f"{each} secrets, {len(WAYS)} deploys, {len(operator.said)} commands, {processes.samples} argument lists",
    )
    return Ending(NAME, seed, "kept" if not leaks else "told", f"exit {codes}", "; ".join(leaks), None, events)


def _look_ahead(operator: Operator) -> None:
    """What shows secrets that are about to change."""
    name = operator.target.name
    for command in (("plan", name), ("deploy", name, "--check")):
        said = operator.netorch(*command, "--diff")
        assert "password" in said.out, f"they are about to change: {said}"
        operator.netorch(*command, "--diff", "-o", "json")


def _look_back(operator: Operator, *, rehearses: bool) -> None:
    """What shows something of what is there."""
    name = operator.target.name
    for command in ("status", "history"):
        operator.netorch(command, name)
        operator.netorch(command, name, "-o", "json")
    for command in ("plan --diff", "rollback --check --diff", "render"):
        first, *options = command.split()
        operator.netorch(first, name, *options)
    operator.netorch("render", name, "--out", "rendered")
    file_name = Path(operator.target.router.configuration).name
    (rendered,) = (operator.project.folder / "rendered").rglob(file_name)
    assert rendered.read_text().count("@secret:") == operator.count, "references stand for them"
    operator.netorch("validate", "--format", "json")
    if rehearses:
        said = operator.netorch("rehearse", name, "-o", "json")
        assert said.code in (0, 7), said


def _told(operator: Operator) -> Iterator[str]:
    """Where a canary was said that must not be."""
    for one in operator.said:
        if MARK in one.out + one.err:
            yield f"output of netorch {' '.join(one.arguments)}"
    lines = operator.audit.read_text().splitlines()
    ended = [line for line in lines if json.loads(line)["result"] != "begun"]
    assert len(ended) >= len(WAYS) - 1, "every deploy is on record that came as far as the device"
    assert all(json.loads(line)["device"] for line in lines)
    assert any(line.encode() in message for line in lines for message in operator.desk.logged), "syslog has it too"
    if any(MARK.encode() in message for message in operator.desk.logged):
        yield "syslog of the controller"
    if MARK in operator.audit.read_text():
        yield "audit log"


def _kept(operator: Operator, begun: Path) -> Iterator[str]:
    """Files with a canary that others may read."""
    open_to, kept = files_of_device(operator.target)
    yield from (f"{operator.target.name}:{path}" for path in open_to)
    assert {Path(path).parts[1] for path in kept} >= {"etc", "var"}, f"the secrets never came to the device: {kept}"
    places = [operator.project.folder, Path(tempfile.gettempdir()), Path("/var/tmp"), Path("/dev/shm"), Path.home()]
    yield from files_for_others(begun, places)


def _prove_detectors(target: Target, processes: ProcessList, begun: Path) -> None:
    """A canary that is put there on purpose is found wherever it is looked for."""
    proof = f"{MARK}proof"
    cases: tuple[tuple[list[str], Mapping[str, str], str], ...] = (
        (["sh", "-c", "read line", proof], {}, f"argument list: sh -c read line {proof}"),
        (["sh", "-c", "read line; :"], {"CANARY": proof}, "environment of: sh -c read line; :"),
    )
    for command, environment, wanted in cases:
        with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE) as process:
            wait_until(
                lambda wanted=wanted: any(found.strip() == wanted for found in processes.found),  # type: ignore[misc]
                timeout_s=20,
                what=f"the canary is found: {wanted}",
            )
            process.kill()
    target.sh(f"echo {proof} > /run/canary; chmod 644 /run/canary; (umask 077; echo {proof} > /var/log/canary)")
    open_to, _ = files_of_device(target)
    target.sh("rm /run/canary /var/log/canary")
    assert {"/run/canary", "/var/log/canary"} <= set(open_to), open_to
    with tempfile.NamedTemporaryFile("w", prefix="canary") as file:
        Path(file.name).chmod(0o644)
        file.write(proof)
        file.flush()
        assert file.name in files_for_others(begun, [Path(file.name).parent])


def _restore(made: Bed, target: Target, seed: int) -> None:
    """The device as other rows expect it."""
    back = made.checkout({target.pop: f"secrets {seed} again"})
    restored = back("deploy", target.name, "--yes", "--allow-removals", "999", "--allow-empty", code=None)
    assert restored.code == 0, restored
    target.told = f"secrets {seed} again"
    made.forget(back)
