"""Deadlines."""

from __future__ import annotations

from netorch.io.clock import Deadline
from netorch.testing import FakeClock


def test_a_deadline_counts_down_and_stays_at_zero() -> None:
    """What is left follows the clock and is never negative."""
    clock = FakeClock()
    deadline = Deadline.after(clock, 3.0)
    clock.wait(1.0)
    assert (deadline.left_s(), deadline.passed()) == (2.0, False)
    clock.wait(5.0)
    assert (deadline.left_s(), deadline.passed()) == (0.0, True)


def test_the_sooner_of_two_deadlines_holds() -> None:
    """A time-out within a deadline shortens it and never extends it."""
    deadline = Deadline.after(FakeClock(), 3.0)
    assert deadline.within(1.0).left_s() == 1.0
    assert deadline.within(9.0) is deadline
