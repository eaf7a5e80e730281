"""Data on standard output: tables for people, JSON and YAML for programs."""

from __future__ import annotations

import json
import sys
from typing import Any, Sequence

from netorch.model.text import one_line

CELL_BYTES = 10_000


def emit(document: Any, output: str) -> None:
    """Print plain JSON data as ``json`` or ``yaml``."""
    if output == "yaml":
        from ruamel.yaml import YAML

        YAML(typ="safe").dump(document, sys.stdout)
    else:
        print(json.dumps(document, indent=2, ensure_ascii=False))


def emit_rows(rows: Sequence[dict[str, Any]], output: str, *, columns: Sequence[str] = (), title: str = "") -> None:
    """Print rows: a table of ``columns`` (default: all), or all of them as a document."""
    if output != "table":
        emit(list(rows), output)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # Piped output is for grep and awk: never cut or wrapped.
    console = Console() if sys.stdout.isatty() else Console(width=10_000, soft_wrap=True)
    names = list(columns or (rows[0] if rows else ()))
    table = Table(box=None, pad_edge=False, title=title or None, title_justify="left", header_style="bold")
    for name in names:
        numeric = all(isinstance(row.get(name), (int, float, type(None))) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(row.get(name))) for name in names))
    console.print(table)


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
