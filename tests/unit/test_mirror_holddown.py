"""When a MAC that keeps changing is held, and how long; how attempts are paced."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netorch.agent.mirror.holddown import HoldDown
from netorch.agent.mirror.pace import BackOff, Pace
from netorch.agent.mirror.settings import HoldDownSettings

SETTINGS = HoldDownSettings(changes=3, period_s=10, hold_s=30)


def test_as_many_changes_as_allowed_happen() -> None:
    """Three changes at once are let through, the fourth is not."""
    hold = HoldDown(SETTINGS)
    assert [hold.admits(0.0) for _ in range(4)] == [True, True, True, False]
    assert hold.until == 30.0


def test_slow_changes_are_never_held() -> None:
    """Four changes in more than the period are no flap."""
    hold = HoldDown(SETTINGS)
    assert all(hold.admits(4.0 * number) for number in range(100))


def test_hold_ends_when_it_has_been_quiet() -> None:
    """Nothing changed during the hold: it ends on time."""
    hold = HoldDown(SETTINGS)
    for _ in range(4):
        hold.admits(0.0)
    assert [hold.ends(29.9), hold.ends(30.0), hold.until] == [False, True, None]


def test_hold_goes_on_while_it_still_flaps() -> None:
    """A MAC that changed often just before the hold's end is held for another one."""
    hold = HoldDown(SETTINGS)
    for _ in range(4):
        hold.admits(0.0)
    for number in range(4):
        assert not hold.admits(26.0 + number)
    assert not hold.ends(30.0)
    assert hold.until == 60.0


@given(st.lists(st.floats(0, 5), max_size=60))
def test_never_more_changes_in_a_period_than_allowed(gaps: list[float]) -> None:
    """Whatever comes, at most three changes are let through in any ten seconds."""
    hold, now, let_through = HoldDown(SETTINGS), 0.0, []
    for gap in gaps:
        now += gap
        hold.ends(now)
        if hold.admits(now):
            let_through.append(now)
    assert all(later - earlier > 10 for earlier, later in zip(let_through, let_through[3:], strict=False))


@given(st.lists(st.floats(0, 3), max_size=100))
def test_pace_keeps_rate_and_burst(gaps: list[float]) -> None:
    """In any time no more is allowed than the burst and what the rate adds."""
    pace, now, allowed = Pace(2.0, 5.0), 0.0, []
    for gap in gaps:
        now += gap
        if pace.allows(now):
            allowed.append(now)
    for start, first in enumerate(allowed):
        for end, last in enumerate(allowed[start:], start=1):
            assert end <= 5 + 2 * (last - first) + 1e-6


@given(st.lists(st.floats(0, 1), min_size=12, max_size=12))
def test_back_off_doubles_up_to_its_bound(chances: list[float]) -> None:
    """Each wait is between half of and the whole of twice the one before, up to five seconds."""
    drawn = iter(chances)
    back_off = BackOff(0.2, 5.0, random=lambda: next(drawn))
    for number in range(12):
        whole = min(0.2 * 2**number, 5.0)
        assert whole / 2 <= back_off.next_s() <= whole


def test_back_off_begins_anew() -> None:
    """After a connection that held, the first wait is short again."""
    back_off = BackOff(0.2, 5.0, random=lambda: 0.0)
    waits = [back_off.next_s() for _ in range(3)]
    back_off.reset()
    assert [*waits, back_off.next_s()] == [0.2, 0.4, 0.8, 0.2]
