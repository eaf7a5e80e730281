"""Progress on standard error: live lines on a terminal, one line per finished device elsewhere."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Iterator, Mapping

if TYPE_CHECKING:
    from rich.status import Status

    from netorch.ports import Progress

SHOWN_AT_ONCE = 3


class Silence:
    """Shows nothing."""

    def step(self, device: str, text: str) -> None:
        """Nothing."""

    def advance(self, device: str, *, finished: int, total: int) -> None:
        """Nothing."""

    def done(self, device: str, outcome: str, detail: str | None = None) -> None:
        """Nothing."""

    def idle(self) -> None:
        """Nothing."""


class Lines:
    """For logs and pipes: waits and finished devices, a line each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = ""

    def step(self, device: str, text: str) -> None:
        """A line for what concerns the whole run, once."""
        with self._lock:
            if not device and text != self._last:
                self._last = text
                print(text, file=sys.stderr, flush=True)

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
        self._finished = 0
        self._total = 0

    def step(self, device: str, text: str) -> None:
        """Show what ``device`` does now."""
        with self._lock:
            if device:
                self._active[device] = text
            else:
                self._whole = text
            self._refresh()
            self._status.start()

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
            self._status.stop()

    def _refresh(self) -> None:
        from rich.console import Group
        from rich.text import Text

        lines = progress_lines(self._whole, self._active, finished=self._finished, total=self._total)
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
