"""BIRD's configuration as it runs, or as BIRD has written it: it tells neither, and writes nothing."""

from __future__ import annotations

from typing import Sequence

from netorch.model.facts import LineChange


def running_text(text: str, live_lines: Sequence[LineChange]) -> str:
    """See ``Language``."""
    return text


def differing_lines(old: str, new: str) -> None:
    """See ``Language``."""
