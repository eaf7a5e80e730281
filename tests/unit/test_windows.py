"""Windows of maintenance: how they are written, and when they are open."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.model.inventory import Window
from netorch.plan.windows import WEEK_MINUTES, frozen_devices, is_open
from tests.unit.inventory_texts import POP, complaints, edited, example, load

POP1 = "pops/pop1.yml"
HEAD = "description: First POP, two switches\n"


def at(text: str) -> float:
    """Seconds since the epoch; 2026-11-22 is a Sunday."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def pop_window(text: str, now: str) -> frozenset[str]:
    """The devices in maintenance when the first POP has this window."""
    files = edited(example(), POP1, (HEAD, f"{HEAD}maintenance:\n  - {text}\n"))
    return frozen_devices(load(files), at(now))


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [
        (
            "{start: 2026-11-22T22:00Z, end: 2026-11-23T02:00Z}",
            ["2026-11-22T22:00", "2026-11-23T01:59:59"],
            ["2026-11-22T21:59:59", "2026-11-23T02:00", "2026-11-29T23:00"],
        ),
        (
            "{start: 2026-11-22T22:00:00+02:00, end: 2026-11-22T23:00:00+02:00}",
            ["2026-11-22T20:30"],
            ["2026-11-22T22:30"],
        ),
        (
            "{day: sunday, from: 22:00, to: 02:00}",
            ["2026-11-22T22:00", "2026-11-23T01:59", "2026-11-30T00:00"],
            ["2026-11-22T21:59", "2026-11-23T02:00", "2026-11-24T23:00"],
        ),
        ('{day: tuesday, from: "08:00", to: "09:30"}', ["2026-11-24T08:00"], ["2026-11-24T09:30", "2026-11-25T08:30"]),
        ("{day: monday, from: 00:00, to: 00:00}", ["2026-11-23T00:00", "2026-11-23T23:59"], ["2026-11-24T00:00"]),
    ],
)
def test_open_inside_and_closed_outside(window: str, inside: list[str], outside: list[str]) -> None:
    """A POP's window covers all of its devices and no others; the start counts, the end does not."""
    names = frozenset(f"{name}.pop1" for name in ("sw1", "sw2", "h1", "h2", "h3"))
    assert [pop_window(window, now) for now in inside] == [names] * len(inside)
    assert [pop_window(window, now) for now in outside] == [frozenset()] * len(outside)


def test_a_device_may_have_its_own() -> None:
    """Then the others of its POP are not covered."""
    window = "    maintenance: [{day: sunday, from: 00:00, to: 12:00}]\n"
    files = edited(example(), POP1, ("  - name: h2\n", f"  - name: h2\n{window}"))
    files = edited(files, POP1, ("  - name: sw1\n", f"  - name: sw1\n{window}"))
    assert frozen_devices(load(files), at("2026-11-22T08:00")) == {"h2.pop1", "sw1.pop1"}


@given(st.integers(0, WEEK_MINUTES - 1), st.integers(1, 24 * 60), st.integers(0, WEEK_MINUTES - 1))
def test_a_weekly_window_is_as_long_as_it_says(start: int, length: int, minute: int) -> None:
    """Wherever in the week it begins, over its end too."""
    window = Window(start, (start + length) % WEEK_MINUTES, weekly=True)
    assert is_open(window, (minute - 3 * 24 * 60) * 60.0) == ((minute - start) % WEEK_MINUTES < length)


@pytest.mark.parametrize(
    ("window", "complaint"),
    [
        ("{start: 2026-11-22T22:00Z}", "expected a window, {start, end} or {day, from, to}, found start"),
        ("{day: sunday, start: 2026-11-22T22:00Z}", "found day, start"),
        ("sunday", "found 'sunday'"),
        ("{start: yesterday, end: 2026-11-22T22:00Z}", "expected a time such as 2026-11-22T22:00Z, found 'yesterday'"),
        ("{start: 2026-11-22T22:00Z, end: 2026-11-22T22:00Z}", "expected an end after the start"),
        ("{day: sonday, from: 22:00, to: 23:00}", "found 'sonday'"),
        ("{day: sunday, from: 22, to: 23:00}", "expected a time of day such as 22:00, found 22"),
        ("{day: sunday, from: 22:00, to: 24:00}", "expected a time of day such as 22:00, found '24:00'"),
    ],
)
def test_mistakes_are_findings(window: str, complaint: str) -> None:
    """Each with what was expected and what was found."""
    files = edited(example(), POP, (HEAD, f"{HEAD}maintenance:\n  - {window}\n"))
    (found,) = complaints(files)
    assert found.startswith("maintenance[0]: ")
    assert complaint in found
