"""``netorch rehearse`` beside a deployed POP: what it finds, what it leaves alone, and that nothing of it stays."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.deployed_pop import bgp_states
from tests.lab.labs import Lab
from tests.lab.operator_shell import Said
from tests.lab.quick_lab import Project, QuickLab, only_pop2, quick_lab
from tests.unit.inventory_texts import edited
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

POP, SWITCH, FILE = "pop2", "sw1.pop2", "pops/pop2.yml"
SECRET = "    password: file:../.lab/secrets/meadow\n    description: Meadow private peering\n"
PREFIX = "  - prefix: 192.0.2.0/24\n    originators: [h1, h2]\n"
SESSION = "    hold time 90;\n    {{ family.name }} {"
TIMEOUT_S = 240.0


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    """The second POP, deployed; the session with meadow has a password, and one more prefix is announced."""
    private = ("    description: Meadow private peering\n", SECRET)
    files = edited(only_pop2(), FILE, private, ("\nprefixes:\n", f"\nprefixes:\n{PREFIX}"))
    with quick_lab(tmp_path_factory.mktemp("rehearse"), files, name="-rehearse") as quick:
        quick.deploy(POP)
        wait_until(
            lambda: set(bgp_states(quick.lab, SWITCH).values()) == {"Established"},
            timeout_s=60,
            what="sessions of the POP",
        )
        yield quick


@pytest.fixture
def project(quick: QuickLab, tmp_path: Path) -> Project:
    """A checkout of the POP's inventory to change."""
    return quick.project.copy(tmp_path / "project")


