"""What ``netorch rejected`` makes of what switches say."""

from __future__ import annotations

import pytest

from netorch.app.rejected import Rejections, find_reason
from netorch.cli.rejected import print_rejections
from netorch.errors import TimedOut, UsageError
from netorch.intent import derive_intent
from netorch.model.rejected import INVALID, WITHDRAWN, Dropped, ReasonCount, RejectedRoute, RejectedSession
from tests.policy.table import FOLDER
from tests.unit.inventory_texts import load, texts

SWITCH = derive_intent(load(texts(FOLDER / "inventory"))).device("sw1.pop1")
SESSIONS = [session for session in SWITCH.sessions if session.peer == "northtel"]


def rejections() -> Rejections:
    told = RejectedSession(
        "northtel_11_v4",
        counts=(ReasonCount(12, 2), ReasonCount(21, 1)),
        routes=(
            RejectedRoute("10.0.0.0/8", 12, "64496 3000", "203.0.113.69"),
            RejectedRoute("1.0.2.0/24", 21, "64496 1 {2 3} 4", "203.0.113.69"),
        ),
        dropped=(Dropped(INVALID, 1), Dropped(WITHDRAWN, 4)),
    )
    silent = RejectedSession("northtel_11_v6", problem="refused routes are not kept here")
    failures = {"sw1.pop2": TimedOut("no answer", where="sw1.pop2")}
    return Rejections("northtel", ((SWITCH, SESSIONS[0], told), (SWITCH, SESSIONS[1], silent)), dict(failures), asked=2)


def test_document_counts_by_reason_and_lists_routes() -> None:
    """Reasons in the order in which they are tried, with their numbers and sources; a set is one member of a path."""
    document = rejections().document()
    assert document["refused"] == 3
    assert [(row["reason"], row["code"], row["routes"]) for row in document["reasons"]] == [
        ("prefix_bogon", 12, 2),
        ("path_as_set", 21, 1),
    ]
    assert document["reasons"][1]["source"] == "RFC 9774"
    assert [row["refused"] for row in document["sessions"]] == [3, None]
    assert document["dropped"] == 5
    assert [
        row["dropped"] and [(one["kind"], one["announcements"]) for one in row["dropped"]]
        for row in document["sessions"]
    ] == [
        [("invalid", 1), ("withdrawn", 4)],
        None,
    ]
    assert document["sessions"][1]["problem"] == "refused routes are not kept here"
    assert [row["as_path"] for row in document["routes"]] == [["64496", "3000"], ["64496", "1", "{2,3}", "4"]]
    assert document["failures"] == {"sw1.pop2": "no answer"}


def test_table_names_sessions_and_what_is_not_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Each session has its count, the rest that the limit cut off, or why it cannot tell."""
    print_rejections(rejections().document(), limit=2)
    said = capsys.readouterr().out
    assert "northtel_11_v4 on sw1.pop1: 3 refused, 1 of them not listed (--limit)\n" in said
    assert "northtel_11_v6 on sw1.pop1: refused routes are not kept here\n" in said
    dropped = [
        line.split()[1] for line in said.splitlines() if "dropped by the daemon itself, which only counts them" in line
    ]
    assert dropped == ["1", "4"]
    assert [line.split()[:3] for line in said.splitlines() if line.startswith("prefix_bogon")] == [
        ["prefix_bogon", "12", "2"]
    ]


def test_unknown_reason_is_told_with_its_like() -> None:
    """The nearest name is a hint."""
    assert find_reason("next_hop").code == 30
    with pytest.raises(UsageError, match="no reason is called 'prefix_bogons'") as raised:
        find_reason("prefix_bogons")
    assert "prefix_bogon" in raised.value.hint
