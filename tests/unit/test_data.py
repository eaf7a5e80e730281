"""Bundled text is found in a checkout and in a zipapp, and its absence is told."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipapp
from pathlib import Path

import pytest

from netorch.data import data_files, data_text
from netorch.errors import InternalError

ROOT = Path(__file__).resolve().parents[2]
STATUS = "templates/textfsm/bird_show_status.textfsm"


def test_checkout_has_the_templates() -> None:
    """In a checkout templates lie beside the package."""
    assert STATUS in data_files("templates/textfsm")
    assert data_text(STATUS) == (ROOT / STATUS).read_text(encoding="utf-8")


def test_zipapp_reads_its_own_copy(tmp_path: Path) -> None:
    """On a device everything is inside one zip file; nothing is unpacked."""
    package = tmp_path / "app/netorch"
    for module in ("__init__", "errors", "data"):
        package.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / f"netorch/{module}.py", package)
    inside = package / "_data/templates/textfsm"
    inside.mkdir(parents=True)
    (inside / "only_here.textfsm").write_text("from the zip", encoding="utf-8")
    (tmp_path / "app/__main__.py").write_text(
        "from netorch.data import data_files, data_text\n"
        "print(*data_files('templates/textfsm'), data_text('templates/textfsm/only_here.textfsm'))\n"
    )
    zipapp.create_archive(tmp_path / "app", tmp_path / "app.pyz")
    run = subprocess.run(
        [sys.executable, tmp_path / "app.pyz"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert run.stdout == "templates/textfsm/only_here.textfsm from the zip\n"


def test_missing_text_is_a_defect_of_the_installation() -> None:
    """A path that is nowhere is an error that names it."""
    with pytest.raises(InternalError, match="templates/no_such"):
        data_text("templates/no_such")
    with pytest.raises(InternalError, match="no_such_folder"):
        data_files("no_such_folder")
