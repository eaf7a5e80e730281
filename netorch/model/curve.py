"""A figure while it is waited for, as people see its course."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Sequence, Tuple

from netorch.model.text import rate_text

BARS = "▁▂▃▄▅▆▇█"
UNKNOWN = "·"

BITS_PER_S = "bit/s"


@dataclass(frozen=True)
class Curve:
    """``values`` are those of the looks so far, the oldest first, None where one told nothing; ``former`` is what it was before.
    Both in ``unit``."""

    name: str
    values: Tuple[Optional[float], ...]
    former: Optional[float] = None
    unit: str = BITS_PER_S

    @property
    def text(self) -> str:
        """``1.2 Mbit/s, 94 Mbit/s before``."""
        now = next((value for value in reversed(self.values) if value is not None), None)
        before = "" if self.former is None else f", {self._amount(self.former)} before"
        return ("not measured yet" if now is None else self._amount(now)) + before

    def bars(self, width: int) -> str:
        """The last ``width`` values as bars; the highest stands for the highest of all, the former one among them."""
        return bars(
            self.values[-width:], most=max((v for v in (*self.values, self.former) if v is not None), default=0)
        )

    def _amount(self, value: float) -> str:
        return rate_text(value) if self.unit == BITS_PER_S else f"{value:g} {self.unit}".rstrip()


def bars(values: Sequence[Optional[float]], *, most: float) -> str:
    """A bar for each of ``values``, the lowest for 0, the highest for ``most``."""
    steps = len(BARS) - 1
    return "".join(
        UNKNOWN if value is None else BARS[min(steps, round(max(value, 0.0) / most * steps)) if most > 0 else 0]
        for value in values
    )