@pytest.fixture(scope="module")
def mistakes(quick: QuickLab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a rehearsal says of three at once: everything is exported to providers, their hold time is another, and switches send
    hosts the best route alone.

    Roles are left out too: with them BIRD itself keeps back what a provider sent (RFC 9234).
    """
    project = quick.project.copy(tmp_path_factory.mktemp("mistakes") / "project")
    everything = ("export filter {{ export_filter }};", "export all;")
    hold_time = (SESSION, SESSION.replace("90", "60"))
    project.patch("bird/provider_session.conf.j2", *everything, ("{% if view.role %}", "{% if false %}"), hold_time)
    project.patch("bird/switch.conf.j2", "        add paths tx;\n", "")
    return rehearse(project, code=7)


def rehearse(project: Project, *options: str, code: int) -> dict[str, Any]:
    """What a rehearsal says, as a document."""
    said = project("rehearse", POP, "-o", "json", *options, code=code, timeout_s=TIMEOUT_S)
    document: dict[str, Any] = said.document
    assert document["exit_code"] == code
    return document


def findings(document: dict[str, Any], guard: str) -> dict[str, dict[str, Any]]:
    """The findings that ``guard`` refuses, by their subject."""
    return {finding["subject"]: finding for finding in document["findings"] if finding["guard"] == guard}


def refused(document: dict[str, Any]) -> set[str]:
    """The guards that refuse."""
    return {finding["guard"] for finding in document["findings"]} - {""}


def real_state(lab: Lab) -> list[str]:
    """What a rehearsal must leave alone on the devices."""
    return [
        lab.sh(node, "sha256sum /etc/bird/bird.conf; birdc show protocols | sort; ip neigh show nud permanent")
        for node in (SWITCH, "h1.pop2", "h2.pop2")
    ]


def test_harmless_change_is_nothing_to_report(quick: QuickLab, project: Project) -> None:
    """A new description is deployed in the twin, resets nothing, moves nothing: exit code 0; and the devices are left alone.

    All the while every host sends to every provider and is sent to by the Internet, and is answered.
    """
    project.edit(FILE, "description: Northtel NT-100377", "description: Northtel NT-4711")
    before = real_state(quick.lab)
    document = rehearse(project, code=0)
    assert refused(document) == set()
    assert [f for f in document["findings"] if f["kind"] != "loss"] == []
    assert any("bird.conf" in line for line in document["changes"][SWITCH])
    assert document["devices_asked"] == ["h1.pop2", "h2.pop2", SWITCH]
    assert real_state(quick.lab) == before
    ways = {(probe["node"], probe["via"]) for probe in document["probes"]}
    assert ways == {(h, p) for h in ("h1.pop2", "h2.pop2") for p in ("northtel", "meadow")} | {("internet", "")}
    assert all(probe["answered"] and probe["sent"] > 50 for probe in document["probes"])


def test_leak_is_found(mistakes: dict[str, Any]) -> None:
    """An operator's template that exports everything: the provider that would hear foreign routes is named, with examples."""
    leaks = findings(mistakes, "leak")
    assert set(leaks) == {"northtel", "meadow"}
    # Of 40 prefixes in each family, 12 are northtel's alone; BIRD passes on the best path of the others.
    count = re.match(r"hears (\d+) prefixes that are not ours", leaks["meadow"]["message"])
    assert count is not None
    assert int(count.group(1)) >= 24
    assert any("path 64500 64496" in example for example in leaks["meadow"]["examples"])


def test_vanishing_prefix_is_found(project: Project) -> None:
    """A prefix that is taken out of the POP's file: every provider that no longer hears it is named, and so is the Internet.

    For people: what is refused comes first, by which guard, and a line sums up.
    """
    project.edit(FILE, PREFIX, "")
    said = project("rehearse", POP, code=7, timeout_s=TIMEOUT_S)
    lines = said.out.splitlines()
    assert lines[0] == "refused"
    assert [line for line in lines if line.endswith("[vanish]")] == [
        "  meadow: no longer hears 192.0.2.0/24  [vanish]",
        "  northtel: no longer hears 192.0.2.0/24  [vanish]",
        "  Internet: 192.0.2.0/24 is no longer reachable through any provider  [vanish]",
    ]
    assert "packets lost by" in lines[-1]
    assert "booting the twin of pop2" in said.err


def resets(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What is told of sessions that reset, by the session."""
    return {finding["subject"]: finding for finding in document["findings"] if finding["kind"] == "resets"}


def of_providers() -> set[str]:
    """The switch's sessions with both."""
    return {f"{SWITCH} - {name}-pop2 {family}" for name in ("northtel", "meadow") for family in ("ipv4", "ipv6")}


def test_reset_session_is_found(mistakes: dict[str, Any]) -> None:
    """Another hold time resets the providers' sessions: seen at both ends, as the plan foresees, and they come back."""
    found = resets(mistakes)
    for label in of_providers():
        provider = "northtel" if "northtel" in label else "meadow"
        assert f"resets, as seen by {SWITCH} and {provider}; the plan says so: restart" in found[label]["message"]
    assert findings(mistakes, "session-down") == {}


def test_reset_of_fabric_sessions_is_found(mistakes: dict[str, Any]) -> None:
    """Without ADD-PATH the switch's sessions with its hosts reset, which both ends see."""
    fabric = {f"{SWITCH} - {host} {family}" for host in ("h1.pop2", "h2.pop2") for family in ("ipv4", "ipv6")}
    assert set(resets(mistakes)) - of_providers() == fabric


def test_new_password_shows_what_a_deploy_would_do(project: Project) -> None:
    """A password that only we have changed: the session does not come up, so that the deploy goes back by itself."""
    path = project.folder / ".lab/secrets/meadow"
    path.write_text("another-one\n")
    document = rehearse(project, code=7)
    assert SWITCH in findings(document, "deploy")
    assert "reverted" in findings(document, "deploy")[SWITCH]["message"]
    assert f"{SWITCH} - meadow-pop2 ipv4" in findings(document, "resets")
    assert "another-one" not in str(document)


# ---- without the devices -----------------------------------------------------------------------------------------


def test_offline_compares_with_a_base(project: Project, quick: QuickLab) -> None:
    """--offline --base DIR asks no device, and finds the same."""
    project.edit(FILE, PREFIX, "")
    base = str(quick.project.folder / "inventory")
    document = rehearse(project, "--offline", "--base", base, code=7)
    assert document["devices_asked"] == []
    assert set(findings(document, "vanish")) == {"northtel", "meadow", "Internet"}
    assert findings(document, "leak") == {}


def test_offline_needs_a_base(project: Project) -> None:
    """Offline, outside git and without --base nobody knows what runs today."""
    said = project("rehearse", POP, "--offline", code=64)
    assert "nobody says what runs today on sw1.pop2, h1.pop2, h2.pop2" in said.err
    assert "--base" in said.err


def test_removed_circuit_is_played_as_git_has_it(project: Project) -> None:
    """A circuit that the working tree lacks is still plugged in: its sessions go down, and its provider hears nothing more."""
    _git(project, "init", "--quiet")
    (project.folder / ".gitignore").write_text(".lab\n")
    _git(project, "add", "--all")
    _git(project, "-c", "user.name=a", "-c", "user.email=a@example.net", "commit", "--quiet", "--message=deployed")
    text = (project.folder / "inventory" / FILE).read_text()
    circuit = text[text.index("  - id: 6\n") : text.index("\n# Announced to providers")]
    project.edit(FILE, circuit, "")
    document = rehearse(project, "--offline", code=7)
    assert set(findings(document, "session-down")) == {f"{SWITCH} - meadow-pop2 ipv4", f"{SWITCH} - meadow-pop2 ipv6"}
    assert set(findings(document, "vanish")) == {"meadow"}
    assert not any(finding["subject"] == "northtel" for finding in document["findings"])


def _git(project: Project, *words: str) -> None:
    subprocess.run(["git", "-C", str(project.folder), *words], check=True)


# ---- nothing stays -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill-9"])
def test_interrupted_rehearsal_leaves_nothing(project: Project, number: signal.Signals) -> None:
    """Whatever ends the command ends the twin with everything in it."""
    before = _processes()
    process = project.start("rehearse", POP)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("deploying the candidate"):
            break
    assert len(_processes() - before) > 20, "the twin runs"
    process.send_signal(number)
    said: Said = project.finish(process, timeout_s=60)
    assert said.code == (130 if number is signal.SIGINT else -9)
    wait_until(lambda: not _processes() - before, timeout_s=30, what="every process of the twin ends")
    assert not any("netorch-rehearsal" in line for line in Path("/proc/self/mountinfo").read_text().splitlines())


def _processes() -> set[int]:
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}
