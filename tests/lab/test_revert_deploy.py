"""Deploys that must not stay: candidates that hurt, that BIRD refuses, that nobody confirms, that meet another's."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from netorch.lab import exec_in
from tests.lab.deployed_pop import bgp_states
from tests.lab.faults.asked import held, held_agent
from tests.lab.faults.bed import Target
from tests.lab.labs import Lab
from tests.lab.operator_shell import Said
from tests.lab.quick_lab import Project, QuickLab, bird_file, live_stamp, quick_example, quick_lab
from tests.lab.stopping import go_on
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

NORTHTEL = "description: Northtel NT-100231", "description: Northtel NT-100377"
FORCED = "--yes", "--allow-resets", "4"
BROKEN = "protocol static oops {\n    ipv4\n    route 192.0.2.99/32 blackhole;\n}\n"


@dataclass(frozen=True)
class Device:
    """What a change must leave as it was: what is live, what is on disk, the interfaces' aliases, what was confirmed."""

    stamp: str
    file: str
    aliases: dict[str, str]
    generations: str
    sessions: dict[str, str]


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    with quick_lab(tmp_path_factory.mktemp("revert"), quick_example(), name="revert") as up:
        up.deploy("pop1", "pop2")
        yield up


@pytest.fixture
def checkout(quick: QuickLab, tmp_path: Path) -> Project:
    """The operator's own copy of the inventory, to break."""
    return quick.project.copy(tmp_path / "checkout")


def look(lab: Lab, device: str) -> Device:
    """The device as it is now."""
    links = json.loads(lab.run(device, "ip", "-j", "link", "show"))
    return Device(
        live_stamp(lab, device),
        bird_file(lab, device),
        {link["ifname"]: link.get("ifalias", "") for link in links},
        lab.run(device, "ls", "/var/lib/netorch/generations", "/var/lib/netorch/pending"),
        bgp_states(lab, device),
    )


def has_pending(lab: Lab, device: str) -> bool:
    """Whether a change waits on the device."""
    return bool(lab.run(device, "ls", "/var/lib/netorch/pending").strip())


# ---- checks that fail after the change ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Attempt:
    """One device before and after a deploy that was to be undone."""

    said: Said
    before: Device
    after: Device


@pytest.fixture(scope="module")
def attempts(quick: QuickLab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Attempt]:
    """Two operators at once, each in a POP of their own, one with two mistakes; each device tries for 30 s."""
    folder = tmp_path_factory.mktemp("attempts")
    password = quick.project.copy(folder / "password")
    (password.folder / ".lab/secrets/southnet").write_text("not what southnet has\n")
    template = quick.project.copy(folder / "template")
    head = "filter {{ import_filter }}\n{\n"
    peer = "session.peer_asn|bird_number"
    wrong = '(64999 if session.peer == "northtel" else session.peer_asn)|bird_number'
    template.patch(
        "bird/provider_session.conf.j2",
        head,
        f"{head}    if true then reject;\n",
        (f"as {{{{ {peer} }}}};", f"as {{{{ {wrong} }}}};"),
    )
    template.edit("pops/pop2.yml", NORTHTEL[1], "description: told by mistake")
    operators = {"sw2.pop1": password, "sw1.pop2": template}
    before = {device: look(quick.lab, device) for device in operators}
    with ThreadPoolExecutor() as pool:
        said = dict(
            zip(operators, pool.map(lambda d: operators[d]("deploy", d, *FORCED, code=None), operators), strict=True)
        )
    wait_until(
        lambda: all(_all_up(quick.lab, device) for device in operators), timeout_s=40, what="every session is back"
    )
    return {device: Attempt(said[device], before[device], look(quick.lab, device)) for device in operators}


