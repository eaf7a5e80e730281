"""What ``netorch ping`` says of a series of echoes."""

from __future__ import annotations

from netorch.app.pinging import PingRow
from netorch.model.request import PingSeries


def test_quantiles_are_values_that_were_seen() -> None:
    """Nearest rank: of two echoes the median is the quicker one, of ten p90 is the second slowest."""
    two = PingRow("h1.pop1", "northtel", PingSeries(1001, (20.0, 10.0))).document()
    assert (two["min_ms"], two["median_ms"], two["p90_ms"], two["p99_ms"]) == (10.0, 10.0, 20.0, 20.0)
    ten = PingRow("h1.pop1", "northtel", PingSeries(1001, tuple(map(float, range(1, 11))))).document()
    assert (ten["median_ms"], ten["p90_ms"], ten["p99_ms"]) == (5.0, 9.0, 10.0)


def test_lost_echoes_count_as_sent_and_have_no_time() -> None:
    """Loss is in percent of what was sent; without an answer every time is null."""
    some = PingRow("h1.pop1", "northtel", PingSeries(1001, (None, 7.0, None, 9.0))).document()
    assert (some["sent"], some["received"], some["loss_percent"], some["min_ms"]) == (4, 2, 50.0, 7.0)
    none = PingRow("h1.pop1", "northtel", PingSeries(1001, (None, None))).document()
    assert (none["received"], none["loss_percent"], none["min_ms"], none["p99_ms"]) == (0, 100.0, None, None)
