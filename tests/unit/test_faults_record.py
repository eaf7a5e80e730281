"""Plays of the fault matrix that were noted in a file."""

from __future__ import annotations

from pathlib import Path

from tests.lab.faults.mirror import MirrorEnding
from tests.lab.faults.play import Ending
from tests.lab.faults.record import endings_of, note


def test_plays_of_several_runs_are_read_as_they_were_noted(tmp_path: Path) -> None:
    """Each is the same again, the mirror's with what only these have; one that was cut in the middle is not there."""
    file = tmp_path / "plays"
    played = [
        Ending("path cut", 1, "last good", "exit 1", late_s=0.5, events=("cut", "told"), took_s=1.5),
        Ending("path cut", 2, "broken", "", unsafe="it hangs\nfor ever"),
        MirrorEnding("mirror: agent killed", 1, "kept", "", gone_s=0.25, memory_mib=11.0),
    ]
    for ending in played:
        note(ending, file)
    with file.open("a") as cut:
        cut.write('{"fault": "path c')
    assert endings_of(file) == played
