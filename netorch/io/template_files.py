"""Templates from disk: netorch's own, overridden by an operator's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from netorch.data import data_files, data_text
from netorch.errors import RenderError
from netorch.model.capabilities import RELEASES

_FOLDERS = tuple(dict.fromkeys(known.daemon for known in RELEASES))
_SUFFIX = ".j2"


def read_templates(override: Optional[str] = None) -> dict[str, str]:
    """Text of every template by name (``bird/switch.conf.j2``), in order.

    Files of the folder ``override`` take the place of netorch's own of the same relative path, or add to them.

    Raises RenderError for a folder or file that cannot be read.
    """
    texts = {
        path.removeprefix("templates/"): data_text(path)
        for folder in _FOLDERS
        for path in data_files(f"templates/{folder}")
        if path.endswith(_SUFFIX)
    }
    if override is not None:
        texts.update(_read_folder(Path(override)))
    return dict(sorted(texts.items()))


def _read_folder(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        raise RenderError(
            "expected a folder of templates, found none", where=str(folder), hint="correct templates: in network.yml"
        )
    return {
        str(path.relative_to(folder)): _read(path) for path in sorted(folder.rglob(f"*{_SUFFIX}")) if path.is_file()
    }


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise RenderError(f"cannot be read: {exc}", where=str(path), hint="templates are UTF-8 text") from exc
