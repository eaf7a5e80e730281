"""What all benchmarks share: rounds in turns, rows, tables, the machine."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Progress = Callable[[str], None]
Row = Mapping[str, Any]


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "kernel": ".".join(platform.release().split(".")[:2]),
        "python": platform.python_version(),
    }


def measure(
    contenders: Mapping[str, Callable[[], float]], *, rounds: int, floor: str, few: Mapping[str, int] | None = None
) -> list[dict[str, Any]]:
    """One row per contender; each returns the seconds that it took.

    They take turns, and each round's ratio is to that round's ``floor``, so that a busy moment of the machine hits both.
    ``few`` limits the rounds of slow ones. ``ratio_to_floor`` is the median of the ratios.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds):
        for name, contender in contenders.items():
            if turn < (few or {}).get(name, rounds):
                seconds[name].append(contender())
    return [
        {
            "name": name,
            "seconds_median": round(statistics.median(taken), 4),
            "seconds_min": round(min(taken), 4),
            "ratio_to_floor": round(
                statistics.median(mine / base for mine, base in zip(taken, seconds[floor], strict=False)), 2
            ),
            "runs": len(taken),
        }
        for name, taken in seconds.items()
    ]


def table(rows: Sequence[Row]) -> str:
    """``rows`` under their keys; numbers to the right."""
    if not rows:
        return "(nothing measured)"
    heads = list(rows[0])
    cells = [heads, *[[_text(row.get(head)) for head in heads] for row in rows]]
    widths = [max(len(line[column]) for line in cells) for column in range(len(heads))]
    numeric = [all(isinstance(row.get(head), (int, float, type(None))) for row in rows) for head in heads]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in cells
    )


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,.3f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
