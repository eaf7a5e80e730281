"""What drains make of sessions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netorch.api import (
    Intent,
    Overlay,
    OverlayEntry,
    Session,
)
from tests.plugins.drain_network import PLUGIN, entry, run
from tests.plugins.example import INTENT

GRACEFUL_SHUTDOWN = (65535, 0)


def sessions(intent: Intent, device: str) -> dict[str, Session]:
    """The provider sessions of ``device`` by name."""
    return {s.name: s for s in intent.device(device).sessions if s.kind == "provider"}


def touched(*entries: OverlayEntry) -> dict[str, str]:
    """What the drains make of every session that they change: device and session to stage."""
    amended = PLUGIN.amend(INTENT, Overlay(entries))
    return {
        f"{device.name} {after.name}": "graceful" if after.enabled else "closed"
        for device in INTENT.devices
        for before, after in zip(device.sessions, amended.device(device.name).sessions, strict=True)
        if before != after
    }


NORTHTEL = ["sw1.pop1 northtel_1_v4", "sw1.pop1 northtel_1_v6", "sw2.pop1 northtel_2_v4", "sw2.pop1 northtel_2_v6"]


@pytest.mark.parametrize(
    ("drained", "expected"),
    [
        (entry("northtel", "graceful"), NORTHTEL),
        (entry("northtel-pop1-b", "graceful", kind="circuit"), NORTHTEL[2:]),
        (
            entry("sw1.pop1", "graceful", kind="switch"),
            [*NORTHTEL[:2], "sw1.pop1 meadow_4_v4", "sw1.pop1 meadow_4_v6"],
        ),
        (entry("northtel", "graceful", removed=True), []),
        (entry("nobody", "graceful"), []),
    ],
)
def test_drain_covers_what_it_names(drained: OverlayEntry, expected: list[str]) -> None:
    """A provider in one POP, one circuit, or every provider session of a switch; never a host's session."""
    assert touched(drained) == dict.fromkeys(expected, "graceful")


def test_graceful_stage_asks_both_sides_to_move() -> None:
    """GRACEFUL_SHUTDOWN out, local preference 0 in (RFC 8326), and the session stays up."""
    session = sessions(PLUGIN.amend(INTENT, Overlay((entry("northtel", "graceful"),))), "sw1.pop1")["northtel_1_v4"]
    assert session.import_policy is not None
    assert session.export_policy is not None
    assert session.import_policy.local_preference == 0
    assert session.export_policy.communities == (GRACEFUL_SHUTDOWN,)
    assert (session.enabled, session.shutdown_message) == (True, "")


def test_closed_stage_closes_with_the_reason() -> None:
    """The neighbour is told why (RFC 9003)."""
    closed = Overlay((entry("northtel", "closed", reason="fibre works"),))
    session = sessions(PLUGIN.amend(INTENT, closed), "sw1.pop1")["northtel_1_v4"]
    assert (session.enabled, session.shutdown_message) == (False, "fibre works")


def test_one_drain_that_closes_wins() -> None:
    """A circuit is closed, the rest of its provider only graceful."""
    states = touched(entry("northtel", "graceful"), entry("northtel-pop1-a", "closed", kind="circuit"))
    assert states == {**dict.fromkeys(NORTHTEL[:2], "closed"), **dict.fromkeys(NORTHTEL[2:], "graceful")}


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ('say "no"\nto; } protocol', "say 'no' to; } protocol"),
        ("\u202etxet\u0000", "txet"),
        ("\ud800", "drained"),
        ("", "drained"),
        ("ü" * 100, "ü" * 64),
        ("x" * 127 + "ü", "x" * 127),
    ],
)
def test_shutdown_message_is_one_short_line_of_text(reason: str, message: str) -> None:
    """At most 128 bytes, no quotes, no control characters, no half characters, never empty."""
    closed = Overlay((entry("northtel", "closed", reason=reason),))
    assert sessions(PLUGIN.amend(INTENT, closed), "sw1.pop1")["northtel_1_v4"].shutdown_message == message


def test_entry_of_another_version_is_left_alone() -> None:
    """Data that is not understood changes no session and breaks no command."""
    strange = replace(entry("northtel", "closed"), data={"kind": ["x"], "name": 3})
    assert touched(strange) == {}
    assert run("drain", "northtel", pop="pop1", held=Overlay((strange,))).stages == ["graceful", "closed"]
