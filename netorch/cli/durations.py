"""Durations on the command line."""

from __future__ import annotations

import re
from typing import Any

import click

LONGEST_S = 3650 * 86400
"""Ten years: beyond that, moments are not ones that can be told."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MOST_CHARACTERS = 12


class Duration(click.ParamType):  # type: ignore[type-arg]
    """``90s``, ``5m``, ``2h``, ``1d``: seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds; fails with what was found and what was expected."""
        if isinstance(value, (int, float)):
            return float(value)
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", str(value))
        if match is None:
            self.fail(f"expected a duration such as 90s, 5m, 2h or 1d, found {value!r}", param, ctx)
        seconds = float(match.group(1)) * _UNITS[match.group(2)]
        if seconds > LONGEST_S:
            self.fail(f"expected at most {LONGEST_S // _UNITS['d']}d, ten years, found {value!r}", param, ctx)
        return seconds


class Age(click.ParamType[float]):
    """A number and s, m, h or d; its value is seconds."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds."""
        text = str(value)
        if text[:-1].isdecimal() and text[-1:] in _UNITS and len(text) <= _MOST_CHARACTERS:
            seconds = float(int(text[:-1]) * _UNITS[text[-1]])
            if 0 < seconds <= LONGEST_S:
                return seconds
        return self.fail(
            f"expected a number and s, m, h or d, at most ten years, such as 24h, found {text!r}", param, ctx
        )
