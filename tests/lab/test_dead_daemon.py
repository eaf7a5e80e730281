"""A device whose BIRD is dead, with a file that keeps it dead: a deploy is the way out, and is undone like any other."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from netorch.lab import exec_in, set_service
from tests.lab.deployed_pop import bgp_states
from tests.lab.faults.asked import held, held_agent
from tests.lab.faults.bed import Target
from tests.lab.operator_shell import cron_environment
from tests.lab.quick_lab import Project, QuickLab, bird_file, live_stamp, only_pop2, quick_lab
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

SWITCH = "sw1.pop2"
BROKEN = "garbage {"


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    with quick_lab(tmp_path_factory.mktemp("dead"), only_pop2(), name="dead") as up:
        up.project("deploy", "pop2", "--yes")
        yield up


@pytest.fixture
def project(quick: QuickLab) -> Iterator[Project]:
    """The operator's project, of a POP that is whole; afterwards it is whole again."""
    yield quick.project
    set_service(SWITCH, "bird", quick.lab.settings, running=True)
    quick.project("deploy", "pop2", "--yes", code=None)
    wait_until(
        lambda: set(bgp_states(quick.lab, SWITCH).values()) == {"Established"}, timeout_s=30, what="all sessions are up"
    )


def is_running(quick: QuickLab) -> bool:
    """Whether BIRD answers on the switch."""
    return exec_in(SWITCH, ("birdc", "show", "status"), quick.lab.settings).returncode == 0


def break_it(quick: QuickLab, text: str = BROKEN) -> None:
    """A slip of the editor, and then the daemon dies: its supervisor cannot bring it back."""
    quick.lab.run(SWITCH, "sh", "-c", f"echo '{text}' > /etc/bird/bird.conf; pkill -9 -x bird")
    wait_until(lambda: not is_running(quick), timeout_s=10, what="BIRD is dead")


def whole(quick: QuickLab) -> bool:
    """Live and disk are the same, and all sessions are up."""
    on_disk = live_stamp(quick.lab, SWITCH) in bird_file(quick.lab, SWITCH)
    return on_disk and set(bgp_states(quick.lab, SWITCH).values()) == {"Established"}


@pytest.mark.parametrize("command", [("deploy", "pop2", "--yes"), ("run", "pop2")])
def test_a_broken_file_under_a_dead_daemon_is_put_right(
    quick: QuickLab, project: Project, command: tuple[str, ...]
) -> None:
    """Deploy and run put the right file in place and the daemon comes up with it; the plan says what is wrong."""
    break_it(quick)
    assert "~ file /etc/bird/bird.conf [edited by hand]" in project("plan", SWITCH).out
    said = project(*command, environment=cron_environment())
    assert f"{SWITCH}  changed" in said.out
    assert BROKEN not in bird_file(quick.lab, SWITCH)
    wait_until(lambda: whole(quick), timeout_s=20, what="the switch is as it was")
    assert project("plan", "pop2", "--detailed-exitcode").code == 0


def test_a_daemon_that_is_not_started_leaves_everything_as_it_was(quick: QuickLab, project: Project) -> None:
    """Nothing starts BIRD here: after its time the change is undone, the former file is back, and the reason is told."""
    set_service(SWITCH, "bird", quick.lab.settings, running=False)
    quick.lab.run(SWITCH, "sh", "-c", f"echo '{BROKEN}' > /etc/bird/bird.conf")
    said = project("deploy", SWITCH, "--yes", code=6)
    assert "BIRD does not come up within 20 s" in said.out
    assert bird_file(quick.lab, SWITCH).strip() == BROKEN
    assert quick.lab.run(SWITCH, "ls", "/var/lib/netorch/pending").strip() == ""
    assert not is_running(quick)


def test_a_dead_controller_leaves_no_unconfirmed_file(quick: QuickLab, project: Project) -> None:
    """Killed before it confirms: the watchdog puts the former file back and ends the daemon that cannot read it."""
    break_it(quick)
    target = Target(quick.lab, SWITCH)
    with held_agent(target, "confirm"), project.running("deploy", SWITCH, "--yes", "--confirm-timeout", "10"):
        agent = held(target, "confirm")
        assert BROKEN not in bird_file(quick.lab, SWITCH), "the candidate is in place"
    os.kill(agent, signal.SIGKILL)
    wait_until(lambda: bird_file(quick.lab, SWITCH).strip() == BROKEN, timeout_s=60, what="the former file is back")
    wait_until(lambda: not is_running(quick), timeout_s=10, what="BIRD does not run an unconfirmed configuration")


def test_a_dead_daemon_with_the_right_file_is_started_again(quick: QuickLab, project: Project, tmp_path: Path) -> None:
    """The file is right, the daemon is gone: the plan says so, and a deploy brings it back with its drains."""
    project("drain", "meadow", "--pop", "pop2", "--wait", "1s")
    try:
        set_service(SWITCH, "bird", quick.lab.settings, running=False)
        assert "[the daemon does not run]" in project("plan", SWITCH).out
        with project.running("deploy", SWITCH, "--yes") as deploy:
            wait_until(lambda: _has_pending(quick), timeout_s=20, what="the deploy is at work")
            set_service(SWITCH, "bird", quick.lab.settings, running=True)  # as systemd does when it is asked to
            assert project.finish(deploy, timeout_s=60).code == 0
        wait_until(
            lambda: "Established" in bgp_states(quick.lab, SWITCH)["northtel_5_v4"], timeout_s=20, what="northtel is up"
        )
        assert "Established" not in bgp_states(quick.lab, SWITCH)["meadow_6_v4"]
    finally:
        project("undrain", "meadow", "--pop", "pop2")


def _has_pending(quick: QuickLab) -> bool:
    return bool(quick.lab.run(SWITCH, "ls", "/var/lib/netorch/pending").strip())
