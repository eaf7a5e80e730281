"""Progress on standard error: live lines on a terminal, one line per finished device elsewhere."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Callable, Iterator, Mapping, Sequence

if TYPE_CHECKING:
    from rich.status import Status

    from netorch.model.curve import Curve
    from netorch.ports import Progress

SHOWN_AT_ONCE = 3
CURVE_BARS = 30
"""How many of its last values a curve shows."""

LOGGED_EVERY_S = 10.0
"""How often a log is told of curves."""


class Silence:
    """Shows nothing."""

    def step(self, device: str, text: str) -> None:
        """Nothing."""

    def advance(self, device: str, *, finished: int, total: int) -> None:
        """Nothing."""

    def curves(self, text: str, curves: Sequence[Curve]) -> None:
        """Nothing."""

    def done(self, device: str, outcome: str, detail: str | None = None) -> None:
        """Nothing."""

    def idle(self) -> None:
        """Nothing."""


class Lines:
    """For logs and pipes: waits and finished devices, a line each; curves as figures, every ``LOGGED_EVERY_S`` of ``clock``."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._lock = threading.Lock()
        self._last = ""
        self._clock = clock
        self._told_at: float | None = None

    def step(self, device: str, text: str) -> None:
        """A line for what concerns the whole run, once."""
        with self._lock:
            if not device and text != self._last:
                self._last, self._told_at = text, None
                print(text, file=sys.stderr, flush=True)

    def curves(self, text: str, curves: Sequence[Curve]) -> None:
        """A line for each, now and then; the first after a while, since at first nothing is known."""
        with self._lock:
            now = self._clock()
            if self._told_at is None or now < self._told_at + LOGGED_EVERY_S:
                self._told_at = now if self._told_at is None else self._told_at
                return
            self._told_at = now
            for curve in curves:
                print(f"  {curve.name}: {curve.text}", file=sys.stderr, flush=True)

    def advance(self, device: str, *, finished: int, total: int) -> None:
        """Nothing: a log has a line for what happened, not for every look."""

    def done(self, device: str, outcome: str, detail: str | None = None) -> None:
        """A line for a device that something happened to."""
        with self._lock:
            if outcome != "unchanged":
                print(_finished(device, outcome, detail), file=sys.stderr, flush=True)

    def idle(self) -> None:
        """Nothing: lines stay."""


class Live:
    """For people: a spinner with what is going on, in two lines that fit the terminal however many devices there are. It is gone
    while nothing goes on, so that questions and tables stand alone."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._lock = threading.Lock()
        self._whole = ""
        self._active: dict[str, str] = {}
        self._curves: tuple[str, ...] = ()
        self._finished = 0
        self._total = 0

    def step(self, device: str, text: str) -> None:
        """Show what ``device`` does now."""
        with self._lock:
            if device:
                self._active[device] = text
            else:
                self._curves = self._curves if text == self._whole else ()
                self._whole = text
            self._refresh()
            self._status.start()

    def curves(self, text: str, curves: Sequence[Curve]) -> None:
        """Below what is waited for, a line for each, until something else goes on."""
        with self._lock:
            self._whole, self._curves = text, curve_lines(curves)
            self._refresh()

    def advance(self, device: str, *, finished: int, total: int) -> None:
        """One device less that is waited for."""
        with self._lock:
            self._active.pop(device, None)
            self._finished, self._total = finished, total
            self._refresh()

    def done(self, device: str, outcome: str, detail: str | None = None) -> None:
        """Nothing: the results come as a table."""

    def idle(self) -> None:
        """Take the spinner away."""
        with self._lock:
            self._whole, self._active, self._finished, self._total = "", {}, 0, 0
            self._curves = ()
            self._status.stop()

    def _refresh(self) -> None:
        from rich.console import Group
        from rich.text import Text

        lines = progress_lines(self._whole, self._active, finished=self._finished, total=self._total)
        lines = (*lines[:1], *self._curves, *lines[1:])
        # A Group: the spinner would take a single Text apart, and its lines would wrap.
        self._status.update(Group(*(Text(line, no_wrap=True, overflow="ellipsis") for line in lines)))


def progress_lines(whole: str, active: Mapping[str, str], *, finished: int, total: int) -> tuple[str, ...]:
    """What a person reads: first the run as a whole, or else what most devices do; then which devices, by what they do.

    ``finished`` of ``total`` that are worked on at the same time have finished.
    """
    by_text: dict[str, list[str]] = {}
    for device, text in active.items():
        by_text.setdefault(text, []).append(device)
    count = f"{finished} of {total}" if total > 1 else ""
    if not whole and by_text:
        whole = max(by_text, key=lambda text: len(by_text[text]))
        devices = by_text.pop(whole)
        first = f"{whole}, {count}" if count else whole
        return tuple(filter(None, (first, "; ".join([_named(devices), *_groups(by_text)]))))
    return tuple(filter(None, (whole, "; ".join([*([count] if count else []), *_groups(by_text)]))))


def curve_lines(curves: Sequence[Curve]) -> tuple[str, ...]:
    """``northtel-pop1-a  ▇▇▅▂▁  1.2 Mbit/s, 94 Mbit/s before``, one below the other."""
    shown = [(curve.name, curve.bars(CURVE_BARS), curve.text) for curve in curves]
    name, drawn = max((len(row[0]) for row in shown), default=0), max((len(row[1]) for row in shown), default=0)
    return tuple(f"{row[0]:{name}}  {row[1]:{drawn}}  {row[2]}" for row in shown)


def _groups(by_text: Mapping[str, list[str]]) -> list[str]:
    return [f"{text}: {_named(devices)}" for text, devices in by_text.items()]


def _named(devices: list[str]) -> str:
    more = f" and {len(devices) - SHOWN_AT_ONCE} more" if len(devices) > SHOWN_AT_ONCE else ""
    return ", ".join(devices[:SHOWN_AT_ONCE]) + more


def _finished(device: str, outcome: str, detail: str | None) -> str:
    first = f"{device}: {outcome}"
    return f"{first}: {detail}" if detail else first


@contextmanager
def terminal_progress(*, quiet: bool = False) -> Iterator[Progress]:
    """What suits standard error: live on a terminal, lines elsewhere, nothing when ``quiet``."""
    if quiet:
        yield Silence()
    elif sys.stderr.isatty():
        from rich.console import Console

        live = Live(Console(stderr=True).status(""))
        try:
            yield live
        finally:
            live.idle()
    else:
        yield Lines()
