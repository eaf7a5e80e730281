"""A device whose daemon is dead, with a file that nothing runs from: a deploy is the way out, and is undone like any other."""

from __future__ import annotations

import functools
import os
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from netorch.lab import exec_in, set_service
from netorch.render.seal import STAMP_LENGTH
from tests.lab.deployed_pop import bgp_states
from tests.lab.faults.asked import held, held_agent
from tests.lab.faults.bed import Target
from tests.lab.operator_shell import cron_environment
from tests.lab.quick_lab import Project, QuickLab, only_pop2, quick_lab
from tests.unit.inventory_texts import edited
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

BROKEN = "garbage {"
SWITCH = "sw1.pop2"


@dataclass(frozen=True)
class Device:
    """What a device's daemon consists of: its ``file``, and ``stamp`` prints which one it runs."""

    name: str
    file: str
    programs: tuple[str, ...]
    stamp: tuple[str, ...]

    def __str__(self) -> str:
        return self.name

    def text(self, quick: QuickLab) -> str:
        """Its configuration on disk."""
        return quick.lab.run(self.name, "cat", self.file)

    def live(self, quick: QuickLab) -> str:
        """The stamp of what runs; "" where none does."""
        said = exec_in(self.name, self.stamp, quick.lab.settings).stdout.decode()
        found = re.search(rf"\b[0-9a-f]{{{STAMP_LENGTH}}}\b", said)
        return found.group() if found else ""

    def has_ours(self, quick: QuickLab) -> bool:
        """Whether a configuration of netorch's runs, and is on disk."""
        live = self.live(quick)
        return bool(live) and live in self.text(quick)

    def keep(self, quick: QuickLab, *, running: bool) -> None:
        """End all of it and keep it down, or let it start again."""
        for program in self.programs:
            set_service(self.name, program, quick.lab.settings, running=running)

    def kill(self, quick: QuickLab, text: str = BROKEN) -> None:
        """A slip of the editor, and then the daemon dies: BIRD does not come up with that file, FRR without any configuration."""
        killed = "; ".join(f"pkill -9 -x {program} || true" for program in self.programs)
        quick.lab.sh(self.name, f"echo '{text}' > {self.file}; {killed}")
        wait_until(lambda: not self.live(quick), timeout_s=10, what="nothing of netorch's runs")
        if self is FRR:
            wait_until(lambda: self.answering(quick) == set(self.programs), timeout_s=30, what="FRR is back")

    def answering(self, quick: QuickLab) -> set[str]:
        """FRR's programs that run."""
        said = exec_in(self.name, ("vtysh", "-c", "show daemons"), quick.lab.settings).stdout.decode()
        return set(said.split()) & set(self.programs)


BIRD = Device(SWITCH, "/etc/bird/bird.conf", ("bird",), ("birdc", "eval", "NETORCH_STAMP"))
FRR = Device(
    "h1.pop2",
    "/etc/frr/frr.conf",
    ("zebra", "staticd", "bgpd", "bfdd"),
    ("vtysh", "-d", "bgpd", "-c", "show route-map netorch_stamp"),
)
BOTH = (BIRD, FRR)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    files = edited(
        only_pop2(), "pops/pop2.yml", ("  - name: h1\n", "  - name: h1\n    daemon: frr\n    version: 8.4.4\n")
    )
    with quick_lab(tmp_path_factory.mktemp("dead"), files, name="dead") as up:
        up.deploy("pop2")
        wait_until(lambda: all_up(up), timeout_s=60, what="all sessions are up")
        yield up


@pytest.fixture
def project(quick: QuickLab) -> Iterator[Project]:
    """The operator's project, of a POP that is whole; afterwards it is whole again."""
    yield quick.project
    for device in BOTH:
        device.keep(quick, running=True)
    quick.project("deploy", "pop2", "--yes", code=None)
    wait_until(lambda: all_up(quick), timeout_s=60, what="all sessions are up")


def all_up(quick: QuickLab) -> bool:
    """Whether both devices run what is on disk, and every session of the POP is up."""
    states = set(bgp_states(quick.lab, SWITCH).values())
    return states == {"Established"} and BIRD.has_ours(quick) and FRR.has_ours(quick)


