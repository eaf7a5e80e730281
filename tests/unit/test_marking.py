"""Control groups of marked programs: whose processes are whose."""

from __future__ import annotations

import os
from pathlib import Path

from netorch.agent.marking import members, sweep


def test_processes_without_a_number_here_are_nobodys(tmp_path: Path) -> None:
    """The kernel writes 0 for those of another PID namespace, and a signal to 0 would go to the agent itself."""
    (tmp_path / "cgroup.procs").write_text("0\n17\n0\n")
    assert members(str(tmp_path)) == [17]


def test_a_group_that_has_gone_has_no_members(tmp_path: Path) -> None:
    """Its maker, or its guard, was faster."""
    assert members(str(tmp_path / "gone")) == []


def test_only_groups_whose_makers_have_gone_are_taken_away(tmp_path: Path) -> None:
    """A process of another PID namespace has a number that is nobody's here, or somebody else's: it may well be alive."""
    space = int(os.readlink("/proc/self/ns/pid").strip("pid:[]"))
    me = os.getpid()
    started = Path(f"/proc/{me}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19]
    alive, gone, elsewhere = f"{space}-{me}-{started}", f"{space}-{me}-0", f"{space + 1}-{me}-0"
    for name in (alive, gone, elsewhere, "another-program"):
        (tmp_path / name).mkdir()
    sweep(str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {alive, elsewhere, "another-program"}
