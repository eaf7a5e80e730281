"""``netorch lab`` beside a running POP: exec, status, logs, up again."""

from __future__ import annotations

import pytest

from netorch.lab import set_service
from tests.lab.deployed_pop import FirstDeploy

pytestmark = pytest.mark.lab


def test_exec_runs_inside_the_node(pop: FirstDeploy) -> None:
    """The command sees the node's own name, files and daemon; its exit code is passed on."""
    assert pop.netorch("lab", "exec", "h1.pop1", "hostname").out == "h1.pop1\n"
    assert "BIRD 2.0" in pop.netorch("lab", "exec", "sw1.pop1", "birdc", "show", "status").out
    assert pop.netorch("lab", "exec", "meadow", "sh", "-c", "exit 7", code=7).out == ""


def test_exec_names_the_nodes_that_there_are(pop: FirstDeploy) -> None:
    """An unknown node is an error that lists the others."""
    said = pop.netorch("lab", "exec", "h9.pop1", "true", code=1)
    assert "h9.pop1" in said.err
    assert "h1.pop1" in said.err.splitlines()[-1]


def test_status_lists_every_node(pop: FirstDeploy) -> None:
    """Devices, providers and the Internet, each with its daemons; exit code 0 while all run."""
    rows = pop.netorch("lab", "status", "-o", "json").document
    assert {row["kind"] for row in rows} == {"switch", "host", "provider", "internet"}
    assert len(rows) == 12
    assert all(row["running"] for row in rows)
    assert all("down" not in service for row in rows for service in row["services"])


def test_status_tells_a_stopped_daemon(pop: FirstDeploy) -> None:
    """A daemon that was stopped shows as down."""
    set_service("h3.pop1", "sshd", pop.lab.settings, running=False)
    try:
        row = next(r for r in pop.netorch("lab", "status", "-o", "json", code=None).document if r["node"] == "h3.pop1")
    finally:
        set_service("h3.pop1", "sshd", pop.lab.settings, running=True)
    assert "sshd down" in row["services"]


def test_logs_show_the_daemons_words(pop: FirstDeploy) -> None:
    """Logs of BIRD and sshd, each under its name."""
    text = pop.netorch("lab", "logs", "sw1.pop1").out
    assert "== bird.log\n" in text
    assert "Reconfigured" in text
    assert "Accepted publickey for root" in text


def test_up_again_changes_nothing(pop: FirstDeploy) -> None:
    """A second 'lab up' says that every node runs, and the POP stays deployed."""
    assert "every node runs" in pop.netorch("lab", "up").err
    pop.netorch("plan", "pop1", "--detailed-exitcode")