@pytest.mark.parametrize("command", [("deploy", "pop2", "--yes"), ("run", "pop2")])
def test_a_broken_file_under_a_dead_daemon_is_put_right(
    quick: QuickLab, project: Project, command: tuple[str, ...]
) -> None:
    """Deploy and run put the right file in place and the daemon comes up with it; the plan says what is wrong."""
    for device in BOTH:
        device.kill(quick)
    planned = project("plan", "pop2").out
    assert [device.name for device in BOTH if f"~ file {device.file} [edited by hand]" not in planned] == []
    said = project(*command, environment=cron_environment(), timeout_s=120)
    outcomes = dict(line.split()[:2] for line in said.out.splitlines() if len(line.split()) > 1)
    assert {device.name: outcomes[device.name] for device in BOTH} == dict.fromkeys((SWITCH, FRR.name), "changed")
    assert [device.name for device in BOTH if BROKEN in device.text(quick)] == []
    wait_until(lambda: all_up(quick), timeout_s=60, what="the POP is as it was")
    assert project("plan", "pop2", "--detailed-exitcode").code == 0


def test_a_daemon_that_is_not_started_leaves_everything_as_it_was(quick: QuickLab, project: Project) -> None:
    """Nothing starts BIRD here: after its time the change is undone, the former file is back, and the reason is told."""
    BIRD.keep(quick, running=False)
    quick.lab.run(SWITCH, "sh", "-c", f"echo '{BROKEN}' > {BIRD.file}")
    said = project("deploy", SWITCH, "--yes", code=6)
    assert "BIRD does not come up within 20 s" in said.out
    assert BIRD.text(quick).strip() == BROKEN
    assert not _has_pending(quick, BIRD)
    assert not BIRD.live(quick)


def test_a_dead_controller_leaves_no_unconfirmed_file(quick: QuickLab, project: Project, tmp_path: Path) -> None:
    """Killed before it confirms: the watchdog puts the former file back, and no daemon runs the unconfirmed configuration."""
    targets = {device: Target(quick.lab, device.name) for device in BOTH}
    with ExitStack() as stack:
        for device, target in targets.items():
            device.kill(quick)
            stack.enter_context(held_agent(target, "confirm"))
            controller = project.copy(tmp_path / device.name)
            stack.enter_context(controller.running("deploy", device.name, "--yes", "--confirm-timeout", "10"))
        agents = [held(target, "confirm") for target in targets.values()]  # which is asked once the candidate runs
    for agent in agents:
        os.kill(agent, signal.SIGKILL)
    for device in BOTH:
        wait_until(functools.partial(_is_undone, quick, device), timeout_s=60, what=f"{device} is as before")


def test_dead_daemons_with_the_right_file_are_started_again(quick: QuickLab, project: Project) -> None:
    """The files are right, the daemons are gone: the plan says so, and a deploy brings them back with their drains."""
    project("drain", "meadow", "--pop", "pop2", "--wait", "1s")
    try:
        for device in BOTH:
            device.keep(quick, running=False)
        assert project("plan", "pop2").out.count("[the daemon does not run]") == len(BOTH)
        with project.running("deploy", "pop2", "--yes") as deploy:
            for device in BOTH:
                wait_until(functools.partial(_has_pending, quick, device), timeout_s=60, what=f"{device} is at work")
                device.keep(quick, running=True)  # as systemd does when it is asked to
            assert project.finish(deploy, timeout_s=120).code == 0
        wait_until(
            lambda: "Established" in bgp_states(quick.lab, SWITCH)["northtel_5_v4"], timeout_s=20, what="northtel is up"
        )
        assert [device.has_ours(quick) for device in BOTH] == [True, True]
        assert "Established" not in bgp_states(quick.lab, SWITCH)["meadow_6_v4"]
    finally:
        project("undrain", "meadow", "--pop", "pop2")


def _has_pending(quick: QuickLab, device: Device) -> bool:
    return bool(quick.lab.run(device.name, "ls", "/var/lib/netorch/pending").strip())


def _is_undone(quick: QuickLab, device: Device) -> bool:
    is_former = device.text(quick).strip() == BROKEN
    return is_former and not _has_pending(quick, device) and not device.live(quick)
