"""A small POP in operation: roll-outs that resume, guards, rollbacks that hold, decisions by hand, cron, and the record."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from netorch.lab import set_link
from tests.lab.deployed_pop import bgp_states
from tests.lab.drained_pop import quick_drains
from tests.lab.faults.asked import held, held_agent
from tests.lab.faults.bed import Target
from tests.lab.operator_shell import Said, cron_environment
from tests.lab.quick_lab import Project, QuickLab, bird_file, live_stamp, only_pop2, quick_lab
from tests.lab.stopping import go_on
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

SWITCH, HOSTS = "sw1.pop2", ("h1.pop2", "h2.pop2")
DEVICES = (SWITCH, *HOSTS)
NOTE = "# an operator's own line, number "


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    with quick_lab(tmp_path_factory.mktemp("operating"), quick_drains(only_pop2()), name="oper") as up:
        up.deploy("pop2")
        yield up


@pytest.fixture
def project(quick: QuickLab, tmp_path: Path) -> Iterator[Project]:
    """An operator's own checkout; afterwards the POP is as the first one says."""
    yield quick.project.copy(tmp_path / "checkout")
    quick.project("deploy", "pop2", "--yes", "--allow-resets", "4", "--reason", "put back")


def change_all(project: Project, number: int) -> None:
    """A harmless change of every device's configuration."""
    for role in ("switch", "host"):
        project.override(f"bird/local-{role}.conf.j2", f"{NOTE}{number}\n")


def run(project: Project, *arguments: str, code: int | None = 0) -> Said:
    """``netorch run`` as cron starts it."""
    return project("run", *arguments, code=code, environment=cron_environment())


