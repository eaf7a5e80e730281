"""Whether what stays in service can carry what a drain sends there: circuit by circuit."""

from __future__ import annotations

import re

import pytest

from netorch.api import GuardRefused
from netorch.intent import derive_intent
from netorch.model.inventory import Inventory
from tests.plugins.drain_network import Traffic, run
from tests.unit.inventory_texts import example, load

NORTHTEL = ("northtel-pop1-a", "10M"), ("northtel-pop1-b", "10M")


def pop1_with(*capacities: tuple[str, str]) -> Inventory:
    """The example, where these circuits of POP1 have another capacity."""
    texts = example()
    head, *circuits = texts["pops/pop1.yml"].split("name: ")
    for name, capacity in capacities:
        circuits = [
            re.sub(r"capacity: \w+", f"capacity: {capacity}", one, count=1) if one.startswith(f"{name}\n") else one
            for one in circuits
        ]
    return load({**texts, "pops/pop1.yml": "name: ".join((head, *circuits))})


def test_another_circuit_of_the_provider_must_take_what_the_drained_one_has() -> None:
    """Nothing else has the same routes: room on other providers' circuits is no help. 8 Mbit/s on each circuit, half each way."""
    inventory = pop1_with(("northtel-pop1-b", "8M"))
    busy = Traffic(intent=derive_intent(inventory))
    with pytest.raises(GuardRefused) as refused:
        run("drain", "circuit", "northtel-pop1-a", traffic=busy, inventory=inventory, intent=derive_intent(inventory))
    assert str(refused.value) == (
        "pop1: draining circuit northtel-pop1-a: what goes in by northtel-pop1-a (4 Mbit/s) goes to northtel-pop1-b by"
        " preference, which has 8 Mbit/s and carries 4 Mbit/s now (limit 90 %)"
    )
    assert "--allow-capacity" in refused.value.hint


def test_packets_leave_by_the_providers_that_are_preferred_next() -> None:
    """What transit northtel takes goes to transit southnet, however much room peer meadow has: it would be there already."""
    inventory = pop1_with(*NORTHTEL, ("southnet-pop1", "12M"), ("meadow-pop1", "40M"))
    intent = derive_intent(inventory)
    with pytest.raises(
        GuardRefused, match=r"what goes out by northtel-pop1-a, northtel-pop1-b \(8 Mbit/s\) goes to southnet-pop1"
    ):
        run("drain", "northtel", pop="pop1", traffic=Traffic(intent=intent), inventory=inventory, intent=intent)


def test_the_worst_case_is_told_where_nobody_can_know() -> None:
    """What a provider sends may come in by any other: by both together there is room, and by one of them alone there is not."""
    inventory = pop1_with(*NORTHTEL, ("southnet-pop1", "16M"), ("meadow-pop1", "12M"))
    intent = derive_intent(inventory)
    done = run("drain", "northtel", pop="pop1", traffic=Traffic(intent=intent), inventory=inventory, intent=intent)
    assert "should all that goes in (8 Mbit/s) come to meadow-pop1 alone, that would be 100 % full" in done.text
    assert done.stages[-1] == "closed"
