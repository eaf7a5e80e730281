"""Waiting in tests: polled, for a stated time, never slept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netorch.io.clock import Deadline, SystemClock

INTERVAL_S = 0.05


def wait_until_equal(read: Callable[[], Any], wanted: Any, *, what: str, timeout_s: float = 20.0) -> None:
    """Return once ``read`` gives ``wanted``; AssertionError that names ``what`` and shows both when it does not in time."""
    deadline = Deadline.after(SystemClock(), timeout_s)
    while (found := read()) != wanted:
        if deadline.passed():
            assert found == wanted, f"not within {timeout_s:g} s: {what}"
        deadline.clock.wait(INTERVAL_S)


def wait_until(condition: Callable[[], object], *, what: str, timeout_s: float = 20.0) -> None:
    """Return once ``condition`` holds; AssertionError that names ``what`` when it does not within ``timeout_s``."""
    deadline = Deadline.after(SystemClock(), timeout_s)
    while not condition():
        assert not deadline.passed(), f"not within {timeout_s:g} s: {what}"
        deadline.clock.wait(INTERVAL_S)
