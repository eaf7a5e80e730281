"""Collects everything that is wrong with an inventory, with its place, before anything is raised."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from netorch.errors import InventoryError, InventoryProblem
from netorch.inventory.document import Document, Path

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHOWN = 60


class Findings:
    """The findings so far. ``shown`` is the inventory folder as the operator named it; files are relative to it."""

    def __init__(self, shown: str) -> None:
        self._shown = shown.rstrip("/")
        self._documents: dict[str, Document] = {}
        self._problems: list[InventoryProblem] = []

    def __bool__(self) -> bool:
        return bool(self._problems)

    def read(self, file: str, document: Document) -> None:
        """Remember ``document``, from which the positions of ``file`` are taken."""
        self._documents[file] = document

    def add(self, file: str, path: Path, *, message: str, hint: str = "", of_key: bool = False) -> None:
        """A finding about the value at ``path`` (about its key with ``of_key``); steps below a plain value are cut."""
        self._problems.append(self.problem(file, path, message=message, hint=hint, of_key=of_key))

    def add_at(self, file: str, line: int, column: int, *, message: str, key: str = "", hint: str = "") -> None:
        """A finding at a known position; line 0 is the file as a whole."""
        problem = InventoryProblem(message, file=self.shown_file(file), line=line, column=column, key=key, hint=hint)
        self._problems.append(problem)

    def problem(
        self, file: str, path: Path, *, message: str, hint: str = "", of_key: bool = False, **words: str
    ) -> InventoryProblem:
        """What is wrong with the value at ``path``, with its place; ``words`` are its rule and level."""
        document = self._documents.get(file)
        path = document.clip(path) if document else path
        line, column = document.position(path, of_key=of_key) if document else (0, 0)
        key, shown = shown_path(path), self.shown_file(file)
        return InventoryProblem(message, file=shown, line=line, column=column, key=key, hint=hint, **words)

    def place(self, file: str, path: Path) -> str:
        """``inventory/pops/pop1.yml:14`` of a value, to name it in another finding."""
        document = self._documents.get(file)
        return f"{self.shown_file(file)}:{document.position(path)[0]}" if document else self.shown_file(file)

    def shown_file(self, file: str) -> str:
        """The file's path as the operator would write it."""
        name = file if file.isprintable() else repr(file)
        return f"{self._shown}/{name}" if self._shown else name

    def raise_any(self) -> None:
        """Raise InventoryError with every finding, sorted by file and position, if there is one."""
        if self._problems:
            raise InventoryError(sorted(self._problems, key=lambda found: (found.file, found.line, found.column)))


def shown_path(path: Path) -> str:
    """``circuits[2].ipv4.neighbor``; keys that are no plain words are quoted."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{shown_value(step)}]"
    return text


def shown_value(value: Any) -> str:
    """What was found, in the operator's words: text quoted and cut, control characters escaped."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "...")
    return str(value)
