"""Text files that belong to netorch: templates and the like.

They live beside the package in a checkout, and inside it (``netorch/_data``) in a wheel or in the agent's zipapp.
"""

from __future__ import annotations

from functools import reduce
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, Tuple

from netorch.errors import InternalError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_CHECKOUT: Traversable = Path(__file__).resolve().parent.parent


def data_text(relative_path: str) -> str:
    """The text of one file, such as ``templates/textfsm/bird_show_status.textfsm``.

    Raises InternalError if this installation lacks it.
    """
    for file in _candidates(relative_path):
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise InternalError(f"{relative_path} is missing from this installation")


def data_files(folder: str) -> Tuple[str, ...]:
    """The relative paths of the files directly in ``folder``, sorted, each fit for ``data_text``.

    Raises InternalError if this installation lacks the folder.
    """
    for directory in _candidates(folder):
        if directory.is_dir():
            return tuple(sorted(f"{folder}/{entry.name}" for entry in directory.iterdir() if entry.is_file()))
    raise InternalError(f"{folder} is missing from this installation")


def _candidates(relative_path: str) -> Iterator[Traversable]:
    # One component at a time: zipfile.Path.joinpath takes no more before Python 3.10.
    parts = relative_path.split("/")
    yield reduce(lambda place, part: place.joinpath(part), parts, resources.files("netorch").joinpath("_data"))
    yield reduce(lambda place, part: place.joinpath(part), parts, _CHECKOUT)
