"""Operators who meet: two who drain at the same moment, and one who interrupts what was begun. Each meeting is forced."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netorch.lab import expected_prefixes
from netorch.model.types import Family
from tests.lab.deployed_pop import behind_all, bgp_states, int_of, mark, only_behind, service
from tests.lab.drained_pop import quick_files
from tests.lab.faults.asked import held, held_agent
from tests.lab.faults.bed import Target
from tests.lab.operator_shell import Said
from tests.lab.quick_lab import QuickLab, only_pop2, quick_lab
from tests.lab.steady_ping import steady_ping
from tests.lab.stopping import go_on
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

POP, SWITCH = "pop2", "sw1.pop2"
HOST, BUSY_HOST = "h1.pop2", "h2.pop2"
PREFIX, PART = "198.51.100.0/24", "198.51.100.128/25"
HERE = ("--pop", POP)
SMALL = ("--wait", "0s", "--keep-session", "--allow-capacity")


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    with quick_lab(tmp_path_factory.mktemp("together"), quick_files(only_pop2()), name="together") as up:
        up.deploy(POP)
        yield up


@pytest.fixture
def clean(quick: QuickLab) -> Iterator[QuickLab]:
    """The test must leave nothing that is not as the inventory has it."""
    yield quick
    assert quick.project("plan", POP, "--detailed-exitcode").code == 0


def in_force(quick: QuickLab) -> set[tuple[str, str]]:
    """The names and stages of what is drained."""
    rows = quick.project("drains", "-o", "json").document[0]["rows"]
    return {(row["name"], row["stage"]) for row in rows}


def up(quick: QuickLab, provider: str) -> set[str]:
    """The states of all sessions with a provider."""
    return {state for name, state in bgp_states(quick.lab, SWITCH).items() if name.startswith(provider)}


def until_said(process: subprocess.Popen[str], words: str, *, on: str) -> str:
    """What ``process`` has said on standard output or error up to the line with ``words``, which must come."""
    stream = {"out": process.stdout, "err": process.stderr}[on]
    assert stream is not None
    said = ""
    while words not in said:
        line = stream.readline()
        assert line, f"it ended without {words!r}: {said}"
        said += line
    return said


@contextmanager
def stopped_at(
    quick: QuickLab, device: str, command: str, *arguments: str
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """``netorch ARGUMENTS``, and its agent on ``device``, which waits before it does ``command`` until it is told to go on. The
    command is to end in the block."""
    target = Target(quick.lab, device)
    with held_agent(target, command), quick.project.running(*arguments) as process:
        agent = held(target, command)
        try:
            yield process, agent
        finally:
            go_on(agent)


def interrupted(quick: QuickLab, device: str, *arguments: str) -> Said:
    """What ``netorch ARGUMENTS`` has said when Ctrl-C came while ``device`` was confirmed."""
    with stopped_at(quick, device, "confirm", *arguments) as (process, agent):
        os.kill(process.pid, signal.SIGINT)
        until_said(process, "interrupted: nothing more begins", on="err")
        go_on(agent)
        said = quick.project.finish(process, timeout_s=90)
    assert said.code == 130, said
    return said


def test_two_drains_of_one_switch_at_once_are_both_done(clean: QuickLab, tmp_path: Path) -> None:
    """The second finds the first's change waiting on their switch: it says whose, waits, and drains beside it. Both end well, and
    not a packet is lost."""
    quick, project = clean, clean.project
    destination = behind_all(quick.lab.inventory, Family.IPV4)
    options = ("-I", service(quick.lab.inventory, BUSY_HOST, Family.IPV4))
    with steady_ping(quick.lab, BUSY_HOST, destination, *options, folder=tmp_path) as ping:
        first = ("drain", "host", HOST, "--reason", "first of two", "--wait", "4s")
        second = ("drain", "northtel", *HERE, "--wait", "4s", "--keep-session")
        with stopped_at(quick, SWITCH, "confirm", *first) as (one, agent), project.running(*second) as other:
            told = until_said(other, "waiting for its end, 120 s at most", on="err")
            go_on(agent)
            ends = [project.finish(process, timeout_s=150) for process in (one, other)]
        assert f"{SWITCH}: change " in told
        assert f"drain host {HOST} in {POP}: graceful shutdown (first of two)" in told
        assert [said.code for said in ends] == [0, 0], [said.err for said in ends]
        assert in_force(quick) == {(HOST, "closed"), ("northtel", "graceful")}
        assert project("plan", POP, "--detailed-exitcode").code == 0
        project("undrain", HOST)
        project("undrain", "northtel", *HERE)
    assert ping.lost == ()
    assert in_force(quick) == set()


def test_two_drains_at_once_do_not_take_the_last_provider(clean: QuickLab) -> None:
    """Each would leave the other's provider, and judged so before either was there: the one that comes later to their switch is
    refused, is told by whom, and has changed nothing."""
    quick, project = clean, clean.project
    with stopped_at(quick, SWITCH, "apply", "drain", "northtel", *HERE, "--allow-capacity") as (one, agent):
        project("drain", "meadow", *HERE, *SMALL)
        go_on(agent)
        said = project.finish(one, timeout_s=150)
    assert said.code == 7, said
    assert "draining provider northtel leaves no other provider session Established" in said.err
    assert f"drained already: provider meadow in {POP} by " in said.err
    assert in_force(quick) == {("meadow", "graceful")}
    assert up(quick, "northtel") == {"Established"}
    project("undrain", "meadow", *HERE)


def test_an_interrupted_drain_says_where_things_are_and_is_taken_up_again(clean: QuickLab, tmp_path: Path) -> None:
    """Ctrl-C while it waits: exit code 130, which switches have it, what it means, and both ways to go on. The same command
    without reason and time keeps those of before."""
    quick, project = clean, clean.project
    target = only_behind(quick.lab.inventory, "meadow", Family.IPV4)
    marked = ("-m", mark(quick.lab.inventory, "meadow"), "-I", service(quick.lab.inventory, BUSY_HOST, Family.IPV4))
    arguments = ("drain", "meadow", *HERE, "--reason", "flaps", "--for", "2h", "--allow-capacity")
    with steady_ping(quick.lab, BUSY_HOST, target, *marked, folder=tmp_path), project.running(*arguments) as process:
        until_said(process, "announced with graceful shutdown", on="out")
        process.send_signal(signal.SIGINT)
        said = project.finish(process, timeout_s=60)
    assert said.code == 130
    state = "it is the last choice, nothing is closed"
    assert f"interrupted: drain/provider/meadow@{POP} is recorded on {SWITCH}: {state}" in said.err
    assert "it goes on with: netorch drain meadow --pop pop2 --reason flaps --for 2h --allow-capacity" in said.err
    assert "it is taken back with: netorch undrain meadow --pop pop2" in said.err
    (held_before,) = project("drains", "-o", "json").document[0]["rows"]

    project("drain", "meadow", *HERE, *SMALL)
    (row,) = project("drains", "-o", "json").document[0]["rows"]
    assert (row["keep_session"], row["reason"], row["until"]) == (True, "flaps", held_before["until"])
    project("undrain", "meadow", *HERE)


@pytest.mark.parametrize(
    ("stop", "arguments", "expected", "way_back"),
    [
        (
            HOST,
            ("steer", "PREFIX", "--via", "northtel", *HERE, "--allow-capacity"),
            f"is recorded nowhere; {HOST}: changed, and the next netorch run or deploy takes that back",
            "",
        ),
        (
            SWITCH,
            ("withdraw", PREFIX, "--from", "meadow", *HERE, "--yes"),
            f"is recorded on {SWITCH}: withheld",
            f"announce {PREFIX} --pop {POP} --as-inventory",
        ),
        (
            SWITCH,
            ("announce", PREFIX, "--to", "northtel", *HERE, "--prepend", "2", "--yes"),
            f"is recorded on {SWITCH}: prepend 2",
            f"announce {PREFIX} --pop {POP} --as-inventory",
        ),
        (
            SWITCH,
            ("undrain", "meadow", *HERE),
            f"is recorded on {SWITCH}: no longer drained",
            f"drain meadow --pop {POP}",
        ),
    ],
    ids=["steer", "withdraw", "announce", "undrain"],
)
def test_what_is_interrupted_says_which_devices_have_it(
    clean: QuickLab, stop: str, arguments: tuple[str, ...], expected: str, way_back: str
) -> None:
    """Ctrl-C while the first device is confirmed: that ends, nothing else begins, and each device is told of. A host that was
    steered before any switch knew of it goes back by the next deploy."""
    quick, project = clean, clean.project
    if arguments[0] == "undrain":
        project("drain", "meadow", *HERE, *SMALL)
    steered = min(expected_prefixes(quick.lab.inventory, "northtel", Family.IPV4)[0], key=int_of)
    words = tuple(str(steered) if word == "PREFIX" else word for word in arguments)
    said = interrupted(quick, stop, *words)
    assert expected in said.err
    assert (f"it is taken back with: netorch {way_back}" in said.err) == bool(way_back)
    if arguments[0] == "steer":
        assert "hint" not in said.err
        project("deploy", POP, "--yes")
    elif arguments[0] == "undrain":
        assert project("drains").out == "nothing is drained\n"
    else:
        project(*way_back.split(), "--yes")


def test_an_interrupted_part_comes_to_hosts_by_the_same_command(clean: QuickLab) -> None:
    """Ctrl-C while the switch confirms: it knows of the part, or of its end, and no host does. The same command finds nothing to
    decide, brings the hosts to it and names them."""
    quick, project = clean, clean.project

    def is_there() -> bool:
        return quick.lab.run(SWITCH, "ip", "route", "show", PART).strip() != ""

    announce = ("announce", PART, "--to", "meadow", *HERE, "--allow-long", "--yes")
    for command, expected in ((announce, True), (("withdraw", PART, *HERE, "--yes"), False)):
        said = interrupted(quick, SWITCH, *command)
        assert "it goes on with: netorch " + " ".join(command) in said.err
        project("plan", HOST, BUSY_HOST, "--detailed-exitcode", code=2)
        assert f"{PART}: nothing to change; now on {HOST}, {BUSY_HOST} as well" in project(*command).out
        assert project("plan", POP, "--detailed-exitcode").code == 0
        wait_until(lambda expected=expected: is_there() == expected, timeout_s=20, what="the switch has heard")  # type: ignore[misc]
        assert project(*command).out == f"{PART}: nothing to change\n"
