"""Progress on standard error: live lines on a terminal, one line per finished device elsewhere."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Iterator

if TYPE_CHECKING:
    from rich.status import Status

    from netorch.ports import Progress

SHOWN_AT_ONCE = 5


class Silence:
    """Shows nothing."""

    def step(self, device: str, text: str) -> None:
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

    def done(self, device: str, outcome: str, detail: str | None = None) -> None:
        """A line for a device that something happened to."""
        with self._lock:
            if outcome != "unchanged":
                print(_finished(device, outcome, detail), file=sys.stderr, flush=True)

    def idle(self) -> None:
        """Nothing: lines stay."""


class Live:
    """For people: a spinner with what is going on. It is gone while nothing is, so that questions and tables stand alone."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._lock = threading.Lock()
        self._active: dict[str, str] = {}
        self._finished = 0

    def step(self, device: str, text: str) -> None:
        """Show what ``device`` does now."""
        with self._lock:
            self._active[device] = text
            self._refresh()
            self._status.start()

    def done(self, device: str, outcome: str, detail: str | None = None) -> None:
        """Count the device; the results come as a table."""
        with self._lock:
            self._active.pop(device, None)
            self._finished += 1
            self._refresh()

    def idle(self) -> None:
        """Take the spinner away."""
        with self._lock:
            self._active.clear()
            self._status.stop()

    def _refresh(self) -> None:
        devices = [f"{device} {text}" for device, text in self._active.items() if device]
        shown = [self._active[""]] if "" in self._active else []  # what the run as a whole does comes first
        shown += devices[-SHOWN_AT_ONCE:]
        more = max(0, len(devices) - SHOWN_AT_ONCE)
        count = f"{self._finished} done; " if self._finished else ""
        self._status.update(count + ", ".join(shown) + (f" and {more} more" if more else ""))


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
