"""A password by every scheme on a BIRD and an FRR switch: in the daemons' configurations, and in nothing else."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.lab.faults.bed import Target
from tests.lab.faults.listening import MARK, Desk, ProcessList, files_for_others, files_of_device
from tests.lab.operator_shell import Said
from tests.lab.quick_lab import QuickLab, quick_example, quick_lab
from tests.secret_keeper import SCHEMES, Keeper, run
from tests.unit.inventory_texts import edited

pytestmark = pytest.mark.lab

POP = "pops/pop1.yml"
CONFIGURATIONS = {"sw1.pop1": "/etc/bird/bird.conf", "sw2.pop1": "/etc/frr/frr.conf"}
SWITCHES = tuple(CONFIGURATIONS)
PRIVATE = ("/etc/bird/", "/etc/frr/", "/var/lib/netorch/generations/")
"""Where a password may be on a device: in the daemon's configuration, and in those that a roll-back would bring back."""

LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
MISTAKE = ("    password ", "    pass word ")
LOOKS = (
    "plan --diff",
    "plan --diff -o json",
    "deploy --check --diff",
    "status -o json",
    "history -o json",
    "rollback --check --diff",
    "render",
)
"""What shows something of a switch whose passwords are about to change."""

LOOKED = (0, 1, 2, 3, 7)
"""There is no generation yet to go back to, and sessions are down; guards may have their say."""

CIRCUIT = """
  - id: {id}
    name: extra-{id}
    provider: northtel
    switch: {switch}
    port: {port}
    ipv4: {{local: 10.200.0.{local}/30, neighbor: 10.200.0.{neighbor}}}
    password: {reference}
"""


def name_of(switch: str, scheme: str) -> str:
    """What its password is kept as."""
    return f"{switch.partition('.')[0]}_{scheme}"


def booted_from() -> dict[str, str]:
    """The first POP, the second switch with FRR."""
    files = quick_example()
    del files["pops/pop2.yml"]
    files = edited(files, "network.yml", ("  - describe\n", ""))  # no port has to be there to be described
    return edited(files, POP, ("  - name: sw2\n", "  - name: sw2\n    daemon: frr\n    version: 8.4.4\n"))


def with_circuits(keeper: Keeper) -> str:
    """The POP's file with a circuit more for every scheme on each switch."""
    circuits = ""
    for at, switch in enumerate(SWITCHES):
        for number, scheme in enumerate(SCHEMES):
            circuit = 10 * (at + 1) + number
            circuits += CIRCUIT.format(
                id=circuit,
                switch=switch.partition(".")[0],
                port=f"x{number}",
                local=4 * circuit + 2,
                neighbor=4 * circuit + 1,
                reference=keeper.reference(scheme, name_of(switch, scheme)),
            )
    ports = "".join(f"      - x{number}\n" for number in range(len(SCHEMES)))
    files = booted_from()
    files[POP] = files[POP].replace("      - swp11\n", f"{ports}      - swp11\n")
    return edited(files, POP, ("circuits:\n", f"circuits:\n{circuits}"))[POP]


@dataclass
class Play:
    """An operator with secrets, listened to. ``values`` are the passwords of now by name, ``leaks`` where one was found."""

    quick: QuickLab
    desk: Desk
    keeper: Keeper
    values: dict[str, str] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)

    @property
    def audit(self) -> Path:
        return self.quick.project.folder / "audit.log"

    def give(self) -> None:
        """New passwords."""
        dice = random.Random(len(self.said))
        for switch in SWITCHES:
            for scheme in SCHEMES:
                name = name_of(switch, scheme)
                self.values[name] = MARK + "".join(dice.choices(LETTERS, k=16))
                self.keeper.keep(scheme, name, self.values[name])

    def netorch(
        self, command: str, targets: tuple[str, ...] = SWITCHES, *, codes: tuple[int, ...] = (0,), **environment: str
    ) -> Said:
        """``netorch COMMAND`` for ``targets``, with all that it needs to find the secrets."""
        first, *options = command.split()
        said = self.desk.netorch(
            self.quick.project.folder,
            *(first, *targets, *options),
            environment={**self.keeper.environment, "NETORCH_AUDIT": str(self.audit), **environment},
        )
        self.said.append(said)
        assert said.code in codes, f"{command}: exit {said.code}\n{said.out}{said.err}"
        return said


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """All of it, played: deploys that succeed and that fail, and whatever shows something."""
    folder = tmp_path_factory.mktemp("secrets")
    keeper = Keeper(folder / "kept", as_systemd=True)
    begun = folder / "begun"
    with quick_lab(folder, booted_from(), name="secrets") as quick, Desk(folder / "desk") as desk:
        begun.touch()
        # Sessions of a first deploy have to come up; nobody is at the other end of the circuits that are added afterwards.
        quick.project("deploy", *SWITCHES, "--yes", timeout_s=180)
        (quick.project.folder / "inventory" / POP).write_text(with_circuits(keeper))
        with ProcessList() as processes:
            made = Play(quick, desk, keeper)
            _play(made)
        made.leaks += [*processes.found, *files_for_others(begun, [folder, Path("/var/tmp"), Path("/dev/shm")])]
        yield made


