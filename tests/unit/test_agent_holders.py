"""When an agent that holds a device's lock is taken to hang."""

from __future__ import annotations

import pytest

from netorch.agent.holders import is_overdue

AT = 1000.0


@pytest.mark.parametrize(
    ("what", "deadline", "uptime", "overdue"),
    [
        ("applying a", AT + 90, AT + 100, False),
        ("applying a", AT + 90, AT + 101, True),
        ("confirming a", AT + 5, AT + 70, False),
        ("confirming a", AT + 5, AT + 71, True),
        ("reverting a", AT - 500, AT + 60, False),
        ("applying a", None, AT + 599, False),
        ("applying a", None, AT + 601, True),
        ("undoing", AT + 5, AT + 9999, False),
    ],
)
def test_an_agent_hangs_when_its_time_was_up_long_ago(
    what: str, deadline: float | None, uptime: float, overdue: bool
) -> None:
    """It has until its change's deadline, a minute to end, and ten where nothing is pending yet; a watchdog has all the time."""
    holder = {"who": "somebody", "what": what, "since": 0.0, "at": AT, "pid": 17}
    assert is_overdue(holder, deadline, uptime=uptime) is overdue


def test_a_holder_that_is_not_known_is_left_alone() -> None:
    """A lock that tells nothing of its holder, or was written by an older agent, is nobody's to break."""
    assert not is_overdue({}, AT, uptime=AT + 9999)
    assert not is_overdue({"what": "applying a", "pid": 17}, AT, uptime=AT + 9999)
