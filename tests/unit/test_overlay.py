"""Overlay entries from several devices."""

from __future__ import annotations

import itertools

from netorch.model.overlay import OverlayEntry, merge_overlays


def entry(version: int, *, removed: bool = False, created: float = 0.0) -> OverlayEntry:
    """A drain of one provider."""
    return OverlayEntry("drain/north@pop1", version, "drain", ("sw1.pop1",), "ann", created, removed=removed)


def test_the_highest_version_wins_in_any_order() -> None:
    """A device that missed a change, or a removal, does not bring the former state back."""
    entries = [entry(1), entry(2), entry(3, removed=True)]
    for order in itertools.permutations(entries):
        merged = merge_overlays([[one] for one in order])
        assert merged.entries == (entry(3, removed=True),)
        assert merged.active("drain") == ()


def test_a_removal_beats_a_change_of_the_same_version() -> None:
    """Two controllers that acted at once: the result is the same on both, whoever asks first."""
    for order in ([entry(2), entry(2, removed=True)], [entry(2, removed=True), entry(2)]):
        assert merge_overlays([order]).entries[0].removed


def test_entries_are_kept_by_the_devices_that_they_name() -> None:
    """Each device is given its own entries only."""
    merged = merge_overlays([[entry(1)]])
    assert merged.kept_by("sw1.pop1") == (entry(1),)
    assert merged.kept_by("sw2.pop1") == ()
