"""Plays that were played, in a file: one line of JSON for each, written as it ends, so that a run which is cut loses none."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from tests.lab.faults.mirror import MirrorEnding
from tests.lab.faults.play import Ending


def note(ending: Ending, file: Path) -> None:
    """Adds one."""
    with file.open("a") as out:
        out.write(json.dumps(asdict(ending)) + "\n")


def endings_of(file: Path) -> list[Ending]:
    """All that were noted there, of however many runs; a last line that was cut is none."""
    return [_ending_of(json.loads(line)) for line in file.read_text().split("\n")[:-1]]


def _ending_of(noted: dict[str, object]) -> Ending:
    kind = MirrorEnding if "gone_s" in noted else Ending
    return kind(**{**noted, "events": tuple(noted["events"])})  # type: ignore[arg-type]
