"""Inventory -> plan of a lab, and what a machine must have for it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from netorch.errors import NetorchError
from netorch.lab.plan import plan_from_json
from netorch.lab.requirements import check_requirements
from netorch.lab.topology import plan_lab, switch_interface
from netorch.model.inventory import Circuit, Inventory
from tests.lab.labs import example_inventory, lab_settings


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    return example_inventory(tmp_path)


def with_circuits(inventory: Inventory, change: Callable[[Circuit], Circuit]) -> Inventory:
    """``inventory`` with every circuit of the first POP changed."""
    pop = inventory.pops[0]
    changed = replace(pop, circuits=tuple(change(circuit) for circuit in pop.circuits))
    return replace(inventory, pops=(changed, *inventory.pops[1:]))


def test_plan_survives_its_file(inventory: Inventory) -> None:
    """What lab_down reads is what lab_up wrote."""
    plan = plan_lab(inventory)
    assert plan_from_json(plan.to_json()) == plan


def test_fingerprint_tells_inventories_apart(inventory: Inventory) -> None:
    """The same inventory has one fingerprint; another delay or address has another."""
    first = plan_lab(inventory).fingerprint
    slower = replace(inventory, lab=tuple(replace(speaker, delay_ms=99) for speaker in inventory.lab))
    smaller = replace(inventory, pops=inventory.pops[:1])
    assert plan_lab(inventory).fingerprint == first
    assert len({first, plan_lab(slower).fingerprint, plan_lab(smaller).fingerprint}) == 3


def test_every_interface_has_a_mac_of_its_own(inventory: Inventory) -> None:
    """Addresses are unicast, locally administered and nowhere used twice."""
    macs = [end.mac for cable in plan_lab(inventory).cables for end in (cable.a, cable.b)]
    assert len(set(macs)) == len(macs)
    assert all(int(mac[:2], 16) & 3 == 2 for mac in macs)


def test_interface_names_fit_the_kernel(inventory: Inventory) -> None:
    """Long device names give short interface names on the machine's side."""
    pop = inventory.pops[1]
    host = replace(pop.hosts[0], name="a-host-with-a-long-name.a-pop-with-a-long-name")
    long = replace(inventory, pops=(replace(pop, hosts=(host, *pop.hosts[1:])),))
    names = [end.interface for cable in plan_lab(long).cables for end in (cable.a, cable.b)]
    assert max(len(name) for name in names) <= 15


def test_only_provider_ports_are_isolated(inventory: Inventory) -> None:
    """Each circuit's port, and no host's, is kept from other circuits and from broadcasts."""
    setup = plan_lab(inventory).node("sw2.pop1").setup
    isolated = {line.split()[3] for line in setup if "isolated on bcast_flood off mcast_flood off" in line}
    assert isolated == {"swp1", "swp2"}


def test_circuits_in_vlans_of_one_port_are_laid_apart(inventory: Inventory) -> None:
    """Two circuits on one port, told apart by VLAN, become two ports; a VLAN alone changes nothing."""
    shared = with_circuits(
        inventory,
        lambda circuit: (
            replace(circuit, port="swp1", vlan=100 + circuit.id) if circuit.switch == "sw2.pop1" else circuit
        ),
    )
    names = [switch_interface(shared, circuit) for circuit in shared.pops[0].circuits if circuit.switch == "sw2.pop1"]
    assert names == ["swp1.102", "swp1.103"]
    tagged = with_circuits(inventory, lambda circuit: replace(circuit, vlan=100 + circuit.id))
    assert [switch_interface(tagged, circuit) for circuit in tagged.pops[0].circuits] == [
        "swp1",
        "swp1",
        "swp2",
        "swp2",
    ]


def test_name_of_the_internet_is_taken(inventory: Inventory) -> None:
    """A provider cannot be called like the lab's own node."""
    providers = tuple(replace(p, name="internet") if p.name == "meadow" else p for p in inventory.providers)
    renamed = with_circuits(
        replace(inventory, providers=providers, pops=inventory.pops[:1]),
        lambda circuit: replace(circuit, provider="internet") if circuit.provider == "meadow" else circuit,
    )
    with pytest.raises(NetorchError, match="the lab's Internet and a provider") as caught:
        plan_lab(renamed)
    assert caught.value.where == "internet"


def test_missing_programs_are_named_together(
    inventory: Inventory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything that is not installed is said at once, with the command that installs it."""
    speakers = tuple(replace(speaker, speaker="exabgp") for speaker in inventory.lab)
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = replace(lab_settings(tmp_path), exabgp="/nowhere/exabgp")
    with pytest.raises(NetorchError, match=r"not installed: .*ip, .*nsenter.*/nowhere/exabgp") as caught:
        check_requirements(replace(inventory, lab=speakers), settings)
    assert caught.value.hint == "./dev setup"
