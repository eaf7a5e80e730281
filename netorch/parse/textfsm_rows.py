"""Runs the TextFSM templates of ``templates/textfsm`` over replies."""

from __future__ import annotations

import io
import threading
from contextlib import contextmanager
from typing import Dict, Iterator, List, Tuple

from textfsm import TextFSM, TextFSMError
from textfsm.parser import SkipRecord

from netorch.data import data_text
from netorch.errors import ParseError
from netorch.parse.framing import Reply

_HINT = "the template knows no such line: was this the output of another command, or of another version of the daemon?"


class Row(Dict[str, str]):
    """The values found for one record, by the template's names; the absent ones are not in it."""

    def __missing__(self, name: str) -> str:
        found = ", ".join(f"{key} {value!r}" for key, value in list(self.items())[:3])
        raise ParseError(f"expected {name.replace('_', ' ')} beside {found}: the output was cut or changed")


class SparseTextFSM(TextFSM):  # type: ignore[misc]
    """TextFSM whose records are ``Row`` objects.

    TextFSM's own records are lists with a place for every value of the template. Where a template has fifty values and a
    record uses ten, filling, searching and clearing those lists costs more than matching the lines.
    """

    def __init__(self, template: str) -> None:
        super().__init__(io.StringIO(template))
        self._plain = [value for value in self.values if not value.options]
        self._with_options = [value for value in self.values if value.options]

    def _AppendRecord(self) -> None:  # noqa: N802
        """Record the values that were found, unless there are none or a required one is missing; then clear them."""
        found = Row()
        for value in self._plain:
            if value.value is not None:
                if value.value:
                    found[value.name] = value.value
                value.value = None
        try:
            for value in self._with_options:
                value.OnSaveRecord()
                if value.value:
                    found[value.name] = value.value if isinstance(value.value, str) else "\n".join(value.value)
        except SkipRecord:
            found.clear()
        for value in self._with_options:
            value.ClearVar()
        if found:
            self._result.append(found)


class _Machines(threading.local):
    """Compiled templates; one set per thread, since a TextFSM object holds the state of its run."""

    def __init__(self) -> None:
        self.compiled: Dict[str, SparseTextFSM] = {}

    def get(self, template: str) -> SparseTextFSM:
        machine = self.compiled.get(template)
        if machine is None:
            machine = SparseTextFSM(data_text(f"templates/textfsm/{template}.textfsm"))
            self.compiled[template] = machine
        machine.Reset()
        return machine


_MACHINES = _Machines()


def parse_rows(template: str, reply: Reply) -> Tuple[Row, ...]:
    """The rows that ``template`` (a file name without its ending) records, each with the values that were found in it.

    The elements of a List value are joined by line breaks; ``elements`` takes them apart.

    Raises ParseError for the first line that no rule matches, with its number and text.
    """
    machine = _MACHINES.get(template)
    try:
        rows: List[Row] = machine.ParseText("\n".join(reply.lines) + "\n")
    except TextFSMError:
        raise _first_error(template, reply) from None
    return tuple(rows)


@contextmanager
def refused_values() -> Iterator[None]:
    """Turn the ValueError of a value that is no number or address, though it stands in its place, into ParseError."""
    try:
        yield
    except ValueError as exc:
        raise ParseError(f"a value has the wrong form: {exc}") from exc


def elements(row: Row, name: str) -> Tuple[str, ...]:
    """The elements of a List value, () if there are none."""
    return tuple(row[name].split("\n")) if name in row else ()


def _first_error(template: str, reply: Reply) -> ParseError:
    """Find the failing line by parsing again, line by line: TextFSM does not tell its number."""
    machine = _MACHINES.get(template)
    for index, line in enumerate(reply.lines):
        try:
            machine.ParseText(line or "\n", eof=False)
        except TextFSMError:
            return reply.error(index, "unexpected line", hint=_HINT)
    raise AssertionError("a reply failed as a whole but none of its lines did")
