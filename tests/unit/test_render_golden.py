"""The configuration of the shipped inventory, as it was last read by a person and as BIRD itself reads it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from netorch.render import seal
from tests.golden.write import FOLDER, rendered

DEVICES = sorted(path.name for path in FOLDER.glob("*.conf"))


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return rendered()


def test_every_device_has_a_golden_file(texts: dict[str, str]) -> None:
    """There is one golden file per device of the shipped inventory."""
    assert sorted(texts) == DEVICES


@pytest.mark.parametrize("name", DEVICES)
def test_configuration_is_the_golden_one(texts: dict[str, str], name: str) -> None:
    """Rendering gives the golden file; `python -m tests.golden.write` writes it anew."""
    assert texts[name] == (FOLDER / name).read_text()


@pytest.mark.parametrize("name", DEVICES)
def test_bird_accepts_the_golden_file(tmp_path: Path, name: str) -> None:
    """BIRD parses the sealed file without a word."""
    path = tmp_path / name
    path.write_text(seal((FOLDER / name).read_text(), lambda _: "a secret", daemon="bird"))
    done = subprocess.run(["bird", "-p", "-c", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", DEVICES)
def test_file_reads_well(name: str) -> None:
    """No trailing blanks, no two empty lines in a row, no line longer than 120 characters, one line break at the end."""
    text = (FOLDER / name).read_text()
    assert re.findall(r"[ \t]\n|\n\n\n|.{121,}", text) == []
    assert text.endswith("}\n")
