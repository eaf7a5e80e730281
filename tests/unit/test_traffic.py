"""Traffic of circuits and providers from two readings of counters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netorch.model.facts import DaemonFacts, DeviceFacts, Link
from netorch.model.inventory import Circuit
from netorch.plan.traffic import RESET, UNREAD, Counters, circuit_traffic, provider_traffic
from netorch.testing import small_inventory

SECONDS = 4.0
PORT = "swp1"


def circuit(number: int, provider: str = "northtel", *, vlan: int | None = None, port: str = PORT) -> Circuit:
    model = small_inventory().circuits[0]
    name = f"circuit{number}"
    return replace(
        model, id=number, name=name, provider=provider, switch="sw1.pop1", port=port, vlan=vlan, capacity_bps=8000
    )


def link(name: str, received: int, sent: int, *, vlan: int | None = None) -> Link:
    """An interface whose packets have 10 bytes each; a VLAN is one of ``PORT``."""
    packets = (received // 10, sent // 10)
    return Link(
        name, None, True, True, "", received, sent, *packets, vlan=vlan, vlan_on=PORT if vlan is not None else ""
    )


def facts(*links: Link, at_s: float = 100.0) -> dict[str, DeviceFacts]:
    daemon = DaemonFacts("bird", "2.0.12", True, None, None)
    return {"sw1.pop1": DeviceFacts("sw1.pop1", "", "", 1, daemon, links=links, links_at_s=at_s)}


def later(*links: Link) -> dict[str, DeviceFacts]:
    return facts(*links, at_s=100.0 + SECONDS)


def test_rates_are_of_the_devices_own_time() -> None:
    """Bytes of both directions become bits per second, over the time between the device's readings."""
    (found,) = circuit_traffic([circuit(1)], facts(link(PORT, 1000, 5000)), later(link(PORT, 3000, 6000)))
    assert found.rates is not None
    assert (found.rates.interval_s, found.rates.in_bps, found.rates.out_bps) == (SECONDS, 4000.0, 2000.0)
    assert (found.rates.in_packets_per_s, found.rates.out_packets_per_s) == (50.0, 25.0)
    assert (found.counters, found.problem) == (Counters(3000, 6000, 300, 600), "")


@pytest.mark.parametrize(
    "then", [facts(link(PORT, 1000, 5000), at_s=500.0), facts(link(PORT, 4000, 5000)), facts(link(PORT, 1000, 7000))]
)
def test_counters_that_began_anew_give_no_rate(then: dict[str, DeviceFacts]) -> None:
    """A restart of the switch, or of the port in either direction, is told; the counters of now stay."""
    (found,) = circuit_traffic([circuit(1)], then, later(link(PORT, 3000, 6000)))
    assert (found.rates, found.problem, found.interface) == (None, RESET, PORT)
    assert found.counters == Counters(3000, 6000, 300, 600)


def test_interface_that_is_new_gives_no_rate() -> None:
    """What it counted before the first reading cannot be told from what it counted since."""
    (found,) = circuit_traffic([circuit(1)], facts(link("swp2", 0, 0)), later(link(PORT, 3000, 6000)))
    assert (found.rates, found.problem) == (None, RESET)


def test_vlans_of_a_port_are_told_apart() -> None:
    """Each VLAN has its own interface's counters, whatever that is called, and the untagged circuit what is left of the port."""
    circuits = [circuit(1), circuit(2, vlan=100), circuit(3, vlan=200)]
    before = facts(link(PORT, 0, 0), link("swp1.100", 0, 0, vlan=100), link("peering", 0, 0, vlan=200))
    after = later(link(PORT, 9000, 900), link("swp1.100", 3000, 300, vlan=100), link("peering", 2000, 100, vlan=200))
    found = circuit_traffic(circuits, before, after)
    assert [one.interface for one in found] == [PORT, "swp1.100", "peering"]
    assert [one.rates and (one.rates.in_bps, one.rates.out_bps) for one in found] == [
        (8000.0, 1000.0),
        (6000.0, 600.0),
        (4000.0, 200.0),
    ]
    assert all(one.shared_with == () for one in found)


def test_interface_named_after_its_vlan_counts_it() -> None:
    """PORT.VLAN is taken although the kernel does not call it a VLAN, and nothing is taken off the port for it."""
    circuits = [circuit(1), circuit(2, vlan=100)]
    after = later(link(PORT, 4000, 0), link("swp1.100", 1000, 0))
    found = circuit_traffic(circuits, facts(link(PORT, 0, 0), link("swp1.100", 0, 0)), after)
    assert [one.rates and one.rates.in_bps for one in found] == [8000.0, 2000.0]


def test_circuits_without_an_interface_of_their_own_are_counted_together() -> None:
    """Each says with whom; their providers get no sum, as it would be the other's too."""
    circuits = [circuit(1, vlan=100), circuit(2, "southnet", vlan=200)]
    found = circuit_traffic(circuits, facts(link(PORT, 0, 0)), later(link(PORT, 4000, 0)))
    assert [(one.shared_with, one.rates and one.rates.in_bps) for one in found] == [
        (("circuit2",), 8000.0),
        (("circuit1",), 8000.0),
    ]
    assert [one.problem for one in provider_traffic(found)] == [
        "circuit1 is counted together with circuit2",
        "circuit2 is counted together with circuit1",
    ]


def test_provider_has_the_sum_of_its_circuits() -> None:
    """Two ports are added, two circuits behind one counter are counted once; capacities are added."""
    circuits = [circuit(1, vlan=100), circuit(2, vlan=200), circuit(3, port="swp2")]
    before = facts(link(PORT, 0, 0), link("swp2", 0, 0))
    (found,) = provider_traffic(circuit_traffic(circuits, before, later(link(PORT, 4000, 0), link("swp2", 1000, 500))))
    assert found.rates is not None
    assert (found.rates.in_bps, found.rates.out_bps, found.capacity_bps) == (10000.0, 1000.0, 24000)
    assert found.counters == Counters(5000, 500, 500, 50)


def test_sum_without_one_of_its_parts_is_none() -> None:
    """Where one circuit's counters were reset the provider has no rate, and says which."""
    circuits = [circuit(1), circuit(2, port="swp2")]
    before = facts(link(PORT, 9000, 0), link("swp2", 0, 0))
    (found,) = provider_traffic(circuit_traffic(circuits, before, later(link(PORT, 4000, 0), link("swp2", 1000, 0))))
    assert (found.rates, found.problem) == (None, f"circuit1: {RESET}")


def test_switch_that_does_not_answer_has_no_figures() -> None:
    """Not at all, or not the second time: both are told."""
    reading = facts(link(PORT, 0, 0))
    assert [one.problem for one in circuit_traffic([circuit(1)], {}, {})] == [UNREAD]
    assert [one.problem for one in circuit_traffic([circuit(1)], reading, {})] == [UNREAD]
    (found,) = circuit_traffic([circuit(1)], {}, reading)
    assert (found.counters, found.rates, found.problem) == (Counters(0, 0, 0, 0), None, UNREAD)


def test_port_that_is_not_there_is_told() -> None:
    """The inventory names a port that the switch does not have."""
    (found,) = circuit_traffic([circuit(1)], facts(), later())
    assert (found.interface, found.problem) == ("", "sw1.pop1 has no interface swp1")
