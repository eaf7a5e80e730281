"""The mirror's quick rows of the fault matrix, one seed each, side by side; ``./dev faults`` plays all of them with many."""

from __future__ import annotations

import pytest

from tests.lab.faults import mirror
from tests.lab.faults.__main__ import play_one
from tests.lab.faults.mirror import MirrorFault
from tests.lab.faults.mirror_table import MIRROR_FAULTS
from tests.lab.faults.play import Ending

pytestmark = pytest.mark.lab

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
