"""One cell: the example's POPs with one release on switches and one on hosts, and what must hold there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from netorch.model.capabilities import RELEASES
from tests.lab.deployed_pop import HOSTS, SWITCHES
from tests.lab.drained_pop import quick_drains
from tests.lab.matrix.bench import Bench, Cell
from tests.lab.matrix.checks import check_again, check_deploy, check_revert, check_tables, check_ways
from tests.lab.matrix.drain import check_drain
from tests.lab.matrix.peers import check_peers, check_texts, second_pop
from tests.lab.matrix.pop import Release, example_of
from tests.lab.matrix.refusals import check_refusals
from tests.lab.quick_lab import quick_lab

SPEAKERS = """speakers:
  - {provider: northtel, prefixes_ipv4: 12000, prefixes_ipv6: 1200, delay_ms: 0}
  - {provider: southnet, prefixes_ipv4: 12000, prefixes_ipv6: 1200, delay_ms: 0}
  - {provider: meadow, prefixes_ipv4: 10000, prefixes_ipv6: 1000, delay_ms: 0}
"""
"""As many as the example's, without its delay and loss; more of the transits, which share what the peer does not announce."""

FIRST_POP: Mapping[str, Callable[[Bench], None]] = {
    "deploy": check_deploy,
    "tables": check_tables,
    "every way": check_ways,
    "again": check_again,
    "drain": check_drain,
    "revert": check_revert,
    "refusals": check_refusals,
}
SECOND_POP: Mapping[str, Callable[[Bench], None]] = {"peers": check_peers, "texts": check_texts}
CHECKS = (*FIRST_POP, *SECOND_POP)


@dataclass
class Outcome:
    """What became of a cell's checks: for each how long it took, or None where it failed; and why."""

    cell: Cell
    took_s: dict[str, Optional[float]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    problem: str = ""


def cells() -> tuple[Cell, ...]:
    """Every pair of releases that netorch renders for."""
    switches, hosts = (
        [Release(known.daemon, known.release) for known in RELEASES if known.has_templates_for(role)]
        for role in ("switch", "host")
    )
    return tuple(Cell(switch, host) for switch in switches for host in hosts)


def inventory_of(cell: Cell) -> dict[str, str]:
    """The files of the example's first POP with these releases."""
    releases = {name.partition(".")[0]: cell.switch for name in SWITCHES}
    releases.update({name.partition(".")[0]: cell.host for name in HOSTS})
    return quick_drains({**example_of(releases), "lab.yml": SPEAKERS})


def play(cell: Cell, folder: Path) -> Outcome:
    """Boot the cell's POPs, one after the other, and look at each check by check; the first that fails ends it."""
    outcome = Outcome(cell)
    with quick_lab(folder / "first", inventory_of(cell), name="matrix") as quick:
        _look(Bench(quick, cell, folder, outcome.notes), FIRST_POP, outcome)
    if not outcome.problem:
        with second_pop(cell, folder / "second") as quick:
            _look(Bench(quick, cell, folder, outcome.notes), SECOND_POP, outcome)
    return outcome


def _look(bench: Bench, checks: Mapping[str, Callable[[Bench], None]], outcome: Outcome) -> None:
    for name, check in checks.items():
        started = time.monotonic()  # noqa: TID251 - for people
        try:
            check(bench)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this cell's result
            outcome.took_s[name] = None
            outcome.problem = f"{name}: {type(error).__name__}: {error}"
            return
        outcome.took_s[name] = time.monotonic() - started  # noqa: TID251
