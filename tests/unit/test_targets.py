"""TARGET expressions."""

from __future__ import annotations

from pathlib import Path

import pytest

from netorch.app.inventory import read_inventory
from netorch.app.targets import select_devices
from netorch.errors import UsageError
from netorch.model.inventory import Inventory


@pytest.fixture(scope="module")
def inventory() -> Inventory:
    """The example network."""
    return read_inventory(Path(__file__).parents[2] / "inventory")


@pytest.mark.parametrize(
    ("targets", "limit", "expected"),
    [
        (["pop2"], [], "sw1.pop2 h1.pop2 h2.pop2"),
        (["h2.pop1", "sw1.pop1"], [], "sw1.pop1 h2.pop1"),
        (["role:switch"], [], "sw1.pop1 sw2.pop1 sw1.pop2"),
        (["provider:southnet"], [], "sw2.pop1"),
        (["h1.*"], [], "h1.pop1 h1.pop2"),
        (["pop1", "!role:host"], [], "sw1.pop1 sw2.pop1"),
        (["pop1", "!h?.pop1", "!sw2.pop1"], [], "sw1.pop1"),
        (["pop1"], ["role:host"], "h1.pop1 h2.pop1 h3.pop1"),
        ([], ["pop:pop2"], "sw1.pop2 h1.pop2 h2.pop2"),
        (["daemon:bird"], ["!pop1", "pop2"], "sw1.pop2 h1.pop2 h2.pop2"),
    ],
)
def test_targets_mean_devices(inventory: Inventory, targets: list[str], limit: list[str], expected: str) -> None:
    """Unions, what is taken away, and the limit, always in the inventory's order."""
    assert " ".join(select_devices(inventory, targets, limit=limit)) == expected


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (["pop11"], "did you mean 'pop1'"),
        (["sw1"], "sw1.pop1"),
        (["!pop1"], "only targets to leave out"),
        (["rack:5"], "groups are role:"),
        (["role:server"], "groups are role:"),
        (["role:router"], "means no device"),
        (["pop1", "!nothing"], "'nothing' means no device"),
    ],
)
def test_a_target_without_meaning_is_a_usage_error(inventory: Inventory, targets: list[str], message: str) -> None:
    """The error, or its hint, tells how to say it."""
    with pytest.raises(UsageError) as caught:
        select_devices(inventory, targets)
    assert message in f"{caught.value} {caught.value.hint}"
    assert caught.value.exit_code == 64
