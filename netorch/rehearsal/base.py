"""The inventory that devices run today, as far as git knows it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from netorch.errors import NetorchError

TIMEOUT_S = 60.0


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
    top = Path(_run("git", "-C", str(folder), "rev-parse", "--show-toplevel").decode().strip())
    place = folder.resolve().relative_to(top.resolve())
    words = ("git", "-C", str(folder), "rev-parse", "--verify", "--end-of-options", f"{base}^{{commit}}")
    commit = _run(*words, what=f"no folder and no git revision: {base}").decode().strip()
    with tempfile.TemporaryDirectory(prefix="netorch-base-") as into:
        archive = _run("git", "-C", str(top), "archive", "--format=tar", commit)
        _run("tar", "--extract", "--no-same-owner", "--directory", into, stdin=archive)
        if not (Path(into) / place / "network.yml").exists():
            raise NetorchError(f"has no inventory in {place}", where=f"git {base}", hint="name another one: --base REV")
        yield Base(Path(into) / place, folder)


def _run(*argv: str, stdin: bytes = b"", what: str = "") -> bytes:
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise NetorchError(f"{argv[0]} cannot be run: {exc}", where="--base") from exc
    if done.returncode != 0:
        said = what or done.stderr.decode(errors="replace").strip()
        raise NetorchError(said, where="--base", hint="it takes a folder, or a revision of the inventory's repository")
    return done.stdout
