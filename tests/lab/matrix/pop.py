"""The example's first POP with any daemon and release on each device, and what status says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.lab.deployed_pop import POP
from tests.lab.quick_lab import QuickLab, quick_example
from tests.unit.inventory_texts import edited

CLOCK_ERROR_S = 2
"""FRR tells an age in whole seconds, from which the moment is reckoned."""


@dataclass(frozen=True)
class Release:
    """A routing daemon in one release."""

    daemon: str
    version: str

    def __str__(self) -> str:
        return f"{'BIRD' if self.daemon == 'bird' else 'FRR'} {self.version}"


def example_of(releases: Mapping[str, Release]) -> dict[str, str]:
    """The files of the example's first POP, with a release per device (``sw1``) and little to announce."""
    files = quick_example()
    del files["pops/pop2.yml"]
    return of_releases(files, "pops/pop1.yml", releases)


def of_releases(files: Mapping[str, str], file: str, releases: Mapping[str, Release]) -> dict[str, str]:
    """``files`` with a release for each device of one POP's ``file``."""
    for device, release in releases.items():
        line = f"  - name: {device}\n"
        chosen = f"{line}    daemon: {release.daemon}\n    version: '{release.version}'\n"
        files = edited(dict(files), file, (line, chosen))
    return dict(files)


def devices(quick: QuickLab, pop: str = POP) -> dict[str, Mapping[str, Any]]:
    """What ``netorch status`` says of every device, by name."""
    return {
        device["device"]: device
        for device in quick.project("status", pop, "--interval", "0.1", "-o", "json").document["devices"]
    }


def sessions(quick: QuickLab, pop: str = POP) -> dict[tuple[str, str], Mapping[str, Any]]:
    """What ``netorch status`` says of every session, by device and name."""
    return {
        (name, session["name"]): session
        for name, device in devices(quick, pop).items()
        for session in device["sessions"]
    }


def moments(quick: QuickLab, pop: str = POP) -> dict[tuple[str, str], float]:
    """When each session came up, in seconds since the epoch, by the device's clock."""
    return {key: datetime.fromisoformat(one["since"]).timestamp() for key, one in sessions(quick, pop).items()}


def restarted(before: Mapping[tuple[str, str], float], after: Mapping[tuple[str, str], float]) -> list[str]:
    """The sessions that came up anew, came or went between two looks at all of them."""
    return [
        f"{name} of {device}"
        for device, name in {**before, **after}
        if abs(after.get((device, name), 0) - before.get((device, name), 0)) > CLOCK_ERROR_S
    ]


def all_up(quick: QuickLab, pop: str = POP) -> bool:
    """Whether every session of every device is up."""
    found = sessions(quick, pop).values()
    return bool(found) and all(session["state"] == "up" for session in found)
