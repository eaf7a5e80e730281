"""Moments as the agent tells them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from netorch.agent.clock import as_utc


@pytest.fixture
def _two_hours_ahead(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A device whose own time is two hours ahead of UTC."""
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "XYZ-2")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_two_hours_ahead")
@pytest.mark.parametrize(
    ("local", "told"),
    [
        ("2026-11-22 01:04:28", "2026-11-21 23:04:28+00:00"),
        ("2026-11-22 15:04:28.123", "2026-11-22 13:04:28+00:00"),
        ("15:04:28.123", "15:04:28.123"),
        ("", ""),
    ],
)
def test_moments_of_the_device_are_told_in_utc(local: str, told: str) -> None:
    """Sessions of devices in several zones can be compared; what has no date is left as it is."""
    assert as_utc(local) == told
