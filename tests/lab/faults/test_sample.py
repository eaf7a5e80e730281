"""A sample of the fault matrix, each row once, side by side in one lab of BIRD and FRR; ``./dev faults`` plays all with many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest

from tests.lab.faults import frr_strings, rollout, secrets, strings
from tests.lab.faults.__main__ import play_all
from tests.lab.faults.bed import Bed, bed
from tests.lab.faults.events import Event
from tests.lab.faults.play import Ending, Fault
from tests.lab.faults.rollout import RollOuts
from tests.lab.faults.router import BIRD, FRR
from tests.lab.faults.table import FAULTS
from tests.secret_keeper import SCHEMES

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]  # the first test plays all rows, on a busy machine for minutes

SEED = 3
QUICK = [fault for fault in FAULTS if fault.quick]
# Rows of both daemons are played with one of them each, in turns; what has to be announced is announced by a BIRD.
SAMPLE = [
    replace(fault, daemons=(BIRD.name if number % 2 or fault.announcing else FRR.name,))
    if len(fault.daemons) > 1
    else fault
    for number, fault in enumerate(QUICK)
]
DEATHS = (Event("h1.pop50", "applied"),)
TEXTS = (partial(strings.play_strings, each=500), partial(frr_strings.play_strings, each=100, version=FRR.version))
CANARIES = {FRR.name: len(secrets.WAYS) * len(SCHEMES)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """The lab of them all."""
    with bed(tmp_path_factory.mktemp("faults"), pops=6, hosts=rollout.HOSTS, routers=(BIRD, FRR)) as lab:
        yield lab


@pytest.fixture(scope="module")
def endings(made: Bed) -> list[Ending]:
    """What became of every row."""
    roll_outs = RollOuts(made, DEATHS)
    return play_all(made, SAMPLE, (SEED,), canaries=CANARIES, rehearses=False, texts=TEXTS, roll_outs=roll_outs)


def of(endings: list[Ending], name: str) -> list[Ending]:
    return [ending for ending in endings if ending.fault == name]


@pytest.mark.parametrize("fault", SAMPLE, ids=lambda fault: fault.name)
def test_fault_is_survived(endings: list[Ending], fault: Fault) -> None:
    """The fault has happened; the device ended whole on the confirmed or the last good state, and no success was invented."""
    (ending,) = of(endings, fault.name)
    assert not ending.unsafe, ending
    assert ending.state in ("last good", "confirmed"), ending


def test_secrets_are_kept(endings: list[Ending]) -> None:
    """Canaries by every scheme in deploys with FRR, one with a syntax error beside the password, are nowhere to be read."""
    (ending,) = of(endings, secrets.NAME)
    assert not ending.unsafe, ending


@pytest.mark.parametrize("event", DEATHS, ids=str)
def test_roll_out_survives_its_controller(endings: list[Ending], event: Event) -> None:
    """Killed at a step of a roll-out: each device is wholly old or wholly new, and the same command makes all of them new."""
    (ending,) = (one for one in of(endings, rollout.NAME) if one.events[0].endswith(f", {event}"))
    assert not ending.unsafe, ending
    assert ending.told == rollout.AT, ending


def test_strings_stay_text(endings: list[Ending]) -> None:
    """Hostile strings as descriptions, reasons, messages, passwords and aliases are text in BIRD and in FRR, or refused."""
    found = of(endings, strings.NAME)
    assert len(found) == 2
    assert not [ending for ending in found if ending.unsafe], found
