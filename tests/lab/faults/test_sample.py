"""The quick rows of the fault matrix, one seed each, side by side; ``./dev faults`` plays all of them with many."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.faults import rollout, secrets, strings
from tests.lab.faults.__main__ import play_all
from tests.lab.faults.bed import Bed, bed
from tests.lab.faults.events import Event
from tests.lab.faults.play import Ending, Fault
from tests.lab.faults.rollout import RollOuts
from tests.lab.faults.table import faults_of

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]  # the first test plays all rows, on a busy machine for minutes

QUICK = [fault for fault in faults_of("bird") if fault.quick]
SEED = 3


DEATHS = (Event("sw1.pop50", "armed"), Event("h1.pop50", "applied"), Event("h3.pop50", "confirm asked"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """The lab of them all."""
    with bed(tmp_path_factory.mktemp("faults"), pops=6, hosts=rollout.HOSTS) as lab:
        yield lab


@pytest.fixture(scope="module")
def endings(made: Bed) -> dict[str, Ending]:
    """What became of every quick row."""
    return {ending.fault: ending for ending in play_all(made, QUICK, (SEED,), canaries=50)}


@pytest.fixture(scope="module")
def roll_outs(made: Bed) -> RollOuts:
    """Roll-outs over five devices."""
    return RollOuts(made)


@pytest.mark.parametrize("fault", QUICK, ids=lambda fault: fault.name)
def test_fault_is_survived(endings: dict[str, Ending], fault: Fault) -> None:
    """The fault has happened; the device ended whole on the confirmed or the last good state, and no success was invented."""
    ending = endings[fault.name]
    assert not ending.unsafe, ending
    assert ending.state in ("last good", "confirmed"), ending


def test_secrets_are_kept(endings: dict[str, Ending]) -> None:
    """Fifty canaries in five deploys, one of them with a syntax error beside the password, are nowhere to be read."""
    ending = endings[secrets.NAME]
    assert not ending.unsafe, ending


@pytest.mark.parametrize("event", DEATHS, ids=str)
def test_roll_out_survives_its_controller(roll_outs: RollOuts, event: Event) -> None:
    """Killed at a step of a roll-out: each device is wholly old or wholly new, and the same command makes all of them new."""
    ending = roll_outs.play(roll_outs.kill(event), SEED)
    assert not ending.unsafe, ending
    assert ending.told == rollout.AT, ending


def test_strings_stay_text() -> None:
    """A thousand hostile strings as descriptions, reasons, messages, passwords and aliases are text, or refused."""
    ending = strings.play_strings(SEED, each=1000)
    assert not ending.unsafe, ending
