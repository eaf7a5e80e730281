"""The mirror's quick rows of the fault matrix, one seed each, side by side; ``./dev faults`` plays all of them with many."""

from __future__ import annotations

import pytest

from tests.lab.faults import mirror
from tests.lab.faults.__main__ import play_one
from tests.lab.faults.mirror import MirrorFault, MirrorPlay
from tests.lab.faults.mirror_table import MIRROR_FAULTS
from tests.lab.faults.mirror_watch import LATE_S
from tests.lab.faults.play import Ending
from tests.lab.mirror_bed import MAC_C, V4, V6
from tests.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]  # the first test plays all rows, on a busy machine for minutes

QUICK = [fault for fault in MIRROR_FAULTS if fault.quick]
SEED = 2


@pytest.fixture(scope="module")
def endings() -> dict[str, Ending]:
    """What became of every quick row."""
    return {ending.fault: ending for ending in mirror.play_mirrors(QUICK, (SEED,), play_one)}


@pytest.mark.parametrize("fault", QUICK, ids=lambda fault: fault.name)
def test_fault_of_the_mirror_is_survived(endings: dict[str, Ending], fault: MirrorFault) -> None:
    """The fault has happened; no host sent to a wrong MAC or lost an entry, and all have what the switch has."""
    ending = endings[mirror.PREFIX + fault.name]
    assert not ending.unsafe, ending


def _harm(play: MirrorPlay) -> None:
    """What no agent would do, while the host's cannot mend it."""
    with play.host.stopped():
        play.host.ip(f"neigh replace {V4} lladdr {MAC_C} dev eth0 nud permanent protocol 110")
        play.host.ip(f"neigh del {V6} dev eth0")
        wait_until(lambda: play.watch.longest_false_claim_s > LATE_S, what="the status is wrong for long")


def test_judge_sees_what_is_unsafe() -> None:
    """A wrong MAC, an entry that is gone and a status that is wrong are told: the plays above are not well by accident."""
    ending = mirror.play_mirror(MirrorFault("harm", "unsafe", _harm, ("",), hosts=1), SEED)
    assert f"sent to {MAC_C}" in ending.unsafe
    assert "an entry was gone" in ending.unsafe
    assert f"says that {V4} is mirrored" in ending.unsafe or f"says that {V6} is mirrored" in ending.unsafe