def _play(made: Play) -> None:
    made.give()
    made.netorch("deploy --yes")
    made.give()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda command: made.netorch(command, codes=LOOKED), LOOKS))
    _fail(made)
    made.netorch("deploy --yes --diff -o json")


def _fail(made: Play) -> None:
    """A key that does not fit, a template that fails at the password, and one that the daemons refuse beside it."""
    other = made.keeper.folder / "other.txt"
    run("age-keygen", "-o", str(other))
    found = made.netorch("plan --diff", codes=(1,), SOPS_AGE_KEY_FILE=str(other))
    assert "cannot decrypt it" in found.out + found.err
    for daemon, template in (("bird", "bird/provider_session.conf.j2"), ("frr", "frr/session.conf.j2")):
        made.quick.project.patch(template, f"|{daemon}_secret", ".nowhere.at_all")
    found = made.netorch("plan --diff", codes=(1,))
    assert "has no attribute 'nowhere'" in found.out + found.err
    made.quick.project.patch("bird/provider_session.conf.j2", *MISTAKE)
    made.quick.project.patch("frr/session.conf.j2", "}} password ", "}} pass word ")
    for switch in SWITCHES:
        made.netorch("deploy --yes --allow-resets 9", (switch,), codes=(1,))
    for template in ("bird/provider_session.conf.j2", "frr/session.conf.j2"):
        (made.quick.project.folder / "templates" / template).unlink()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("switch", SWITCHES)
def test_daemon_has_the_password(play: Play, switch: str, scheme: str) -> None:
    """Of each scheme the last one that was given; credentials were sealed with a host key by systemd-creds, and opened."""
    text = play.quick.lab.run(switch, "cat", CONFIGURATIONS[switch])
    assert play.values[name_of(switch, scheme)] in text


@pytest.mark.parametrize("switch", SWITCHES)
def test_no_other_file_of_the_device_has_one(play: Play, switch: str) -> None:
    """No log, journal, job or state: the configuration and those of roll-backs alone, which root and the daemon read."""
    open_to, kept = files_of_device(Target(play.quick.lab, switch))
    assert open_to == []
    assert CONFIGURATIONS[switch] in kept
    assert [path for path in kept if not path.startswith(PRIVATE)] == []


def test_no_command_says_one(play: Play) -> None:
    """Tables, diffs, JSON and errors say the reference, or that something is hidden."""
    assert [said.arguments for said in play.said if MARK in said.out + said.err] == []
    shown = "".join(said.out for said in play.said if "--diff" in said.arguments)
    assert "(hidden)" in shown or "only a secret changes" in shown
    rendered = next(said.out for said in play.said if said.arguments[0] == "render")
    for switch in SWITCHES:
        for scheme in SCHEMES:
            assert f"@secret:{play.keeper.reference(scheme, name_of(switch, scheme))}@" in rendered


def test_no_process_file_or_log_has_one(play: Play) -> None:
    """Argument lists of every process on every machine, environments but the controller's own, files that others can read,
    audit log and syslog."""
    assert play.leaks == []
    lines = play.audit.read_text().splitlines()
    assert {json.loads(line)["device"] for line in lines} == set(SWITCHES)
    assert not [line for line in lines if MARK in line]
    assert play.desk.logged
    assert not [message for message in play.desk.logged if MARK.encode() in message]