def audit_lines(project: Project) -> list[dict[str, object]]:
    """What is on record."""
    text = (project.folder / ".lab/audit.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


# ---- roll-out ----------------------------------------------------------------------------------------------------


def test_batches_are_shown_and_a_killed_rollout_is_resumed(quick: QuickLab, project: Project) -> None:
    """Killed after its first batch, the roll-out leaves that device changed and the others as they were; running it again
    changes these alone."""
    change_all(project, 1)
    with project.running("deploy", "pop2", "--yes", "--batch", "1", "--soak", "60") as process:
        assert process.stderr is not None
        seen = ""
        while "waiting 60 s" not in seen:
            line = process.stderr.readline()
            assert line, seen
            seen += line
        process.kill()
    assert "batch 1 of 3: sw1.pop2 (0 of 3 devices done)" in seen
    assert f"{NOTE}1" in bird_file(quick.lab, SWITCH)
    assert not any(f"{NOTE}1" in bird_file(quick.lab, host) for host in HOSTS)
    said = project("deploy", "pop2", "--yes", "-o", "json")
    outcomes = {row["device"]: row["outcome"] for row in said.document["results"]}
    assert outcomes == {SWITCH: "unchanged", "h1.pop2": "changed", "h2.pop2": "changed"}
    assert all(f"{NOTE}1" in bird_file(quick.lab, device) for device in DEVICES)


def test_a_change_of_sessions_shows_the_pop_before_and_after(quick: QuickLab, project: Project) -> None:
    """The figures of switch and hosts, those that moved with both values."""
    project.patch("bird/provider_session.conf.j2", "hold time 90", "hold time 60")
    said = project("deploy", SWITCH, "--yes", "--allow-resets", "4", "-o", "json")
    (row,) = said.document["comparison"]
    assert row["device"] == SWITCH
    assert row["sessions_before"] == row["sessions_after"] == 8
    assert row["accepted_before"] == row["accepted_after"] > 100
    assert row["announced_before"] == row["announced_after"] == 4


# ---- guards ------------------------------------------------------------------------------------------------------


def test_guards_refuse_before_anything_changes(quick: QuickLab, project: Project) -> None:
    """A template without a filter: exit code 7, guard, finding and override are named, and the device is untouched."""
    before = live_stamp(quick.lab, SWITCH)
    project.patch("bird/provider_session.conf.j2", "import filter {{ import_filter }};", "import all;")
    said = project("deploy", "pop2", "--yes", code=7)
    assert "sw1.pop2: refused (unfiltered): the new configuration has no import filter for northtel_5_v4, " in said.err
    assert "--allow-unfiltered" in said.err
    assert "--allow-unfiltered" in project("plan", "pop2").err
    assert live_stamp(quick.lab, SWITCH) == before
    assert run(project, "pop2", code=7).out.count("refused") >= 1
    assert live_stamp(quick.lab, SWITCH) == before
    project("deploy", SWITCH, "--yes", "--allow-unfiltered")
    assert live_stamp(quick.lab, SWITCH) != before


def test_restarts_need_a_word(project: Project) -> None:
    """With --yes nobody has agreed that Established sessions restart."""
    project.patch("bird/provider_session.conf.j2", "hold time 90", "hold time 30")
    said = project("deploy", "pop2", "--yes", code=7)
    assert "pop2: refused (resets): the plan restarts 4 Established provider sessions (limit 0)" in said.err
    document = project("deploy", "pop2", "--yes", "-o", "json", code=7).document
    assert [refusal["guard"] for refusal in document["refused"]] == ["resets"]
    assert document["results"] == []


# ---- history and rollback ----------------------------------------------------------------------------------------


def test_a_rollback_holds_until_the_next_deploy(quick: QuickLab, project: Project) -> None:
    """Everything is as before, plan shows the difference, run leaves it and says so, deploy ends it."""
    device = "h1.pop2"
    before = live_stamp(quick.lab, device), bird_file(quick.lab, device)
    change_all(project, 2)
    project("deploy", device, "--yes", "--reason", "CHG-4711")
    assert (live_stamp(quick.lab, device), bird_file(quick.lab, device)) != before
    said = project("rollback", device, "--yes", "--reason", "flaps")
    assert f"{device}  changed" in said.out
    assert (live_stamp(quick.lab, device), bird_file(quick.lab, device)) == before
    assert project("plan", device, "--detailed-exitcode", code=2).out
    held = run(project, device, code=1)
    assert "left as it is, since" in held.out
    assert "rollback to generation" in held.out
    assert (live_stamp(quick.lab, device), bird_file(quick.lab, device)) == before
    rows = project("history", device, "-o", "json").document
    assert [row["reason"] for row in rows[:2]] == [f"rollback to generation {rows[2]['generation']}: flaps", "CHG-4711"]
    assert rows[0]["generation"] == rows[1]["generation"] + 1
    project("deploy", device, "--yes")
    assert f"{NOTE}2" in bird_file(quick.lab, device)


def test_a_rollback_is_over_once_the_inventory_is_mended(quick: QuickLab, project: Project) -> None:
    """The inventory wants again what the device went back to: deploy changes nothing, and run puts drift right from then on."""
    device = "h1.pop2"
    change_all(project, 9)
    project("deploy", device, "--yes")
    project("rollback", device, "--yes", "--reason", "flaps")
    before = live_stamp(quick.lab, device)
    said = quick.project("deploy", device, "--yes")
    assert "its rollback is over" in said.out
    assert said.out.splitlines()[-1] == "1 unchanged"
    (newest, *_) = project("history", device, "-o", "json").document
    assert (newest["operations"], newest["reason"], newest["files"]) == (0, None, [])
    quick.lab.run(device, "ip", "rule", "del", "pref", "10001")
    assert f"{device}  changed" in run(quick.project, device).out
    assert live_stamp(quick.lab, device) == before


def test_a_rollback_keeps_a_drain(quick: QuickLab, project: Project) -> None:
    """Sessions that are drained stay closed on the way back to a generation in which they were open. Undrain opens them where
    the inventory wants nothing else, and brings nothing back in passing."""
    change_all(project, 3)
    project("deploy", SWITCH, "--yes")
    project("drain", "meadow", "--pop", "pop2", "--wait", "1s")
    try:
        number = project("history", SWITCH, "-o", "json").document[0]["generation"]
        project("rollback", SWITCH, "--to", str(number - 3), "--yes", "--allow-overlay")
        assert f"{NOTE}3" not in bird_file(quick.lab, SWITCH)
        states = bgp_states(quick.lab, SWITCH)
        assert "Established" not in (states["meadow_6_v4"], states["meadow_6_v6"])
        assert states["northtel_5_v4"] == "Established"
        refused = project("undrain", "meadow", "--pop", "pop2", code=7).err
        assert "and this would bring back the inventory's configuration" in refused
        assert f"{NOTE}3" not in bird_file(quick.lab, SWITCH)
    finally:
        quick.project("undrain", "meadow", "--pop", "pop2")
    wait_until(
        lambda: set(bgp_states(quick.lab, SWITCH).values()) == {"Established"}, timeout_s=20, what="all sessions are up"
    )


def test_generations_that_are_not_there(project: Project) -> None:
    """The device says which it keeps; one --to for several devices means nothing."""
    assert "generation 9999 is not kept here" in project("rollback", SWITCH, "--to", "9999", "--check", code=1).err
    assert "each numbers its own" in project("rollback", "pop2", "--to", "1", "--check", code=64).err


# ---- decisions by hand, and several at once ----------------------------------------------------------------------


def leave_pending(quick: QuickLab, project: Project, number: int) -> None:
    """A controller that dies between apply and confirmation."""
    change_all(project, number)
    target = Target(quick.lab, SWITCH)
    with held_agent(target, "confirm"), project.running("deploy", SWITCH, "--yes", "--confirm-timeout", "120"):
        agent = held(target, "confirm")
    os.kill(agent, signal.SIGKILL)
    assert '"phase": "applied"' in quick.lab.sh(SWITCH, "cat /var/lib/netorch/pending/*/journal.json")
    assert [audit_lines(project)[-1][key] for key in ("action", "device", "result")] == ["deploy", SWITCH, "begun"]


def test_a_pending_change_is_decided_by_hand(quick: QuickLab, project: Project) -> None:
    """A deploy whose controller died blocks others with a name; revert undoes it now, confirm makes it stay."""
    before = live_stamp(quick.lab, SWITCH)
    leave_pending(quick, project, 4)
    assert "waits for its confirmation" in quick.project("deploy", SWITCH, "--yes", "--diff", code=None).out
    assert "s are left: netorch confirm or revert sw1.pop2" in project("status", SWITCH, code=None).out
    quick.lab.run(SWITCH, "birdc", "configure")
    assert "is no longer what bird runs: somebody reloaded or restarted it" in project("status", SWITCH, code=None).out
    assert project("revert", "pop2", "-o", "json").document[0]["outcome"] == "reverted"
    assert live_stamp(quick.lab, SWITCH) == before
    assert [row["outcome"] for row in project("confirm", "pop2", "-o", "json").document] == ["idle"] * 3
    leave_pending(quick, project, 5)
    (row,) = project("confirm", SWITCH, "-o", "json").document
    assert row["outcome"] == "confirmed"
    assert f"{NOTE}5" in bird_file(quick.lab, SWITCH)
    ended = [line["action"] for line in audit_lines(project) if line["result"] != "begun"]
    assert ended[-2:] == ["revert", "confirm"], "the controllers that died have left no more than their beginning"


def test_cron_over_a_manual_deploy(quick: QuickLab, project: Project) -> None:
    """While a person's change waits, a run stops there with exit code 5 and the person's name, and does no harm: the person's
    deploy ends well."""
    change_all(project, 6)
    target = Target(quick.lab, SWITCH)
    with (
        held_agent(target, "confirm"),
        project.running("deploy", SWITCH, "--yes", "--confirm-timeout", "120") as person,
    ):
        agent = held(target, "confirm")
        said = run(quick.project, "pop2", code=5)
        go_on(agent)
        assert project.finish(person, timeout_s=60).code == 0
    assert "waits for its confirmation" in said.out
    assert f"{NOTE}6" in bird_file(quick.lab, SWITCH)


def test_cron_with_an_older_copy_leaves_a_newer_deploy(quick: QuickLab, project: Project, tmp_path: Path) -> None:
    """Two checkouts of one inventory: what a person deployed from a newer commit stays until cron's copy has it as well."""
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "one")
    person = project.copy(tmp_path / "person")
    change_all(person, 10)
    git(person, "commit", "-q", "-a", "-m", "two")
    person("deploy", "h1.pop2", "--yes")
    deployed = live_stamp(quick.lab, "h1.pop2")
    path = tmp_path / "netorch.prom"
    said = run(project, "pop2", "--metrics", str(path), code=3)
    assert "left as it is, since generation" in said.out
    assert figures(path)['netorch_run_devices{"outcome": "skipped"}'] == 1
    assert live_stamp(quick.lab, "h1.pop2") == deployed
    git(project, "pull", "-q", str(person.folder / "inventory"))
    change_all(project, 10)
    run(project, "pop2")
    assert live_stamp(quick.lab, "h1.pop2") == deployed
    assert all(f"{NOTE}10" in bird_file(quick.lab, device) for device in DEVICES)


