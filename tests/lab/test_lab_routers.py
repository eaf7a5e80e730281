"""Routers and stations in the plan of a lab."""

from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path

import pytest

from netorch.errors import NetorchError
from netorch.lab.plan import Cable, LabPlan, plan_from_json
from netorch.lab.topology import plan_lab
from netorch.model.inventory import Interface, Inventory, Link, Pop, Router, Ssh, Underlay
from netorch.model.lab import LabStation
from tests.lab.labs import example_inventory


def router(number: int, *interfaces: Interface) -> Router:
    """The router r1 or r2 of the POP site1."""
    return Router(
        name=f"r{number}.site1",
        pop="site1",
        ssh=Ssh(f"198.18.3.{number}"),
        router_id=f"192.0.2.{number}",
        daemon="frr",
        version="8.4.4",
        interfaces=interfaces,
        underlay=Underlay("rip"),
    )


def station(name: str, number: int, host: int) -> LabStation:
    """A station at the LAN of r1 or r2."""
    return LabStation(
        name,
        f"r{number}.site1",
        "lan0",
        IPv4Interface(f"172.16.{number}.{host}/24"),
        IPv6Interface(f"fd00:{number}::{host}/64"),
    )


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """Two routers without an address on the link between them, and a LAN at each."""
    routers = tuple(
        router(
            number,
            Interface("up1", link=Link(f"r{3 - number}.site1", "up1")),
            Interface("lan0", IPv4Interface(f"172.16.{number}.1/24"), IPv6Interface(f"fd00:{number}::1/64")),
        )
        for number in (1, 2)
    )
    site = Pop("site1", "", switches=(), hosts=(), circuits=(), prefixes=(), routers=routers)
    stations = (station("a", 1, 10), station("b", 1, 11), station("c", 2, 10))
    return replace(example_inventory(tmp_path), pops=(site,), stations=stations)


def ends(cable: Cable) -> set[tuple[str, str]]:
    """Where a cable is plugged in."""
    return {(end.node, end.interface) for end in (cable.a, cable.b)}


def cables_between(plan: LabPlan, *nodes: str) -> list[set[tuple[str, str]]]:
    """The cables that join these two nodes."""
    return [ends(cable) for cable in plan.cables if {cable.a.node, cable.b.node} == set(nodes)]


def test_network_of_routers_has_no_internet(inventory: Inventory) -> None:
    """Without providers there are routers and stations, and nothing else."""
    plan = plan_lab(inventory)
    kinds = {node.name: node.kind for node in plan.nodes}
    assert kinds == {"r1.site1": "router", "r2.site1": "router", "a": "station", "b": "station", "c": "station"}
    assert plan_from_json(plan.to_json()) == plan


def test_link_is_one_cable(inventory: Inventory) -> None:
    """Both ends name the link, and it is laid once."""
    assert cables_between(plan_lab(inventory), "r1.site1", "r2.site1") == [{("r1.site1", "up1"), ("r2.site1", "up1")}]


def test_stations_of_one_lan_share_a_bridge(inventory: Inventory) -> None:
    """Each station has a cable of its own into the router, where the LAN's interface joins them."""
    plan = plan_lab(inventory)
    assert cables_between(plan, "a", "r1.site1") == [{("a", "eth0"), ("r1.site1", "station.1")}]
    assert cables_between(plan, "b", "r1.site1") == [{("b", "eth0"), ("r1.site1", "station.2")}]
    lines = plan.node("r1.site1").setup
    assert {line.split()[3] for line in lines if "master lan0" in line} == {"station.1", "station.2"}
    assert "addr replace 172.16.1.1/24 dev lan0" in lines


def test_link_without_addresses_is_up(inventory: Inventory) -> None:
    """An unnumbered interface is there with its link-local address, and no other."""
    lines = [line.split() for line in plan_lab(inventory).node("r1.site1").setup if "up1" in line.split()]
    assert lines == [["link", "set", "dev", "up1", "up"]]


def test_router_is_the_gateway_of_its_stations(inventory: Inventory) -> None:
    """A station sends everything to the router's addresses on its LAN."""
    routes = [line for line in plan_lab(inventory).node("c").setup if "route" in line]
    assert routes == [
        "-4 route replace default via 172.16.2.1 dev eth0",
        "-6 route replace default via fd00:2::1 dev eth0",
    ]


def test_daemons_of_the_underlay_wait_for_their_line(inventory: Inventory) -> None:
    """Each of FRR's daemons runs once /etc/frr/daemons says so."""
    services = {service.name: service for service in plan_lab(inventory).node("r1.site1").services}
    for name in ("bgpd", "ospfd", "ospf6d", "ripd", "ripngd", "bfdd"):
        assert services[name].enabled_by == ("/etc/frr/daemons", f"{name}=yes")


def test_station_cannot_be_called_like_a_router(inventory: Inventory) -> None:
    """Names of the lab's nodes are told apart."""
    stations = (replace(inventory.stations[0], name="r1.site1"),)
    with pytest.raises(NetorchError, match="a device and a station") as caught:
        plan_lab(replace(inventory, stations=stations))
    assert caught.value.where == "r1.site1"
