"""How fast something may go, and how long to wait before the next attempt. Pure: the caller tells the time."""

from __future__ import annotations

from typing import Callable


class Pace:
    """A bucket of tokens: ``rate`` a second on the long run, ``burst`` at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at = float("-inf")

    def allows(self, now: float) -> bool:
        """Take a token, if there is one."""
        self._left = min(self._burst, self._left + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class BackOff:
    """The wait before each attempt: twice the one before, up to ``most_s``, each shortened at random by up to a half, so that
    the hosts of a POP do not come back all at once. ``random``: from 0 to 1."""

    def __init__(self, first_s: float, most_s: float, *, random: Callable[[], float]) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._random = random
        self._next_s = first_s

    def reset(self) -> None:
        """It went well: begin anew."""
        self._next_s = self._first_s

    def next_s(self) -> float:
        """Seconds to wait now."""
        wait_s, self._next_s = self._next_s, min(self._next_s * 2, self._most_s)
        return wait_s * (1 - self._random() / 2)