def _all_up(lab: Lab, device: str) -> bool:
    return set(bgp_states(lab, device).values()) == {"Established"}


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ("sw1.pop2", "northtel_5_v4: Idle, last error: BGP Error: Bad peer AS, expected Established"),
        ("sw2.pop1", "southnet_3_v6: "),
        ("sw1.pop2", "meadow_6_v6: accepts 0 ipv6 prefixes, 40 before: more than 50 % fewer"),
    ],
    ids=["wrong ASN", "wrong password", "everything refused"],
)
def test_a_candidate_that_hurts_is_reverted(attempts: dict[str, Attempt], device: str, reason: str) -> None:
    """Exit 6; the output names session and reason; live stamp, file, aliases, generations and sessions are as before."""
    attempt = attempts[device]
    assert attempt.said.code == 6, attempt.said.out + attempt.said.err
    assert reason in attempt.said.out
    assert attempt.said.out.splitlines()[-1] == "1 reverted"
    assert attempt.after == attempt.before


def test_sessions_that_are_well_are_not_blamed(attempts: dict[str, Attempt]) -> None:
    """With a wrong password only the sessions of that circuit are named, and the password is not."""
    said = attempts["sw2.pop1"].said
    assert "northtel_2" not in said.out
    assert "not what southnet has" not in said.out + said.err


def test_the_same_deploy_without_the_mistake_works(attempts: dict[str, Attempt], quick: QuickLab) -> None:
    """Nothing of the attempts is left in the way: the good inventory has nothing to do."""
    assert attempts
    assert quick.project("plan", "pop1", "pop2", "--detailed-exitcode").code == 0


# ---- refused before anything changes -----------------------------------------------------------------------------


def test_a_syntax_error_is_shown_as_bird_sees_it(quick: QuickLab, checkout: Project) -> None:
    """An operator's template that BIRD refuses: its own message, the line and a caret; nothing has changed."""
    before = look(quick.lab, "sw1.pop2")
    checkout.override("bird/local-switch.conf.j2", BROKEN)
    said = checkout("deploy", "sw1.pop2", "--yes", code=1)
    lines = [line.strip() for line in said.out.splitlines()]
    (head,) = (number for number, line in enumerate(lines) if line.startswith("BIRD refuses /etc/bird/bird.conf:"))
    assert lines[head].endswith("syntax error, unexpected ROUTE, expecting ';' or '{'")
    line_number = lines[head].split(":")[1]
    assert lines[head + 1] == f"{line_number} |     route 192.0.2.99/32 blackhole;"
    assert lines[head + 2] == "|     ^"
    assert look(quick.lab, "sw1.pop2") == before


def test_a_template_that_fails_is_refused_on_the_controller(quick: QuickLab, checkout: Project) -> None:
    """A name that does not exist in an operator's template is an error with the template's place, not an empty line."""
    before = look(quick.lab, "sw1.pop2")
    checkout.override("bird/local-switch.conf.j2", "# {{ devise.name }}\n")
    said = checkout("deploy", "sw1.pop2", "--yes", code=None)
    assert said.code not in (0, 6)
    assert "devise" in said.out + said.err
    assert "local-switch.conf.j2" in said.out + said.err
    assert look(quick.lab, "sw1.pop2") == before


# ---- nobody confirms ---------------------------------------------------------------------------------------------


def test_a_dead_controller_is_survived(quick: QuickLab, checkout: Project) -> None:
    """Killed between apply and confirm: the device has the change for a moment, takes it back, and takes it again."""
    lab, device = quick.lab, "sw1.pop2"
    before = look(lab, device)
    checkout.edit("pops/pop2.yml", NORTHTEL[1], "description: never confirmed")
    target = Target(lab, device)
    with held_agent(target, "confirm"), checkout.running("deploy", device, "--yes", "--confirm-timeout", "10"):
        agent = held(target, "confirm")
        pending = look(lab, device)
    os.kill(agent, signal.SIGKILL)
    assert pending.stamp != before.stamp, "the candidate was live"
    assert "never confirmed" in pending.aliases["swp1"], "kernel items were changed as well"
    assert pending.file == before.file
    wait_until(lambda: not has_pending(lab, device), timeout_s=20, what="the device has decided")
    assert look(lab, device) == before
    assert checkout("plan", device, "--detailed-exitcode", code=None).code == 2
    assert "did not stay" in checkout("status", device).out
    checkout("deploy", device, "--yes")
    assert "never confirmed" in bird_file(lab, device)
    assert "did not stay" not in checkout("status", device).out
    assert not has_pending(lab, device)
    quick.project("deploy", device, "--yes")
    after = look(lab, device)
    assert (after.stamp, after.file, after.aliases) == (before.stamp, before.file, before.aliases)


