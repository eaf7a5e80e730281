"""Validators that die, hang, lose or change their lists, with BIRD and FRR 8.4.4 and 10.3: nothing lost, nothing let in, told."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from netorch.lab import restart_node
from netorch.model.lab import Roa
from tests.lab.rpki_lab import (
    ENTRIES,
    FIRST,
    INVALID,
    OTHER_ASN,
    SECOND,
    SENT,
    TIMEOUT_S,
    UNLISTED,
    VALID,
    VALIDATORS,
    Bed,
    inventory_files,
    listed,
    rpki_lab,
)
from tests.lab.three_daemons import FRR_SWITCHES, SWITCHES
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

BIRD_SWITCH = SWITCHES[0]
ACCEPTED = (SENT - 1, SENT - 1)
"""Of each family: one is invalid."""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """The POP, deployed."""
    with rpki_lab(tmp_path_factory.mktemp("validators"), inventory_files(), name="validators") as bed:
        yield bed


@pytest.fixture
def bed(up: Bed) -> Bed:
    """The same, with validators that run and list what they did at first."""
    up.mend()
    up.until(lambda switch: up.counts(switch) == ACCEPTED, what="all that is to be accepted is")
    return up


def test_changed_list_is_followed_without_a_reset(bed: Bed) -> None:
    """What was valid is invalid and the other way round: BIRD's routes follow by themselves, FRR's with the next run."""
    before = {switch: bed.beginnings(switch) for switch in SWITCHES}
    for name in VALIDATORS:
        bed.list(name, _swapped())
    bed.until(lambda switch: _has_swapped(bed, switch), what="the list is there", switches=FRR_SWITCHES)
    bed.quick.project("run", "pop1")
    bed.until(
        lambda switch: bed.accepted(switch, INVALID[0]) and not bed.accepted(switch, VALID[0]), what="routes follow it"
    )
    assert all(bed.accepted(switch, UNLISTED[0]) for switch in SWITCHES)
    assert {switch: bed.beginnings(switch) for switch in SWITCHES} == before


def _swapped() -> list[Roa]:
    found = [replace(one, asn=OTHER_ASN) if str(one.prefix) == VALID[0] else one for one in listed()]
    return [replace(one, asn=INVALID[1]) if str(one.prefix) == INVALID[0] else one for one in found]


def _has_swapped(bed: Bed, switch: str) -> bool:
    """Whether an FRR has the whole of the other list."""
    said = bed.quick.lab.run(switch, "vtysh", "-c", "show rpki prefix-table")
    listed_now = {(words[0], words[-1]) for words in map(str.split, said.splitlines()) if len(words) == 5}
    wanted = {(VALID[0].partition("/")[0], str(OTHER_ASN)), (INVALID[0].partition("/")[0], str(INVALID[1]))}
    return wanted <= listed_now and bed.entries(switch) == ENTRIES[0]


def test_killed_validators_leave_the_last_answer(bed: Bed) -> None:
    """Nothing is lost and nothing let in; status, check and run say which does not answer; they recover by themselves."""
    bed.run_validators(running=False)
    bed.until(lambda switch: set(bed.states(switch).values()) <= {"down", "empty"}, what="they are down")
    for switch in SWITCHES:
        assert not bed.accepted(switch, INVALID[0])
        assert bed.counts(switch) == ACCEPTED
    code, line = bed.check()
    assert code == 1
    answer = r"does not answer \([\w-]+\); its last answer stays, good for"  # BIRD tries again each second
    assert re.search(f"{BIRD_SWITCH}: validator {FIRST}: {answer}", line), line
    run = bed.quick.project("run", "pop1", "--metrics", "netorch.prom", code=0)
    for switch in FRR_SWITCHES:
        assert f"warning: {switch}: validator {FIRST}: does not answer" in run.err
    metrics = (bed.quick.project.folder / "netorch.prom").read_text()
    assert f'netorch_validator_up{{device="{BIRD_SWITCH}",validator="{FIRST}"}} 0.0' in metrics
    assert f'netorch_validator_entries{{device="{BIRD_SWITCH}",family="ipv4",validator="{FIRST}"}} 11.0' in metrics
    bed.run_validators(running=True)
    bed.until(lambda switch: bed.states(switch)[FIRST] == "up", what="the first one is asked again")


def test_hung_validators_leave_the_last_answer(bed: Bed) -> None:
    """One that takes questions and gives no answer lets nothing in; BIRD tells that it has no answer of late."""
    for name in VALIDATORS:
        bed.signal(name, signal.SIGSTOP)
    try:
        wait_until(
            lambda: all((row["age_s"] or 0) >= 3 for row in bed.validators(BIRD_SWITCH).values()),
            timeout_s=TIMEOUT_S,
            what="answers are older than their refresh",
        )
        for switch in SWITCHES:
            assert not bed.accepted(switch, INVALID[0])
            assert bed.counts(switch) == ACCEPTED
    finally:
        for name in VALIDATORS:
            bed.signal(name, signal.SIGCONT)


def test_empty_list_of_one_of_two_lets_nothing_in(bed: Bed) -> None:
    """BIRD counts what any validator lists; FRR goes over to the other one. The one that lists nothing is told of."""
    bed.list(FIRST, [])
    wait_until(
        lambda: bed.validators(BIRD_SWITCH)[FIRST]["ipv4_entries"] == 0,
        timeout_s=TIMEOUT_S,
        what="BIRD has the empty list",
    )
    problems = [row["problem"] for row in bed.validators(BIRD_SWITCH).values()]
    assert problems == ["lists 0 entries, and had 12 within a day", None]
    other = {FIRST: "empty", SECOND: "up"}
    bed.until(lambda switch: bed.states(switch) == other, what="the other one is asked", switches=FRR_SWITCHES)
    for switch in FRR_SWITCHES:
        assert bed.entries(switch) == ENTRIES[0]
        assert bed.validators(switch)[FIRST]["problem"].startswith("does not answer (sends no list)")
    for switch in SWITCHES:
        assert not bed.accepted(switch, INVALID[0])
        assert bed.accepted(switch, VALID[0])
    code, line = bed.check()
    assert (code, "no validator has a list" in line) == (1, False), line
    assert bed.quick.project("plan", *FRR_SWITCHES, "--detailed-exitcode").code == 0


def test_empty_lists_of_all_are_critical_and_lose_nothing(bed: Bed) -> None:
    """Nothing counts as invalid then, which every switch says; FRR goes on refusing what it has refused."""
    for name in VALIDATORS:
        bed.list(name, [])
    bed.until(lambda switch: bed.entries(switch) == 0, what="no entry is left")
    code, line = bed.check()
    assert code == 2
    for switch in SWITCHES:
        assert f"{switch}: no validator has a list: nothing counts as invalid, whoever announces it" in line
        assert bed.accepted(switch, VALID[0])
    wait_until(lambda: bed.accepted(BIRD_SWITCH, INVALID[0]), timeout_s=TIMEOUT_S, what="BIRD accepts it")
    assert not any(bed.accepted(switch, INVALID[0]) for switch in FRR_SWITCHES)


def test_validator_that_restarts_with_a_smaller_list_is_told(bed: Bed) -> None:
    """A new process with a third of the entries: a new RTR session, put to work, and told."""
    bed.run_validators(running=False, names=(FIRST,))
    bed.list(FIRST, listed()[:4])
    bed.run_validators(running=True, names=(FIRST,))
    said = "lists 4 entries, and had 12 within a day"
    bed.until(lambda switch: bed.validators(switch)[FIRST]["problem"] == said, what="the smaller list is told of")
    assert not any(bed.accepted(switch, INVALID[0]) for switch in SWITCHES)


def test_switches_that_boot_without_any_validator_keep_routes(bed: Bed) -> None:
    """Nothing is lost: all origins pass, which is told as critical; once a validator answers, the invalid one goes."""
    bed.run_validators(running=False)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda switch: restart_node(switch, bed.quick.lab.settings), SWITCHES))
    bed.until(
        lambda switch: bed.accepted(switch, VALID[0]) and bed.accepted(switch, INVALID[0]), what="routes are there"
    )
    for switch in SWITCHES:
        assert set(bed.states(switch).values()) == {"empty"}
    code, line = bed.check()
    assert code == 2
    assert all(f"{switch}: no validator has a list" in line for switch in SWITCHES)
    bed.run_validators(running=True)
    bed.until(
        lambda switch: bed.states(switch)[FIRST] == "up" and not bed.accepted(switch, INVALID[0]),
        what="what is invalid is refused",
    )
    assert all(bed.accepted(switch, VALID[0]) for switch in SWITCHES)
