"""What a host's agent keeps for the next boot of its machine."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.lab.mirror_bed import MAC_A, MAC_B, STATE, Bed, running_bed
from tests.waiting import wait_until

pytestmark = pytest.mark.lab
KEPT = f"{STATE}/mirrored.json"


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with running_bed(hosts=1) as made:
        yield made


def macs(bed: Bed) -> list[str]:
    """The MACs in the file; [] while there is none."""
    path = bed.host.path(KEPT)
    items = json.loads(path.read_text()) if path.is_file() else []
    return [item["mac"] for item in items if item["kind"] == "NeighbourItem"]


def test_newest_entries_are_kept(bed: Bed) -> None:
    """A change is in the file a few seconds later."""
    for mac in (MAC_A, MAC_B):
        bed.learn(mac)
        wait_until(lambda mac=mac: macs(bed) == [mac], what=f"{mac} is kept")  # type: ignore[misc]


def test_disk_that_takes_nothing_is_told_and_tried_again(bed: Bed) -> None:
    """A file that cannot be written is a problem of the agent's, whose entries follow all the same, until it can."""
    bed.host.path(KEPT).unlink(missing_ok=True)
    bed.host.path(KEPT).mkdir()
    bed.learn(MAC_A)
    wait_until(lambda: "keep: " in bed.host.status()["problem"], what="the problem is told")
    assert bed.host.has(MAC_A)
    bed.host.path(KEPT).rmdir()
    wait_until(lambda: macs(bed) == [MAC_A], what="it is kept after all")
    wait_until(lambda: bed.host.status()["problem"] == "", what="and nothing is wrong any more")
