"""Every mistake in tests/errors gives the text beside it. Run as a program, this file writes those texts anew."""

from __future__ import annotations

import pytest

from netorch.errors import InventoryError
from netorch.inventory import format_problems
from tests.unit.inventory_texts import ROOT, edited_by, load, routers, small

ERRORS = ROOT / "tests" / "errors"
CASES = sorted(path.stem for path in ERRORS.glob("*.yml"))


def edited_files(case: str) -> dict[str, str]:
    """The base with the edits of ``case``."""
    return edited_by(routers() if case.startswith("underlay-") else small(), ERRORS / f"{case}.yml")


def complaint(case: str) -> str:
    """What an operator reads about ``case``; "" if nothing is wrong."""
    try:
        load(edited_files(case))
    except InventoryError as error:
        return format_problems(error.problems, "text")
    return ""


def test_base_is_valid() -> None:
    """The inventory that all mistakes start from has none itself."""
    inventory = load(small())
    assert [device.name for device in inventory.devices] == ["sw1.pop1", "sw2.pop1", "h1.pop1"]


def test_base_of_the_underlay_is_valid() -> None:
    """So has the other: a network of routers alone, without providers, own prefixes and switches."""
    inventory = load(routers())
    assert [device.name for device in inventory.devices] == ["r1.site1", "r2.site1", "leaf1.site1", "spine1.site1"]
    assert (inventory.providers, inventory.own_prefixes, inventory.pops[0].switches) == ((), (), ())


@pytest.mark.parametrize("case", CASES)
def test_mistake_is_reported(case: str) -> None:
    """A mistake is refused with the text that lies beside it."""
    expected = (ERRORS / f"{case}.log").read_text()
    assert expected, "an empty .log would accept a mistake that nobody notices"
    assert complaint(case) == expected


def test_every_text_has_its_mistake() -> None:
    """No .log is left over from a mistake that was removed."""
    assert sorted(path.stem for path in ERRORS.glob("*.log")) == CASES


def test_secret_is_never_shown() -> None:
    """A password written into the inventory by mistake is not repeated in the complaint."""
    assert "hunter2" in edited_files("secret-in-the-open")["pops/pop1.yml"]
    assert "hunter2" not in complaint("secret-in-the-open")


if __name__ == "__main__":
    for name in CASES:
        (ERRORS / f"{name}.log").write_text(complaint(name))