def git(project: Project, *command: str) -> None:
    """Run git in the inventory's folder, as somebody."""
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.net", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", project.folder / "inventory", *identity, *command], check=True, capture_output=True)


# ---- cron --------------------------------------------------------------------------------------------------------


def test_a_run_leaves_figures(quick: QuickLab, project: Project, tmp_path: Path) -> None:
    """Drift and success for node_exporter; a silent run writes them too."""
    path = tmp_path / "netorch.prom"
    quick.lab.run("h1.pop2", "ip", "rule", "del", "pref", "10001")
    said = run(project, "pop2", "--metrics", str(path), "--jitter", "0.1")
    first = figures(path)
    assert first['netorch_drift_operations{"device": "h1.pop2"}'] == 1, said.out
    assert first["netorch_run_exit_code"] == 0
    said = run(project, "pop2", "--metrics", str(path))
    assert (said.out, said.err) == ("", "")
    second = figures(path)
    assert second['netorch_drift_operations{"device": "h1.pop2"}'] == 0
    assert second["netorch_run_last_success_timestamp_seconds"] > first["netorch_run_last_success_timestamp_seconds"]


def figures(path: Path) -> dict[str, float]:
    """Every figure by name and labels."""
    families = text_string_to_metric_families(path.read_text(encoding="utf-8"))
    samples = [sample for family in families for sample in family.samples]
    return {s.name + (json.dumps(s.labels) if s.labels else ""): s.value for s in samples}