# ---- two at once -------------------------------------------------------------------------------------------------


def test_two_controllers_one_wins(quick: QuickLab, tmp_path: Path) -> None:
    """While one changes a device another is refused, exit 5, told by whom; the first one's change is what stays."""
    lab, device = quick.lab, "sw1.pop2"
    first, second = (quick.project.copy(tmp_path / name) for name in ("first", "second"))
    first.edit("pops/pop2.yml", NORTHTEL[1], "description: of the first")
    second.edit("pops/pop2.yml", NORTHTEL[1], "description: of the second")
    target = Target(lab, device)
    with held_agent(target, "confirm"), first.running("deploy", device, "--yes", "--confirm-timeout", "60") as winner:
        agent = held(target, "confirm")
        loser = second("deploy", device, "--yes", code=5)
        go_on(agent)
        assert first.finish(winner, timeout_s=60).code == 0
    assert re.search(
        r"\S+@\S+ (waits for its confirmation, begun|is being applied, begun|is at work here) .*\d+ s", loser.out
    ), loser.out
    assert "of the first" in bird_file(lab, device)
    assert "of the second" not in bird_file(lab, device)
    assert first("plan", device, "--detailed-exitcode").code == 0
    quick.project("deploy", device, "--yes")


@contextmanager
def asked_on_a_terminal(project: Project, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """``netorch ARGUMENTS`` with somebody at the keyboard: the process, and the terminal to type into."""
    terminal, inside = pty.openpty()
    argv = [sys.executable, "-m", "netorch", *arguments]
    with subprocess.Popen(argv, cwd=project.folder, stdin=inside, stdout=subprocess.PIPE, stderr=inside) as process:
        os.close(inside)
        try:
            yield process, terminal
        finally:
            process.kill()
            os.close(terminal)


def _until_asked(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    seen = b""
    while not seen.endswith(b"[y/N]: "):
        seen += process.stdout.read(1)
        assert process.poll() is None, seen
    return seen


def test_a_plan_that_was_overtaken_is_refused(quick: QuickLab, tmp_path: Path) -> None:
    """An operator who looks at the question for too long: somebody else deployed meanwhile, so nothing is done."""
    lab, device = quick.lab, "sw1.pop2"
    slow, quicker = (quick.project.copy(tmp_path / name) for name in ("slow", "quicker"))
    slow.edit("pops/pop2.yml", NORTHTEL[1], "description: of the slow")
    quicker.edit("pops/pop2.yml", NORTHTEL[1], "description: of the quicker")
    with asked_on_a_terminal(slow, "deploy", device) as (asked, terminal):
        seen = _until_asked(asked)
        quicker("deploy", device, "--yes")
        after_quicker = look(lab, device)
        os.write(terminal, b"y\n")
        assert asked.stdout is not None
        said = seen + asked.stdout.read()
        assert asked.wait(timeout=30) == 1, said
    assert b"has changed since the plan was made" in said
    assert look(lab, device) == after_quicker
    quick.project("deploy", device, "--yes")


# ---- a device without room ---------------------------------------------------------------------------------------


def test_a_full_disk_is_refused(quick: QuickLab, checkout: Project) -> None:
    """Where the new files do not fit nothing is changed, and the message says how much is missing."""
    lab, device = quick.lab, "sw1.pop2"
    before = look(lab, device)
    lab.run(device, "mount", "-t", "tmpfs", "-o", "size=64k", "full", "/etc/bird")
    try:
        lab.run(device, "sh", "-c", "cat > /etc/bird/bird.conf", stdin=before.file)
        checkout.edit("pops/pop2.yml", NORTHTEL[1], "description: too much")
        said = checkout("deploy", device, "--yes", code=1)
        assert "/etc/bird has" in said.out
        assert "make room" in said.out
    finally:
        assert exec_in(device, ("umount", "/etc/bird"), lab.settings).returncode == 0
    assert look(lab, device) == before
