"""What only FRR can suffer, one seed each, side by side; ``./dev faults --daemon frr`` plays every row with many."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.faults.__main__ import play_all
from tests.lab.faults.bed import bed
from tests.lab.faults.play import Ending
from tests.lab.faults.router import FRR
from tests.lab.faults.table import faults_of

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]  # the first test plays all rows, on a busy machine for minutes

ONLY_FRR = [fault for fault in faults_of("frr") if fault not in faults_of("bird") and fault.quick]
SEED = 3


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ending]]:
    """What became of every row, by its name."""
    with bed(tmp_path_factory.mktemp("frr"), pops=len(ONLY_FRR), router=FRR) as made:
        yield {ending.fault: ending for ending in play_all(made, ONLY_FRR, (SEED,))}


@pytest.mark.parametrize("fault", [fault.name for fault in ONLY_FRR])
def test_fault_is_survived(endings: dict[str, Ending], fault: str) -> None:
    """The fault has happened; the device ended whole on the confirmed or the last good state, and no success was invented."""
    ending = endings[fault]
    assert not ending.unsafe, ending
    assert ending.state in ("last good", "confirmed"), ending
