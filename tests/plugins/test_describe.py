"""Labels from circuits and uplinks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netorch.api import AliasItem, Intent, Overlay
from netorch.loader import bundled_plugins
from tests.plugins.example import INTENT

PLUGIN = next(plugin for plugin in bundled_plugins() if plugin.name == "describe")


def aliases(device: str, intent: Intent = INTENT) -> dict[str, str]:
    """The aliases proposed for ``device``, by interface."""
    items = PLUGIN.propose(PLUGIN.amend(intent, Overlay()), {})[device]
    return {item.interface: item.alias for item in items if isinstance(item, AliasItem)}


def test_switch_ports_say_what_is_behind_them() -> None:
    """Circuits by provider, contract, id and name; hosts by the interface at their end; the bridge is left alone."""
    assert aliases("sw1.pop1") == {
        "swp1": "northtel: Northtel NT-100231, circuit 1 (northtel-pop1-a)",
        "swp2": "meadow: Meadow private peering, circuit 4 (meadow-pop1)",
        "swp11": "h1.pop1 eth0",
        "swp12": "h2.pop1 eth0",
        "swp13": "h3.pop1 eth0",
    }


def test_uplinks_say_which_port_they_lead_to() -> None:
    """Both uplinks of a host, each with its own switch."""
    assert aliases("h1.pop1") == {"eth0": "sw1.pop1 swp11", "eth1": "sw2.pop1 swp11"}


def test_sessions_are_described() -> None:
    """Provider sessions by their circuit, in both families; host sessions by the other end."""
    switch = PLUGIN.amend(INTENT, Overlay()).device("sw1.pop1")
    described = {(session.peer, session.description) for session in switch.sessions}
    assert described == {
        ("northtel", "northtel: Northtel NT-100231, circuit 1 (northtel-pop1-a)"),
        ("meadow", "meadow: Meadow private peering, circuit 4 (meadow-pop1)"),
        ("h1.pop1", "h1.pop1 eth0"),
        ("h2.pop1", "h2.pop1 eth0"),
        ("h3.pop1", "h3.pop1 eth0"),
    }


def test_amending_twice_is_amending_once() -> None:
    """Labels follow from the inventory alone."""
    once = PLUGIN.amend(INTENT, Overlay())
    assert PLUGIN.amend(once, Overlay()) == once


@pytest.mark.parametrize(
    ("description", "shown"),
    [
        ('x"; } protocol static evil {', 'x"; } protocol static evil {'),
        ("line\nprotocol\r\ttwo", "line protocol two"),
        ("a\u202eb\u0000c", "a b c"),
        ("", None),
    ],
)
def test_hostile_text_stays_one_line_of_text(description: str, shown: str | None) -> None:
    """What people type reaches a label as text without line ends, control characters or changes of direction."""
    circuits = tuple(replace(circuit, description=description) for circuit in INTENT.circuits)
    what = f"{shown}, " if shown is not None else ""
    assert aliases("sw1.pop1", replace(INTENT, circuits=circuits))["swp1"] == (
        f"northtel: {what}circuit 1 (northtel-pop1-a)"
    )


def test_long_text_is_cut_between_characters() -> None:
    """The kernel takes 255 bytes; half a character is none."""
    circuits = tuple(replace(circuit, description="ü" * 300) for circuit in INTENT.circuits)
    alias = aliases("sw1.pop1", replace(INTENT, circuits=circuits))["swp1"]
    assert alias == "northtel: " + "ü" * 122
    assert len(alias.encode()) == 254


def test_interface_without_a_label_is_left_alone() -> None:
    """A port whose circuit is not known keeps the alias that it has."""
    assert "swp1" not in aliases("sw1.pop1", replace(INTENT, circuits=()))
