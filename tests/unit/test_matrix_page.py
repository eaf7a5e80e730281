"""The table of docs/matrix.md while a script writes it: whole at every moment, and with the rows of what was not played."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.labs import ROOT
from tests.lab.matrix.__main__ import BEGIN, BEGIN_MIXED, END, parted, put_between, row_of, write
from tests.lab.matrix.bench import Cell
from tests.lab.matrix.cell import CHECKS, Outcome, cells
from tests.lab.matrix.pop import Release

CELL = Cell(Release("frr", "8.4.4"), Release("bird", "2.17"))


def page(folder: Path) -> Path:
    """A copy of the page."""
    return Path(shutil.copy(ROOT / "docs/matrix.md", folder / "matrix.md"))


def test_a_cell_that_was_played_takes_its_row_alone(tmp_path: Path) -> None:
    """A matrix that is killed after one cell has written that one; the other rows, and the rest of the page, are as before."""
    before = page(tmp_path).read_text().splitlines()
    played = Outcome(CELL, took_s=dict.fromkeys(CHECKS, 1234.5))
    write([played], tmp_path / "matrix.md")
    after = (tmp_path / "matrix.md").read_text().splitlines()
    assert len(after) == len(before)
    assert [line for old, line in zip(before, after, strict=True) if old != line] == [row_of(played)]
    assert "1234.5 s" in row_of(played)
    assert [file.name for file in tmp_path.iterdir()] == ["matrix.md"]


def test_every_cell_has_a_row() -> None:
    """What stands in the page is what the script plays: a row for each cell, in its order, and no check failed."""
    _, table, _ = parted(ROOT / "docs/matrix.md", BEGIN)
    rows = table.splitlines()[2:]
    assert [tuple(row.strip("| ").split(" | ")[:2]) for row in rows] == [(str(c.switch), str(c.host)) for c in cells()]
    assert [row for row in rows if "FAILED" in row or " - " in row] == []


def test_tables_do_not_touch_each_other(tmp_path: Path) -> None:
    """The table of the mixed POP is replaced as a whole, that of the cells stays."""
    file = page(tmp_path)
    former = parted(file, BEGIN)[1]
    put_between(file, BEGIN_MIXED, ["| a |", "| --- |"])
    assert parted(file, BEGIN)[1] == former
    assert f"{BEGIN_MIXED}| a |\n| --- |\n{END}" in file.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--only", "BIRD 2.17 / BIRD 3.1"), "where BIRD 3.1 is on no host"),
        (("--only", "quagga"), "expected a part of 'SWITCHES / HOSTS'"),
        (("--mixed", "--only", "BIRD"), "the POP of --mixed is played whole"),
    ],
)
def test_a_choice_of_nothing_is_refused(words: tuple[str, ...], said: str) -> None:
    """Wrong usage, with the reason, before anything is booted."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.lab.matrix", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )
    assert (done.returncode, done.stdout) == (64, "")
    assert said in done.stderr
