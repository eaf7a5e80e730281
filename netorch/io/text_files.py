"""Files that the operator asked for."""

from __future__ import annotations

from pathlib import Path

from netorch.errors import NetorchError


def write_text(path: Path, text: str) -> None:
    """Write ``text``, and make the folders above it. Raises NetorchError where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        hint = "name a folder that exists or can be made, and that you may write to"
        raise NetorchError(f"cannot be written: {exc.strerror}", where=str(path), hint=hint) from exc
