"""The table of ``netorch ping`` in windows of any width."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from netorch.app.ping_figures import Sample
from netorch.app.ping_tracks import ProviderState, Track
from netorch.cli.ping_view import table_of


def track(provider: str, destination: str = "198.51.100.1", *, state: ProviderState = ProviderState()) -> Track:  # noqa: B008
    found = Track("pop1", "h1.pop1", provider, 1001, ip_address(destination), provider_state=state)
    for number in range(100):
        found.add(Sample(float(number), 10.0 if number < 50 else 30.0))
    return found


BOTH = [track(provider, to) for to in ("198.51.100.1", "2001:db8::1") for provider in ("northtel", "meadow")]


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_every_row_fits_with_its_course(width: int) -> None:
    """No line is broken; columns that matter less go first, and are named; the sparkline takes what is left."""
    table, _ = table_of(BOTH, width)
    assert len(table.lines) == 1 + len(BOTH)
    assert max(map(len, table.lines)) <= width
    assert all("▁" in line and "█" in line for line in table.lines[1:])
    assert "median_ms" in table.lines[0]
    assert ("jitter_ms" in table.lines[0]) == ("jitter_ms" not in table.left_out)


def test_a_pipe_gets_every_column() -> None:
    """Nothing is left out for grep and awk."""
    table, _ = table_of(BOTH, None)
    assert table.lines[0].split() == [
        "host", "family", "provider", "sent", "loss_percent", "min_ms", "median_ms", "p90_ms", "p99_ms", "jitter_ms", "trend"
    ]  # fmt: skip


def test_destinations_are_told_apart() -> None:
    """By family where that is enough, else by address; one alone is not repeated in each row."""
    one, _ = table_of([track("northtel")], None)
    several, _ = table_of([track("northtel"), track("northtel", "198.51.100.2")], None)
    assert ("family" in one.lines[0], "destination" in one.lines[0]) == (False, False)
    assert [line.split()[1] for line in several.lines] == ["destination", "198.51.100.1", "198.51.100.2"]


def test_why_a_provider_is_not_usable_is_said_once() -> None:
    """A drain concerns all hosts and families: it has a state in each row, and one line below."""
    drained = ProviderState("drained", "by ann: fibre works")
    table, notes = table_of([track("northtel", to, state=drained) for to in ("198.51.100.1", "2001:db8::1")], None)
    assert all("drained" in line for line in table.lines[1:])
    assert notes == ["drained: northtel in pop1: by ann: fibre works"]


def test_what_is_not_true_of_all_hosts_names_them() -> None:
    """A host that has no table for a provider is not the POP."""
    one, other = track("meadow"), track("meadow")
    one.reason, other.host = "no route through this provider", "h2.pop1"
    _, notes = table_of([one, other], None)
    assert notes == ["no route: meadow from h1.pop1, ipv4: no route through this provider"]
