"""A MAC that changes too often is held as it is: two routers that fight over an address must not make every host follow."""

from __future__ import annotations

from collections import deque
from typing import Deque, Optional

from netorch.agent.mirror.settings import HoldDownSettings


class HoldDown:
    """Of one next hop. Times are seconds of one clock that never goes back; the caller tells them."""

    def __init__(self, settings: HoldDownSettings) -> None:
        self.settings = settings
        self.until: Optional[float] = None
        self._times: Deque[float] = deque(maxlen=settings.changes + 1)

    def admits(self, now: float) -> bool:
        """Whether a change that is wanted now may happen; it is counted either way."""
        while self._times and now - self._times[0] > self.settings.period_s:
            self._times.popleft()
        self._times.append(now)
        if self.until is not None:
            return False
        if self._is_flapping(now):
            self.until = now + self.settings.hold_s
            return False
        return True

    def ends(self, now: float) -> bool:
        """Whether a hold ends now. It lasts on for as long as the MAC has not become quiet."""
        if self.until is None or now < self.until:
            return False
        if self._is_flapping(now):
            self.until = now + self.settings.hold_s
            return False
        self.until = None
        return True

    def left_s(self, now: float) -> float:
        """How long the hold lasts from now on if the MAC becomes quiet; 0 without one."""
        return 0.0 if self.until is None else max(0.0, self.until - now)

    def release(self) -> None:
        """Somebody who knows better ends the hold: the changes before it count no more."""
        self.until = None
        self._times.clear()

    def _is_flapping(self, now: float) -> bool:
        """More changes than ``changes`` within the last period: the oldest of that many is not old enough."""
        return len(self._times) == self._times.maxlen and now - self._times[0] <= self.settings.period_s
