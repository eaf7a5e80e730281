"""Tables as people see them, in terminals of every width."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.cli.output import Column, fit
from tests.lab.labs import ROOT

SESSIONS = (
    Column("device", ("sw1.pop2", "sw1.pop2"), is_numeric=False),
    Column("session", ("northtel_5_v4", "meadow_6_v4"), is_numeric=False),
    Column("state", ("Established", "Active"), is_numeric=False),
    Column("since", ("2026-11-22 10:09:59", "2026-11-22 10:10:41"), is_numeric=False),
    Column("message", ("-", "-"), is_numeric=False),
    Column("accepted", ("40", "-"), is_numeric=True),
    Column("last_error", ("-", "Received: Administrative shutdown"), is_numeric=False),
)


def test_a_pipe_gets_everything_in_one_line_each() -> None:
    """Numbers to the right, nothing broken, no spaces at the ends."""
    assert fit(SESSIONS[:2] + SESSIONS[5:6], None).lines == (
        "device    session        accepted",
        "sw1.pop2  northtel_5_v4        40",
        "sw1.pop2  meadow_6_v4           -",
    )


def test_a_narrow_terminal_first_does_without_what_says_nothing() -> None:
    """An empty column goes without a word, an optional one is named."""
    fitted = fit(SESSIONS, 100, optional=("since",))
    assert (fitted.left_out, fitted.heads) == (("since",), 1)
    assert "message" not in fitted.lines[0]
    assert max(map(len, fitted.lines)) <= 100


def test_the_widest_column_is_broken_between_words() -> None:
    """The others keep their words whole, whatever the width."""
    fitted = fit(SESSIONS, 70, optional=("since",))
    assert fitted.lines == (
        "device    session        state        accepted  last_error",
        "sw1.pop2  northtel_5_v4  Established        40  -",
        "sw1.pop2  meadow_6_v4    Active              -  Received:",
        "                                                Administrative",
        "                                                shutdown",
    )


def test_a_terminal_that_is_far_too_narrow_breaks_the_lines_itself() -> None:
    """Better than cutting words."""
    fitted = fit(SESSIONS, 30, optional=("since",))
    assert "sw1.pop2  meadow_6_v4    Active              -  Received: Administrative shutdown" in fitted.lines


WORDS = st.text("abc é日", min_size=1, max_size=20).map(lambda text: " ".join(text.split()) or "-")


@given(st.integers(1, 4), st.integers(1, 5), st.integers(10, 90), st.data())
def test_no_value_is_ever_lost(columns: int, rows: int, width: int, data: st.DataObject) -> None:
    """Whatever the width: what is printed is exactly the columns that are not left out; only empty ones go unnamed."""
    table = [
        Column(f"c{number}", tuple(data.draw(st.lists(WORDS, min_size=rows, max_size=rows))), is_numeric=False)
        for number in range(columns)
    ]
    fitted = fit(table, width, optional=("c1",))
    kept = [c for c in table if c.name in " ".join(fitted.lines[: fitted.heads])]
    assert [c.name for c in table if c not in kept and not c.is_empty] == list(fitted.left_out)
    assert set(fitted.left_out) <= {"c1"}
    printed = Counter("".join("".join(fitted.lines).split()))
    assert printed == Counter("".join(text for c in kept for text in (c.name, *c.cells)).replace(" ", ""))


@pytest.mark.parametrize("no_color", ["", "1"])
def test_no_color_is_honoured_on_a_terminal(no_color: str) -> None:
    """``NO_COLOR=1`` leaves no escape sequence in a table; without it headings are bold."""
    primary, secondary = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "netorch", "plugin", "list"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "NO_COLOR": no_color, "COLUMNS": "80"},
        stdout=secondary,
        timeout=60,
        check=False,
    )
    os.close(secondary)
    assert done.returncode == 0
    said = os.read(primary, 65536)
    os.close(primary)
    assert b"drain" in said
    assert (b"\x1b[" in said) is (no_color == "")
