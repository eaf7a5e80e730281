"""Runs from cron, and roll-outs by hand, from one inventory on one machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from netorch.cli.folder_locks import only_run, rolling_out
from netorch.errors import Locked


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An inventory's folder."""
    (tmp_path / "pops").mkdir()
    return tmp_path


def test_the_second_run_is_not_alone(folder: Path) -> None:
    """Until the first one has ended."""
    with only_run(folder) as first, only_run(folder) as second:
        assert (first, second) == (True, False)
    with only_run(folder) as later:
        assert later


def test_a_run_begins_nothing_beside_a_roll_out(folder: Path) -> None:
    """What somebody lets soak, a run would carry out at once: it is refused with exit code 5 until the roll-out has ended."""
    with (
        rolling_out(folder),
        pytest.raises(Locked, match="a deploy or rollback from it is under way"),
        only_run(folder),
    ):
        pass
    with only_run(folder) as is_alone:
        assert is_alone


def test_roll_outs_lock_nobody_out_but_runs(folder: Path) -> None:
    """Two people may deploy different POPs, and a run that is under way holds nobody up."""
    with only_run(folder), rolling_out(folder), rolling_out(folder):
        pass


def test_a_folder_without_pops_is_not_the_locks_matter(tmp_path: Path) -> None:
    """Whoever reads the inventory says what is wrong with it."""
    with rolling_out(tmp_path), only_run(tmp_path) as is_alone:
        assert is_alone
