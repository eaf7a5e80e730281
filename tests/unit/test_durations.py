"""Durations that people type, and the moments that follow from them."""

from __future__ import annotations

from typing import Any

import click
import pytest

from netorch.cli.durations import Age, Duration
from netorch.model.text import utc_text


@pytest.mark.parametrize("kind", [Duration(), Age()], ids=["for", "since"])
@pytest.mark.parametrize("text", ["99999999d", "3651d", "9" * 400 + "d", "10", "ten"])
def test_ten_years_are_the_most(kind: Any, text: str) -> None:
    """Behind that is a moment that no program can name: refused where it is typed."""
    with pytest.raises(click.BadParameter, match="found '"):
        kind.convert(text, None, None)
    assert kind.convert("3650d", None, None) == 3650 * 86400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1970-01-01T00:00:00Z"),
        (-1.0, "1970-01-01T00:00:00Z"),
        (1_700_000_000.5, "2023-11-14T22:13:20Z"),
        (8.64e12, "9999-12-31T23:59:59Z"),
        (float("inf"), "9999-12-31T23:59:59Z"),
        (float("nan"), "1970-01-01T00:00:00Z"),
    ],
)
def test_every_moment_can_be_told(seconds: float, text: str) -> None:
    """What some device holds keeps nobody from reading the rest."""
    assert utc_text(seconds) == text
