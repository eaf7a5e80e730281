"""Text files that belong to netorch: templates and the like.

They live beside the package in a checkout, and inside it (``netorch/_data``) in a wheel or in the agent's zipapp.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Tuple

from netorch.errors import InternalError

_CHECKOUT = Path(__file__).resolve().parent.parent


def data_text(relative_path: str) -> str:
    """The text of one file, such as ``templates/textfsm/bird_show_status.textfsm``.

    Raises InternalError if this installation lacks it.
    """
    for root in (resources.files("netorch").joinpath("_data"), _CHECKOUT):
        file = root.joinpath(*relative_path.split("/"))
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise InternalError(f"{relative_path} is missing from this installation")


def data_files(folder: str) -> Tuple[str, ...]:
    """The relative paths of the files directly in ``folder``, sorted, each fit for ``data_text``.

    Raises InternalError if this installation lacks the folder.
    """
    for root in (resources.files("netorch").joinpath("_data"), _CHECKOUT):
        directory = root.joinpath(*folder.split("/"))
        if directory.is_dir():
            return tuple(sorted(f"{folder}/{entry.name}" for entry in directory.iterdir() if entry.is_file()))
    raise InternalError(f"{folder} is missing from this installation")
