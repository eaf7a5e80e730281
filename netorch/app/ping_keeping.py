"""Pings are put on record while they go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any, Protocol

from netorch.app.ping_records import record_of
from netorch.app.pinging import SETTLED_S, Pings
from netorch.errors import NetorchError
from netorch.ports import Clock

FLUSH_S = 60.0
"""What is not yet on record when the machine dies."""


class Folder(Protocol):
    """Where records are kept."""

    def append(self, records: Sequence[Mapping[str, Any]], now_s: float) -> None: ...

    def forget(self, before_s: float) -> None: ...


@contextmanager
def recording(pings: Pings, folder: Folder, clock: Clock, *, keep_s: float) -> Iterator[None]:
    """While the block lasts, and once more at its end, what became known goes into ``folder``; what is older than ``keep_s`` is
    deleted."""
    ended = Event()
    written_until = [clock.now()]

    def flush(until_s: float) -> None:
        with pings.lock:
            records = [
                record_of(track, written_until[0], until_s)
                for track in pings.all
                if track.sent or track.host not in pings.failures
            ]
        folder.append(records, clock.now())
        written_until[0] = until_s

    def work() -> None:
        while not ended.wait(FLUSH_S):
            with suppress(NetorchError):  # the last one tells, if it is still so
                flush(clock.now() - SETTLED_S)

    thread = Thread(target=work, name="record", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        flush(clock.now())
        folder.forget(clock.now() - keep_s)