def test_a_run_ends_when_its_time_is_up(quick: QuickLab, project: Project) -> None:
    """A silent device does not keep it: nothing more begins, the exit code is 1, the reason is told, and the next run does
    the rest."""
    change_all(project, 7)
    set_link("h2.pop2", "mgmt0", quick.lab.settings, connected=False)
    try:
        said = run(project, "pop2", "--max-runtime", "3", code=1)
    finally:
        set_link("h2.pop2", "mgmt0", quick.lab.settings, connected=True)
    assert "its 3 s were over before it was done" in said.err
    assert "not started, since the time of this run was up" in said.out
    assert not any(f"{NOTE}7" in bird_file(quick.lab, device) for device in DEVICES)
    run(project, "pop2")
    assert all(f"{NOTE}7" in bird_file(quick.lab, device) for device in DEVICES)


def test_maintenance_is_left_alone(quick: QuickLab, project: Project) -> None:
    """A run does not touch a device in a window, and says nothing of it; a person's deploy does."""
    head = "description: Second POP"
    text = (project.folder / "inventory/pops/pop2.yml").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("description:"))
    assert line.startswith(head)
    project.edit(
        "pops/pop2.yml", line, f"{line}\nmaintenance:\n  - {{start: 2020-01-01T00:00Z, end: 2099-01-01T00:00Z}}"
    )
    quick.lab.run("h1.pop2", "ip", "rule", "del", "pref", "10001")
    said = run(project, "pop2")
    assert (said.out, said.err) == ("", "")
    assert quick.lab.run("h1.pop2", "ip", "rule", "show", "pref", "10001") == ""
    project("deploy", "pop2", "--yes")
    assert "lookup 1001" in quick.lab.run("h1.pop2", "ip", "rule", "show", "pref", "10001")


# ---- the record --------------------------------------------------------------------------------------------------


def test_everything_is_on_record(quick: QuickLab, project: Project) -> None:
    """A line when a change begins and one when it ends, in a file for its owner alone; --audit names another file."""
    change_all(project, 8)
    project("deploy", "h1.pop2", "--yes", "--reason", "CHG-1")
    path = project.folder / ".lab/audit.jsonl"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    line = audit_lines(project)[-1]
    assert (line["action"], line["device"], line["result"], line["reason"]) == ("deploy", "h1.pop2", "changed", "CHG-1")
    assert line["from"] == "local"
    assert str(line["time"]).endswith("+00:00")
    other = project.folder / "elsewhere.jsonl"
    project("rollback", "h1.pop2", "--yes", "--audit", str(other))
    lines = [json.loads(text) for text in other.read_text(encoding="utf-8").splitlines()]
    assert [(one["action"], one["result"]) for one in lines] == [("rollback", "begun"), ("rollback", "changed")]
    assert audit_lines(project)[-1] == line
    said = project("deploy", "h1.pop2", "--yes", "--audit", "/proc/nowhere/audit.jsonl")
    assert "warning: the audit log cannot be written: /proc/nowhere/audit.jsonl" in said.err
