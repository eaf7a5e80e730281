"""POPs that are drained under traffic: what they hold before and after, and the streams that tell of every packet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from netorch.lab import INTERNET_NODE, expected_prefixes
from netorch.lab.topology import core_link
from netorch.model.inventory import Host, Inventory, Switch
from netorch.model.types import Family
from tests.lab.deployed_pop import (
    PROVIDERS,
    SERVICE_PREFIX,
    Hops,
    expected_main_table,
    int_of,
    kernel_routes,
    mark,
    neighbors,
    service,
)
from tests.lab.labs import Lab
from tests.lab.numbered_streams import NumberedStreams, Way
from tests.lab.operator_shell import Said
from tests.unit.inventory_texts import edited

SHARED = {Family.IPV4: "192.0.2.200", Family.IPV6: "2001:db8:1::200"}
"""Addresses inside of the service prefixes, of no host alone."""

LEAST_RATE = 900.0
"""What is left of 1,000 packets a second where the machine is so busy that the sender is late at its end."""


@dataclass
class Moment:
    """What a network holds at one time: configurations by device; kernel tables by host, family and table; through which
    provider the Internet sends to the first POP."""

    configurations: dict[str, str] = field(default_factory=dict)
    tables: dict[tuple[str, Family, str], Hops] = field(default_factory=dict)
    ways_in: dict[Family, str] = field(default_factory=dict)


def moment(lab: Lab, *, proto: str = "") -> Moment:
    """The network as it is now; of the tables only what ``proto`` installed, where it is given."""
    inventory = lab.inventory
    hosts = [device.name for device in inventory.devices if isinstance(device, Host)]
    tables = ["main", *(mark(inventory, provider.name) for provider in inventory.providers)]
    return Moment(
        {d.name: configuration(lab, d) for d in inventory.devices if isinstance(d, (Switch, Host))},
        {
            (host, family, table): kernel_routes(lab, host, family, table, proto=proto)
            for host in hosts
            for family in Family
            for table in tables
        },
        {family: way_in(lab, family) for family in Family},
    )


def configuration(lab: Lab, device: Switch | Host) -> str:
    """The daemon's configuration on the device's disk; of FRR, which tells it, also what it runs."""
    path = {"bird": "/etc/bird/bird.conf", "frr": "/etc/frr/frr.conf"}[device.daemon]
    text = lab.run(device.name, "cat", path)
    return text if device.daemon == "bird" else text + lab.run(device.name, "vtysh", "-c", "show running-config")


def way_in(lab: Lab, family: Family) -> str:
    """The provider through which the Internet sends to the first POP's prefix; "" while there is none."""
    found = kernel_routes(lab, INTERNET_NODE, family, "main")
    hops = next((hops for prefix, hops in found.items() if str(prefix) == SERVICE_PREFIX[family]), frozenset())
    gateways = {str(core_link(provider, family)[1]): provider.name for provider in lab.inventory.providers}
    return "".join(sorted(gateways[hop] for hop in hops))


def through(now: Moment, provider: str, inventory: Inventory) -> list[str]:
    """Main-table routes of any host whose next hops include one of the provider's."""
    return [
        f"{host} {prefix}"
        for (host, family, table), hops_of in now.tables.items()
        if table == "main"
        for prefix, hops in hops_of.items()
        if hops & neighbors(inventory, provider, family)
    ]


def moving_destination(inventory: Inventory, family: Family, provider: str) -> str:
    """An address that the main table reaches by ``provider`` alone, and all others announce as well; where there is none, one
    that another announces."""
    own, *others = (expected_prefixes(inventory, p, family)[0] for p in sorted(PROVIDERS, key=provider.__ne__))
    main = expected_main_table(inventory, family)
    hops = neighbors(inventory, provider, family)
    alone = {prefix for prefix in own if main[prefix] == hops}
    elsewhere = alone.intersection(*others) or alone.intersection(frozenset.union(*others))
    return str(min(elsewhere, key=int_of).network_address + 7)


def quick_files(files: dict[str, str]) -> dict[str, str]:
    """``files`` with providers of one rank, so that the length of paths decides, and drains that need not wait for long."""
    return quick_drains(edited(files, "providers.yml", ("relation: peer", "relation: transit")))


def quick_drains(files: dict[str, str]) -> dict[str, str]:
    """``files`` with drains that need not measure and wait for long."""
    settings = "  - name: drain\n    settings: {quiet_s: 2, measure_s: 1}\n"
    return edited(files, "network.yml", ("  - drain\n", settings))


def share_addresses(lab: Lab, hosts: Iterable[str]) -> None:
    """Give every host the addresses that are of none alone."""
    for host in hosts:
        lab.run(host, "ip", "address", "add", f"{SHARED[Family.IPV4]}/32", "dev", "lo")
        lab.run(host, "ip", "address", "add", f"{SHARED[Family.IPV6]}/128", "dev", "lo", "nodad")


def usual_ways(lab: Lab, hosts: Sequence[str], *, provider: str) -> list[Way]:
    """Out of the first of ``hosts`` by ``provider``, in to what all of them share, and from the second to the third."""
    ways = []
    for family in Family:
        outside = moving_destination(lab.inventory, family, provider)
        own = {host: service(lab.inventory, host, family) for host in hosts}
        ways += [
            Way(f"out {family.value}", hosts[0], own[hosts[0]], (INTERNET_NODE,), outside),
            Way(f"in {family.value}", INTERNET_NODE, outside, tuple(hosts), SHARED[family]),
            Way(f"across {family.value}", hosts[1], own[hosts[1]], (hosts[2],), own[hosts[2]]),
        ]
    return ways


def assert_whole(streams: NumberedStreams) -> None:
    """Every stream had its thousand packets a second, and not one of them is missing."""
    slow = {name: rate for name, rate in streams.rates.items() if rate < LEAST_RATE}
    assert slow == {}, f"packets per second: {slow}"
    assert streams.lost == {}, "\n".join(streams.told_of_lost())


def ports_of(said: Said) -> dict[str, dict[str, object]]:
    """The rows of a drain's last report, by device and interface."""
    return {f"{row['device']} {row['interface']}": row for row in said.document[-1]["rows"]}
