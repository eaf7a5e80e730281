"""What a person sees while many devices are worked on."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console

from netorch.cli.progress import Lines, Live, curve_lines, progress_lines
from netorch.model.curve import Curve

MANY = {f"h{number}.pop4": "applying 3 changes" for number in range(50)}


def test_gathering_tells_how_far_it_is_and_who_is_waited_for() -> None:
    """Of 200 devices the last three are named: the ones that keep everybody waiting."""
    active = dict.fromkeys(("h7.pop3", "h9.pop3", "sw1.pop8"), "gathering facts")
    assert progress_lines("", active, finished=197, total=200) == (
        "gathering facts, 197 of 200",
        "h7.pop3, h9.pop3, sw1.pop8",
    )


def test_a_batch_tells_what_its_devices_do() -> None:
    """The run as a whole first, then devices by what they do, few of them by name."""
    active = {**MANY, "h77.pop4": "confirming over a new connection"}
    assert progress_lines(
        "batch 7 of 12: 64 hosts from h0.pop4 (61 of 200 devices done)", active, finished=13, total=64
    ) == (
        "batch 7 of 12: 64 hosts from h0.pop4 (61 of 200 devices done)",
        "13 of 64; applying 3 changes: h0.pop4, h1.pop4, h2.pop4 and 47 more; confirming over a new connection: h77.pop4",
    )


def test_one_device_needs_no_count() -> None:
    """A canary's batch is one line of what is done to it."""
    lines = progress_lines(
        "batch 1 of 3: sw1.pop2 (0 of 3 devices done)", {"sw1.pop2": "applying 13 changes"}, finished=0, total=1
    )
    assert lines == ("batch 1 of 3: sw1.pop2 (0 of 3 devices done)", "applying 13 changes: sw1.pop2")
    assert progress_lines("", {"sw1.pop2": "gathering facts"}, finished=0, total=0) == ("gathering facts", "sw1.pop2")


def test_two_lines_fit_a_terminal_whatever_happens() -> None:
    """Two hundred devices from many threads: no line is ever wider than the terminal, and nothing is left at the end."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, height=24, color_system=None)
    live = Live(console.status(""))
    live.step(
        "", "batch 7 of 12: 200 hosts from a-host-with-a-long-name.a-pop-with-a-long-name (0 of 200 devices done)"
    )

    def work(number: int) -> None:
        live.step(f"h{number}.pop1", "applying 3 changes")
        live.step(f"h{number}.pop1", "confirming over a new connection")
        live.advance(f"h{number}.pop1", finished=number, total=200)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(200)))
    live.idle()
    assert "batch 7 of 12: 200 hosts" in screen.getvalue()
    shown = re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "\n", screen.getvalue())
    assert max(map(len, shown.splitlines())) <= 80


def test_curves_stand_below_what_is_waited_for() -> None:
    """A line each, the bars below each other; the highest bar is the most that there was, before or since."""
    curves = (Curve("northtel-a", (8e6, 4e6, None, 0.0), 8e6), Curve("b", (), None))
    assert curve_lines(curves) == ("northtel-a  █▅·▁  0 bit/s, 8 Mbit/s before", "b                 not measured yet")
    screen = io.StringIO()
    live = Live(Console(file=screen, force_terminal=True, width=80, height=24, color_system=None).status(""))
    live.step("", "waiting until it is quiet")
    live.curves("waiting until it is quiet", curves)
    live.step("sw1.pop1", "gathering facts")
    live.idle()
    assert "█▅·▁  0 bit/s, 8 Mbit/s before" in screen.getvalue()


def test_a_log_has_a_figure_of_a_curve_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    """Not at once, since nothing is known yet, and every ten seconds after that."""
    seconds = iter((0.0, 9.0, 10.0, 19.0, 21.0))
    lines = Lines(lambda: next(seconds))
    for at in range(5):
        lines.step("", "waiting")
        lines.curves("waiting", (Curve("a", (float(at),), 9.0, "routes"),))
    assert capsys.readouterr().err == "waiting\n  a: 2 routes, 9 routes before\n  a: 4 routes, 9 routes before\n"


def test_a_log_has_a_line_for_what_happened(capsys: pytest.CaptureFixture[str]) -> None:
    """Waits once, finished devices with their reason, nothing for what stayed as it was."""
    lines = Lines()
    lines.step("", "batch 1 of 2: sw1.pop1")
    lines.step("sw1.pop1", "applying 3 changes")
    lines.step("", "batch 1 of 2: sw1.pop1")
    lines.advance("sw1.pop1", finished=1, total=1)
    lines.done("sw1.pop1", "reverted", "the checks failed")
    lines.done("h1.pop1", "unchanged")
    assert capsys.readouterr().err == "batch 1 of 2: sw1.pop1\nsw1.pop1: reverted: the checks failed\n"
