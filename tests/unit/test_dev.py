"""./dev, a copy of it: what it refuses, and what it does without setting anything up."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def dev(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the copy in ``folder``."""
    shutil.copy(ROOT / "dev", folder / "dev")
    return subprocess.run(
        ["sh", str(folder / "dev"), *words], capture_output=True, text=True, timeout=60, check=False, cwd=folder
    )


def test_setup_never_clears_what_a_link_points_to(tmp_path: Path) -> None:
    """A .venv that is a symbolic link is refused with the way out, and what it points to is as it was."""
    folder, elsewhere = tmp_path / "clone", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("kept")
    (folder / ".venv").symlink_to(elsewhere)
    said = dev(folder, "setup")
    assert said.returncode == 1
    assert f".venv is a symbolic link to {elsewhere}" in said.stderr
    assert f"rm {folder}/.venv" in said.stderr
    assert [path.name for path in elsewhere.iterdir()] == ["kept"]


@pytest.mark.parametrize("command", ["faults", "matrix"])
@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_sets_nothing_up(tmp_path: Path, command: str, word: str) -> None:
    """The help of a command with options is its program's, and nothing else runs."""
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    said = dev(tmp_path, command, "--only", "x", word)
    assert (said.returncode, said.stdout, said.stderr) == (0, f"-m tests.lab.{command} --help\n", "")
    assert sorted(path.name for path in (tmp_path / ".venv").iterdir()) == ["bin"]
