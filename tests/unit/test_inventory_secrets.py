"""Secret references: what they resolve to, and that no value is ever repeated."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import pytest

from netorch.errors import NetorchError, annotated
from netorch.io.secrets import InventorySecrets
from netorch.ports import Secrets

VALUE = "correct horse battery"


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    """A file with exactly that content and mode."""
    path.write_bytes(content)
    path.chmod(mode)
    return path


def refusal(secrets: Secrets, reference: str) -> str:
    """What the user reads, after checking that no part of the error shows the value."""
    with pytest.raises(NetorchError) as caught:
        secrets.resolve(reference)
    assert "horse" not in "".join(traceback.format_exception(caught.value))
    assert "horse" not in annotated(caught.value)
    return annotated(caught.value)


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    """Secrets of an inventory in ``tmp_path`` and an environment with one variable."""
    return InventorySecrets(str(tmp_path), {"PASSWORD": VALUE})


def test_environment(secrets: Secrets) -> None:
    """env:NAME is the variable's value."""
    assert secrets.resolve("env:PASSWORD") == VALUE


def test_environment_without_the_variable(secrets: Secrets) -> None:
    """A variable that is not set is named."""
    assert refusal(secrets, "env:OTHER") == (
        "secret env:OTHER: the environment variable is not set\n  hint: export OTHER=..."
    )


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_file_is_relative_to_the_inventory(secrets: Secrets, tmp_path: Path, end: bytes) -> None:
    """file:PATH is the file's content without one final newline."""
    write(tmp_path / "key", VALUE.encode() + end)
    assert secrets.resolve("file:key") == VALUE
    assert secrets.resolve(f"file:{tmp_path}/key") == VALUE


def test_missing_file(secrets: Secrets, tmp_path: Path) -> None:
    """A file that is not there is named, with its full path in the hint."""
    assert refusal(secrets, "file:key") == (
        f"secret file:key: cannot be read: No such file or directory\n  hint: write the secret to {tmp_path}/key"
    )


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644])
def test_file_that_others_may_use(secrets: Secrets, tmp_path: Path, mode: int) -> None:
    """A file that everybody may read or write is refused, with the command that mends it."""
    write(tmp_path / "key", VALUE.encode(), mode)
    assert refusal(secrets, "file:key") == (
        f"secret file:key: others may use the file (mode {mode:04o})\n  hint: chmod 600 {tmp_path}/key"
    )


def test_file_of_a_group(secrets: Secrets, tmp_path: Path) -> None:
    """A team's group may share a secret."""
    write(tmp_path / "key", VALUE.encode(), 0o640)
    assert secrets.resolve("file:key") == VALUE


def test_fifo_does_not_block(secrets: Secrets, tmp_path: Path) -> None:
    """What is no regular file is refused, not waited for."""
    os.mkfifo(tmp_path / "key", 0o600)
    assert refusal(secrets, "file:key") == "secret file:key: expected a regular file"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "expected a secret, found nothing"),
        (b"\n", "expected a secret, found nothing"),
        (b"horse\xff", "expected UTF-8 text"),
    ],
)
def test_files_without_a_secret(secrets: Secrets, tmp_path: Path, content: bytes, reason: str) -> None:
    """An empty file, or one that is no text, holds no secret."""
    write(tmp_path / "key", content)
    assert refusal(secrets, "file:key").startswith(f"secret file:key: {reason}")


@pytest.mark.parametrize("reference", ["horse", "horse:battery", "env:", "file:", ""])
def test_what_is_no_reference_is_not_repeated(secrets: Secrets, reference: str) -> None:
    """It may be the secret itself."""
    assert "expected a reference to a secret" in refusal(secrets, reference)
