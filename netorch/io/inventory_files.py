"""Reads the inventory's folder; what the texts mean is ``netorch.inventory``'s business."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from netorch.errors import InventoryError, InventoryProblem

_EXTENSIONS = (".yml", ".yaml")
_MAX_BYTES = 32 * 1024 * 1024
_GIT_TIMEOUT_S = 10
_OBJECT_NAME = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")

DIRTY = "-dirty"
"""Ends the commit of an inventory that has files which differ from it."""


@dataclass(frozen=True)
class InventoryFiles:
    """The texts of an inventory by path relative to ``folder``, which is absolute.

    ``shown`` is the folder as it was given, for messages. ``commit`` is the git commit of the folder, with ``-dirty``
    where a file in it differs from the commit; "" outside of git.
    """

    folder: str
    shown: str
    texts: Mapping[str, str]
    commit: str


def read_inventory(folder: str) -> InventoryFiles:
    """Every .yml and .yaml file below ``folder``, except in hidden folders and in other inventories.

    Raises InventoryError when the folder or its network.yml is missing, or files cannot be read as UTF-8 text.
    """
    if not os.path.isdir(folder):
        found = "a file" if os.path.exists(folder) else "nothing"
        hint = "name the inventory's folder with --inventory DIR or NETORCH_INVENTORY"
        raise InventoryError([InventoryProblem(f"expected a folder, found {found}", file=folder, hint=hint)])
    shown = os.path.normpath(folder)
    if not os.path.exists(os.path.join(folder, "network.yml")):
        hint = "name the inventory's folder with --inventory DIR or NETORCH_INVENTORY"
        message = "expected an inventory, found no network.yml in it"
        raise InventoryError([InventoryProblem(message, file=shown, hint=hint)])
    texts: dict[str, str] = {}
    problems: list[InventoryProblem] = []
    for path in _files(folder):
        read = _read(os.path.join(folder, path), os.path.normpath(os.path.join(shown, path)))
        if isinstance(read, str):
            texts[path] = read
        else:
            problems.append(read)
    if problems:
        raise InventoryError(problems)
    return InventoryFiles(os.path.abspath(folder), "" if shown == "." else shown, texts, _commit(folder))


def _files(folder: str) -> Iterator[str]:
    """Relative paths, sorted; a symbolic link to a file counts, one to a folder is not followed.

    A folder below with a network.yml of its own is another inventory.
    """
    for where, folders, names in os.walk(folder):
        if where != folder and "network.yml" in names:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.endswith(_EXTENSIONS) and not name.startswith("."):
                yield os.path.relpath(os.path.join(where, name), folder)


def _read(path: str, shown: str) -> str | InventoryProblem:
    try:
        if not os.path.isfile(path):
            return InventoryProblem("expected a regular file", file=shown)
        with open(path, "rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        return InventoryProblem(f"cannot be read: {error.strerror}", file=shown)
    if len(content) > _MAX_BYTES:
        return InventoryProblem(f"expected at most {_MAX_BYTES} bytes, found more", file=shown)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode()) + 1
        message = f"expected UTF-8 text, found the byte 0x{content[error.start]:02x}"
        return InventoryProblem(message, file=shown, line=line, column=column, hint="save the file as UTF-8")


def _commit(folder: str) -> str:
    head = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    if not head:
        return ""
    changed = _git(folder, "status", "--porcelain", "--", ".")
    return head.strip() if changed == "" else f"{head.strip()}{DIRTY}"


def lacks_commit(folder: str, commit: str, *, at: str) -> bool:
    """Whether the inventory in ``folder``, whose commit is ``at``, certainly does not have ``commit`` in its history; for both
    ``-dirty`` counts for nothing.

    False wherever git cannot tell: without git, outside of a checkout, for what is no commit, and in a shallow clone unless
    ``commit`` is there and comes after ``at``.
    """
    made, own = commit.removesuffix(DIRTY), at.removesuffix(DIRTY)
    if not (_OBJECT_NAME.fullmatch(made) and _OBJECT_NAME.fullmatch(own)) or made == own:
        return False
    if _git(folder, "rev-parse", "--verify", "--quiet", f"{own}^{{commit}}") is None:
        return False
    found = _run_git(folder, "merge-base", "--is-ancestor", made, own)
    if found is None or found.returncode == 0:
        return False
    if (_git(folder, "rev-parse", "--is-shallow-repository") or "").strip() == "false":
        return True
    return _git(folder, "merge-base", "--is-ancestor", own, made) is not None


def _git(folder: str, *command: str) -> str | None:
    """What git answers in ``folder``; None where there is no git, no repository, or no answer in time."""
    done = _run_git(folder, *command)
    return done.stdout.decode(errors="replace") if done is not None and done.returncode == 0 else None


def _run_git(folder: str, *command: str) -> subprocess.CompletedProcess[bytes] | None:
    try:
        return subprocess.run(
            ["git", "-C", folder, "--no-optional-locks", *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_GIT_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
