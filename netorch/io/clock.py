"""Real time."""

from __future__ import annotations

import time
from dataclasses import dataclass

from netorch.ports import Clock


class SystemClock:
    """The machine's clocks behind ``ports.Clock``."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never step."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Return after ``seconds``."""
        time.sleep(seconds)


@dataclass(frozen=True)
class Deadline:
    """The moment at which a task gives up; every wait of the task asks it how long it may still take."""

    clock: Clock
    timeout_s: float
    at: float

    @classmethod
    def after(cls, clock: Clock, timeout_s: float) -> Deadline:
        """A deadline ``timeout_s`` from now."""
        return cls(clock, timeout_s, clock.monotonic() + timeout_s)

    def left_s(self) -> float:
        """Seconds that remain, 0.0 when there are none."""
        return max(0.0, self.at - self.clock.monotonic())

    def passed(self) -> bool:
        """Whether the time is up."""
        return self.left_s() <= 0.0

    def within(self, timeout_s: float) -> Deadline:
        """This deadline, or one ``timeout_s`` from now if that is earlier."""
        sooner = Deadline.after(self.clock, timeout_s)
        return sooner if sooner.at < self.at else self
