"""Control groups of marked programs: whose processes are whose."""

from __future__ import annotations

from pathlib import Path

from netorch.agent.marking import members


def test_processes_without_a_number_here_are_nobodys(tmp_path: Path) -> None:
    """The kernel writes 0 for those of another PID namespace, and a signal to 0 would go to the agent itself."""
    (tmp_path / "cgroup.procs").write_text("0\n17\n0\n")
    assert members(str(tmp_path)) == [17]


def test_a_group_that_has_gone_has_no_members(tmp_path: Path) -> None:
    """Its maker, or its guard, was faster."""
    assert members(str(tmp_path / "gone")) == []
