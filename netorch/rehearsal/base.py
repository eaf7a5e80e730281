"""The inventory that devices run today, as far as git knows it."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from netorch.errors import NetorchError

GIT_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Base:
    """The present inventory's folder. ``secrets`` is the folder that its references to secrets are relative to: secrets are
    not in git, so those of a revision are found where they are today."""

    folder: Path
    secrets: Path


@contextmanager
def checked_out(folder: Path, base: str) -> Iterator[Base]:
    """The present inventory: ``base`` itself if that is a folder, else ``folder`` as of git's revision ``base``.

    A revision is unpacked into a folder of its own, which goes with the context: the whole repository, since inventories name
    templates and plugins beside them. Raises NetorchError with git's words.
    """
    if Path(base).is_dir():
        yield Base(Path(base).resolve(), Path(base).resolve())
        return
    top = Path(_git(folder, "rev-parse", "--show-toplevel").decode().strip())
    place = folder.resolve().relative_to(top.resolve())
    commit = _git(folder, "rev-parse", "--verify", "--end-of-options", f"{base}^{{commit}}").decode().strip()
    with tempfile.TemporaryDirectory(prefix="netorch-base-") as into:
        archive = Path(into) / "base.tar"
        archive.write_bytes(_git(top, "archive", "--format=tar", commit))
        with tarfile.open(archive) as tar:
            tar.extractall(into, filter="data")
        archive.unlink()
        if not (Path(into) / place / "network.yml").exists():
            raise NetorchError(f"has no inventory in {place}", where=f"git {base}", hint="name another one: --base REV")
        yield Base(Path(into) / place, folder)


def _git(folder: Path, *command: str) -> bytes:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "--no-optional-locks", *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise NetorchError(f"git cannot be asked: {exc}", where=str(folder)) from exc
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise NetorchError(said, where=f"git in {folder}", hint="--base takes a folder or a revision of its repository")
    return done.stdout
