"""Files that the operator asked for."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from netorch.errors import NetorchError, UsageError


def require_folder(path: Path, *, option: str) -> None:
    """UsageError where the folder that ``option`` wants a file ``path`` in is not there: a mistyped name makes no folders."""
    folder = path.resolve().parent
    if not folder.is_dir():
        raise UsageError(
            f"{option} {path}: there is no folder {path.parent}, expected one that is there",
            hint=f"make it first: mkdir -p {quote(str(path.parent))}",
        )


def write_text(path: Path, text: str) -> None:
    """Write ``text``, whole or not at all, and make the folders above it. Raises NetorchError where that cannot be done."""
    target = path.resolve()  # a link stays one
    new = target.with_name(f".{target.name}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not target.is_file():
            target.write_text(text, encoding="utf-8")  # a pipe, say
            return
        new.write_text(text, encoding="utf-8")
        new.replace(target)
    except OSError as exc:
        hint = "name a folder that exists or can be made, and that you may write to"
        raise NetorchError(f"cannot be written: {exc.strerror}", where=str(path), hint=hint) from exc
