"""The inventory that devices run today: a folder, or what git has of one."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from netorch.errors import NetorchError

TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Base:
    """The present inventory: a ``folder``, or with a ``commit`` the folder's path inside the git repository ``repository``.

    ``secrets`` is the folder that its references to secrets are relative to: secrets are not in git, so those of a commit are
    found where they are today.
    """

    folder: str
    secrets: str
    repository: str = ""
    commit: str = ""


def find_base(folder: Path, base: str) -> Base:
    """``base`` itself if it is a folder, else the inventory's ``folder`` as of git's revision ``base``. NetorchError if
    neither is there.
    """
    if Path(base).is_dir():
        here = str(Path(base).resolve())
        return Base(here, here)
    repository = Path(_run("git", "-C", str(folder), "rev-parse", "--show-toplevel").decode().strip()).resolve()
    place = folder.resolve().relative_to(repository)
    words = ("git", "-C", str(folder), "rev-parse", "--verify", "--end-of-options", f"{base}^{{commit}}")
    commit = _run(*words, what=f"no folder and no git revision: {base}").decode().strip()
    file = f"{commit}:{place / 'network.yml'}"
    _run("git", "-C", str(folder), "cat-file", "-e", file, what=f"revision {base} has no inventory in {place}")
    return Base(str(place), str(folder), str(repository), commit)


def unpack(base: Base, into: Path) -> Path:
    """The folder of ``base``. A commit is unpacked below ``into``: all of it, since inventories name templates and plugins
    that lie beside them."""
    if not base.commit:
        return Path(base.folder)
    into.mkdir(mode=0o700)
    archive = _run("git", "-C", base.repository, "archive", "--format=tar", base.commit)
    _run("tar", "--extract", "--no-same-owner", "--directory", str(into), stdin=archive)
    return into / base.folder


def _run(*argv: str, stdin: bytes = b"", what: str = "") -> bytes:
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise NetorchError(f"{argv[0]} cannot be run: {exc}", where="--base") from exc
    if done.returncode != 0:
        said = what or done.stderr.decode(errors="replace").strip()
        raise NetorchError(said, where="--base", hint="it takes a folder, or a revision of the inventory's repository")
    return done.stdout
