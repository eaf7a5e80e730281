"""Data on standard output: tables for people, JSON and YAML for programs."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from typing import Any, Sequence

import click

from netorch.model.text import one_line

CELL_BYTES = 10_000
GAP = "  "
NARROWEST = 16
"""Characters that are left to a column whose cells are broken into lines."""


def emit(document: Any, output: str) -> None:
    """Print plain JSON data as ``json`` or ``yaml``."""
    if output == "yaml":
        from ruamel.yaml import YAML

        YAML(typ="safe").dump(document, sys.stdout)
    else:
        print(json.dumps(document, indent=2, ensure_ascii=False))


def emit_rows(
    rows: Sequence[dict[str, Any]], output: str, *, columns: Sequence[str] = (), optional: Sequence[str] = ()
) -> None:
    """Print rows: a table of ``columns`` (default: all), or all of them as a document.

    Where a terminal is too narrow for the table, columns without a value are left out, then those of ``optional`` from the first
    on; then the widest is broken into lines. No word of any other is ever cut. Piped output is for grep and awk: never broken.
    """
    if output != "table":
        emit(list(rows), output)
        return
    print_table(fit_rows(rows, terminal_width(), columns=columns, optional=optional))


def terminal_width() -> int | None:
    """Of standard output in characters; None where it is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def fit_rows(
    rows: Sequence[dict[str, Any]], width: int | None, *, columns: Sequence[str] = (), optional: Sequence[str] = ()
) -> Fitted:
    """The table of ``emit_rows`` in ``width`` characters (None: as many as it takes)."""
    return fit([_column(name, rows) for name in columns or (rows[0] if rows else ())], width, optional=optional)


def print_table(table: Fitted, *, err: bool = False) -> None:
    """Print it, the headings bold."""
    for number, line in enumerate(table.lines):
        click.secho(line, bold=number < table.heads, err=err)
    if table.left_out:
        click.secho(f"({', '.join(table.left_out)}: in a wider window, or with -o json)", dim=True, err=err)


@dataclass(frozen=True)
class Column:
    """One column of a table: its heading, and a cell for each row."""

    name: str
    cells: tuple[str, ...]
    is_numeric: bool

    @property
    def width(self) -> int:
        """How many characters of a terminal it takes."""
        from rich.cells import cell_len

        return max(cell_len(text) for text in (self.name, *self.cells))

    @property
    def is_empty(self) -> bool:
        """Whether no row has a value in it."""
        return all(cell == "-" for cell in self.cells)


@dataclass(frozen=True)
class Fitted:
    """A table as it is printed: ``lines``, of which the first ``heads`` are headings, and the columns that found no place."""

    lines: tuple[str, ...]
    heads: int
    left_out: tuple[str, ...] = ()


def fit(columns: Sequence[Column], width: int | None, *, optional: Sequence[str] = ()) -> Fitted:
    """The table of ``columns`` in ``width`` characters (None: as many as it takes)."""
    kept = list(columns)
    dropped: list[str] = []
    candidates = [column for column in columns if column.is_empty]
    candidates += [column for name in optional for column in columns if column.name == name and not column.is_empty]
    for column in candidates:
        if width is None or _total(kept) <= width or len(kept) == 1:
            break
        kept.remove(column)
        if not column.is_empty:
            dropped.append(column.name)
    widths = {column.name: column.width for column in kept}
    broken = max(kept, key=lambda column: column.width, default=None)
    if width is not None and broken is not None and _total(kept) > width:
        left = width - (_total(kept) - broken.width)
        if left >= NARROWEST:  # otherwise the terminal breaks the lines, which loses nothing either
            widths[broken.name] = left
    rows = [tuple(column.name for column in kept), *zip(*(column.cells for column in kept), strict=True)]
    blocks = [_block(row, kept, widths) for row in rows]
    return Fitted(tuple(line for block in blocks for line in block), len(blocks[0]), tuple(dropped))


def _total(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + len(GAP) * (len(columns) - 1)


def _block(row: Sequence[str], columns: Sequence[Column], widths: dict[str, int]) -> list[str]:
    """The lines of one row."""
    cells = [_broken(text, widths[column.name]) for text, column in zip(row, columns, strict=True)]
    height = max(map(len, cells), default=0)
    return [
        GAP.join(
            _padded(lines[at] if at < len(lines) else "", widths[column.name], right=column.is_numeric)
            for lines, column in zip(cells, columns, strict=True)
        ).rstrip()
        for at in range(height)
    ]


def _broken(text: str, width: int) -> list[str]:
    import textwrap

    from rich.cells import cell_len

    if cell_len(text) <= width:
        return [text]
    return textwrap.wrap(text, width, break_on_hyphens=False) or [text]


def _padded(text: str, width: int, *, right: bool) -> str:
    from rich.cells import cell_len

    space = " " * max(0, width - cell_len(text))
    return space + text if right else text + space


def _column(name: str, rows: Sequence[dict[str, Any]]) -> Column:
    values = [row.get(name) for row in rows]
    numeric = all(isinstance(value, (int, float, type(None))) for value in values)
    return Column(name, tuple(map(_cell, values)), numeric)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_cell(member) for member in value) or "-"
    # Neighbours' messages and people's reasons end up here: none of them may steer the terminal.
    return one_line(str(value), max_bytes=CELL_BYTES)
