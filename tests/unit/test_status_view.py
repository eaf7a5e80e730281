"""Rows of ``netorch status``."""

from __future__ import annotations

from netorch.cli.status_view import session_rows

SESSION = {
    "name": "spine1_up1_ll",
    "kind": "router",
    "family": "ipv4",
    "peer": "spine1.fabric1",
    "expected": "up",
    "protocol": "bgp",
    "state": "up",
    "bgp_state": "Established",
    "since": "2026-11-22 15:06:45+00:00",
    "routes_imported": 3,
    "routes_exported": 4,
    "last_error": None,
}


def shown(*sessions: dict[str, object]) -> list[tuple[object, object]]:
    rows = session_rows({"device": "leaf1.fabric1", "sessions": list(sessions)})
    return [(row["session"], row["since"]) for row in rows]


def test_session_of_both_families_says_which_row_is_which() -> None:
    """One over an unnumbered link carries both; any other is told by its name alone. Moments are UTC and do not say so."""
    moment = "2026-11-22 15:06:45"
    assert shown(SESSION, {**SESSION, "family": "ipv6"}, {**SESSION, "name": "leaf3_v4"}) == [
        ("spine1_up1_ll ipv4", moment),
        ("spine1_up1_ll ipv6", moment),
        ("leaf3_v4", moment),
    ]


def test_session_that_never_was_up_has_no_moment() -> None:
    """Nothing is made up for a moment that the daemon does not tell."""
    assert shown({**SESSION, "since": None}) == [("spine1_up1_ll", None)]
