"""``netorch ping`` tells of each provider what goes through that provider, also while one of them is drained."""

from __future__ import annotations

import pytest

from netorch.model.types import Family
from tests.lab.deployed_pop import behind_all, kernel_routes, mark
from tests.lab.drained_pop import quick_drains
from tests.lab.quick_lab import QuickLab, only_pop2, quick_lab
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

POP, HOST, DRAINED, KEPT = "pop2", "h1.pop2", "northtel", "meadow"
Rows = dict[str, tuple[str, int, int]]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, Family], Rows]:
    """The state, what was sent and received by provider: before a drain, during it, and after the undrain."""
    rows = {}
    with quick_lab(tmp_path_factory.mktemp("ping"), quick_drains(only_pop2()), name="ping") as quick:
        quick.deploy(POP)
        wait_until(
            lambda: all(_has_routes(quick, provider) for provider in (DRAINED, KEPT)),
            timeout_s=30,
            what="routes of both",
        )
        rows.update({("before", family): _ping(quick, family) for family in Family})
        quick.project("drain", DRAINED, "--pop", POP, "--wait", "1s")
        wait_until(lambda: not _has_routes(quick, DRAINED), timeout_s=20, what="no route through the drained provider")
        rows.update({("drained", family): _ping(quick, family) for family in Family})
        quick.project("undrain", DRAINED, "--pop", POP)
        wait_until(lambda: _has_routes(quick, DRAINED), timeout_s=30, what="the drained provider's routes are back")
        rows.update({("after", family): _ping(quick, family) for family in Family})
    return rows


@pytest.mark.parametrize("family", list(Family), ids=lambda family: family.value)
def test_drained_provider_is_not_answered_for_by_another(told: dict[tuple[str, Family], Rows], family: Family) -> None:
    """Of a drained provider it is told that it is, and nothing else, although marked packets would get through; the other has
    its own."""
    assert told["drained", family] == {DRAINED: ("drained", 0, 0), KEPT: ("ok", 2, 2)}


@pytest.mark.parametrize("family", list(Family), ids=lambda family: family.value)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_every_provider_is_answered_for(told: dict[tuple[str, Family], Rows], moment: str, family: Family) -> None:
    """Before the drain and after the undrain each provider has times."""
    assert told[moment, family] == {DRAINED: ("ok", 2, 2), KEPT: ("ok", 2, 2)}


def _ping(quick: QuickLab, family: Family) -> Rows:
    """The lines of ``netorch ping`` from one host to an address that every provider announces."""
    destination = behind_all(quick.lab.inventory, family)
    said = quick.project("ping", destination, "--pop", POP, "--from", HOST, "--count", "2", "-o", "json", code=None)
    return {row["provider"]: (row["state"], row["sent"], row["received"]) for row in said.document}


def _has_routes(quick: QuickLab, provider: str) -> bool:
    tables = (kernel_routes(quick.lab, HOST, family, mark(quick.lab.inventory, provider)) for family in Family)
    return all(tables)
