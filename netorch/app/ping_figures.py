"""What a number of packets says of a way: loss, quantiles of the round-trip time, jitter, a sparkline. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import NamedTuple

BARS = "▁▂▃▄▅▆▇█"
LOST = "×"  # noqa: RUF001 - meant
STEADY_MS = 2.0
"""A row whose times differ by less is drawn flat: noise is no news."""


class Sample(NamedTuple):
    """One packet: sent at ``time_s`` since the epoch; ``rtt_ms`` None where nothing came back in time."""

    time_s: float
    rtt_ms: float | None


@dataclass(frozen=True)
class Figures:
    """Times in milliseconds, None where nothing was answered; quantiles are of the nearest rank, values that were seen.

    ``jitter_ms`` is the mean absolute difference of the times of successive answers: what RFC 3550 section 6.4.1 smooths with
    a gain of 1/16, with every packet counted the same.
    """

    sent: int
    received: int
    min_ms: float | None = None
    median_ms: float | None = None
    p90_ms: float | None = None
    p99_ms: float | None = None
    jitter_ms: float | None = None

    @property
    def loss_percent(self) -> float | None:
        """None where nothing was sent."""
        return round(100.0 * (self.sent - self.received) / self.sent, 1) if self.sent else None


def figures(samples: Iterable[Sample]) -> Figures:
    """Of ``samples`` in any order."""
    in_order = sorted(samples, key=lambda sample: sample.time_s)
    rtts = [sample.rtt_ms for sample in in_order if sample.rtt_ms is not None]
    if not rtts:
        return Figures(len(in_order), 0)
    ranked = sorted(rtts)
    steps = [abs(after - before) for before, after in pairwise(rtts)]
    return Figures(
        sent=len(in_order),
        received=len(rtts),
        min_ms=_rounded(ranked[0]),
        median_ms=_rounded(quantile(ranked, 0.5)),
        p90_ms=_rounded(quantile(ranked, 0.9)),
        p99_ms=_rounded(quantile(ranked, 0.99)),
        jitter_ms=_rounded(sum(steps) / len(steps)) if steps else None,
    )


def quantile(ranked: Sequence[float], share: float) -> float:
    """The nearest-rank quantile of sorted values, of which there is at least one."""
    return ranked[max(0, ceil(share * len(ranked)) - 1)]


def _rounded(milliseconds: float) -> float:
    return round(milliseconds, 3)


def sparkline(samples: Iterable[Sample], width: int) -> str:
    """The course of the round-trip time in at most ``width`` characters, each the median of as many packets as the others; one
    of which most are lost is a cross. The lowest bar is the shortest time, the highest the longest."""
    in_order = sorted(samples, key=lambda sample: sample.time_s)
    if not in_order or width < 1:
        return ""
    count = min(width, len(in_order))
    edges = [number * len(in_order) // count for number in range(count + 1)]
    medians = [_median(in_order[low:high]) for low, high in pairwise(edges)]
    seen = [median for median in medians if median is not None]
    if not seen:
        return LOST * count
    low, span = min(seen), max(max(seen) - min(seen), STEADY_MS)
    steps = len(BARS) - 1
    return "".join(LOST if median is None else BARS[int((median - low) / span * steps)] for median in medians)


def _median(samples: Sequence[Sample]) -> float | None:
    rtts = sorted(sample.rtt_ms for sample in samples if sample.rtt_ms is not None)
    return quantile(rtts, 0.5) if 2 * len(rtts) >= len(samples) else None
