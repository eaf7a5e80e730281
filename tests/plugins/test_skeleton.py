"""What ``netorch plugin new`` writes works as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from netorch.app.plugin_skeleton import skeleton
from netorch.errors import UsageError
from netorch.loader import load_plugin
from tests.plugins.example import ROOT


def write(folder: Path, name: str) -> Path:
    """The skeleton, as files."""
    for path, text in skeleton(name).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder / name


def run(*command: str, folder: Path) -> None:
    """Run a tool of the virtual environment; its output is the message of a failure."""
    tool = [sys.executable, "-m", *command]
    result = subprocess.run(tool, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", ["my_thing", "x2"])
def test_new_plugin_passes_its_own_tests(tmp_path: Path, name: str) -> None:
    """pytest in its folder, far from netorch's own tree, passes."""
    run("pytest", "-q", "-p", "no:cacheprovider", str(write(tmp_path, name)), folder=tmp_path)


def test_new_plugin_is_typed_and_clean(tmp_path: Path) -> None:
    """It meets the rules that netorch's own code meets."""
    target = write(tmp_path, "my_thing")
    run("ruff", "check", "--no-cache", "--config", str(ROOT / "pyproject.toml"), str(target), folder=tmp_path)
    run(
        "ruff",
        "format",
        "--check",
        "--no-cache",
        "--config",
        str(ROOT / "pyproject.toml"),
        str(target),
        folder=tmp_path,
    )
    run("mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(target / "__init__.py"), folder=ROOT)


def test_new_plugin_loads_with_its_command(tmp_path: Path) -> None:
    """Its name becomes the name of its command."""
    plugin = load_plugin(write(tmp_path, "my_thing"))
    assert (plugin.name, [verb.name for verb in plugin.verbs]) == ("my_thing", ["my-thing show"])


@pytest.mark.parametrize("name", ["", "My", "a-b", "../x", "x y", "1a", "a" * 41, "drain", "arp_mirror"])
def test_name_that_cannot_be_is_refused(name: str) -> None:
    """Nothing is written for a name that would not load, or that is taken."""
    with pytest.raises(UsageError):
        skeleton(name)
