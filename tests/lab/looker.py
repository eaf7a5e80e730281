"""A thread that looks at something again and again, while a test does what it is about."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Optional, Self

_END_S = 30.0


class Looker(ABC):
    """Looks while its block runs, and once more when that ends. What it died of is raised there: what was seen is not all then.

    A context manager; ``finish`` ends it before its block does.
    """

    def __init__(self, *, interval_s: float) -> None:
        self._interval_s = interval_s
        self._error: Optional[Exception] = None
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @abstractmethod
    def look(self) -> None:
        """One look."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if error is None:
            self.finish()
            return
        self._end()
        if self._error is not None:
            error.add_note(f"{type(self).__name__} had died: {self._error!r}")

    def finish(self) -> None:
        """Look no more. Raises what the thread died of."""
        self._end()
        if self._error is not None:
            raise self._error

    def _end(self) -> None:
        self._is_over.set()
        self._thread.join(_END_S)
        assert not self._thread.is_alive(), f"{type(self).__name__} does not end"

    def _run(self) -> None:
        try:
            while True:
                is_last = self._is_over.is_set()
                self.look()
                if is_last:
                    return
                self._is_over.wait(self._interval_s)
        except Exception as error:  # noqa: BLE001 - raised again where the block ends
            self._error = error
