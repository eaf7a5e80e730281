"""RIP and OSPF between routers with different daemons, deployed by netorch: that they understand each other is the proof."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from netorch.lab import set_link
from tests.lab import forged_rip
from tests.lab.labs import ROOT
from tests.lab.quick_lab import QuickLab, quick_lab
from tests.unit.inventory_texts import edited, texts
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

SITE = "pops/site1.yml"
TABLES = {
    "r1.site1": (("vtysh", "-c", "show ip rip"), ("vtysh", "-c", "show ipv6 ripng")),
    "r2.site1": (("birdc", "show", "route"),),
}
"""The commands that show what a router's daemon was told of."""
RIGHT = {4: "172.16.20.10", 6: "fd00:20::10"}


def mixed(protocol: str, *, frr: str, bird: str) -> dict[str, str]:
    """The example of two routers with both families; r2 runs BIRD, and both speak ``protocol``."""
    example = texts(ROOT / "inventory/examples/two-routers-rip")
    files = edited(example, "network.yml", ("version: 8.4.4", f"version: '{frr}'"))
    site = files[SITE].replace("protocol: rip", f"protocol: {protocol}")
    r2 = "ssh: {address: 198.18.3.2}\n"
    (site,) = edited({SITE: site}, SITE, (r2, f"{r2}    daemon: bird\n    version: '{bird}'\n")).values()
    for ipv4, ipv6 in (
        ("172.16.0.1/30", "fd00::1/64"),
        ("172.16.0.2/30", "fd00::2/64"),
        ("172.16.10.1/24", "fd00:10::1/64"),
        ("172.16.20.1/24", "fd00:20::1/64"),
    ):
        (site,) = edited({SITE: site}, SITE, (f"ipv4: {ipv4}", f"ipv4: {ipv4}, ipv6: {ipv6}")).values()
    lab = files["lab.yml"]
    for ipv4, ipv6 in (("172.16.10.10/24", "fd00:10::10/64"), ("172.16.20.10/24", "fd00:20::10/64")):
        (lab,) = edited({"lab.yml": lab}, "lab.yml", (f"ipv4: {ipv4}", f"ipv4: {ipv4}, ipv6: {ipv6}")).values()
    return {**files, SITE: site, "lab.yml": lab}


RIP = ("rip", "10.3", "2.17")


@pytest.fixture(scope="module", params=[RIP, ("ospf", "8.4.4", "2.0.12"), ("ospf", "10.3", "3.1")], ids="-".join)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    """FRR and BIRD side by side, deployed; the stations reach each other."""
    protocol, frr, bird = request.param
    with quick_lab(tmp_path_factory.mktemp(protocol), mixed(protocol, frr=frr, bird=bird), name=protocol) as up:
        assert not any(up.lab.ping("left", address) for address in RIGHT.values())
        up.project("deploy", "site1", "--yes")
        for version, address in RIGHT.items():
            wait_until(
                lambda address=address: up.lab.ping("left", address),  # type: ignore[misc]
                what=f"{protocol} speaks of IPv{version}",
                timeout_s=60,
            )
        yield up


def routes(pair: QuickLab, router: str) -> list[str]:
    """What the kernel of a router has of its daemon."""
    return [
        line
        for version in ("-4", "-6")
        for line in pair.lab.run(router, "ip", version, "route", "show").splitlines()
        if any(f"proto {name}" in line for name in ("rip", "ospf", "bird"))
    ]


def test_each_learns_the_networks_of_the_other(pair: QuickLab) -> None:
    """Both kernels have the LAN behind the other router in both families, and nothing that is at hand anyway."""
    assert [line.split()[0] for line in routes(pair, "r1.site1")] == ["172.16.20.0/24", "fd00:20::/64"]
    assert [line.split()[0] for line in routes(pair, "r2.site1")] == ["172.16.10.0/24", "fd00:10::/64"]


def test_nothing_is_pending(pair: QuickLab) -> None:
    """A second deploy would apply nothing to either daemon."""
    pair.project("plan", "site1", "--detailed-exitcode")


def test_status_tells_of_both_neighbours(pair: QuickLab) -> None:
    """netorch sees the adjacency from both ends, in both families, in the same words for either daemon."""
    document = pair.project("status", "site1", "-o", "json").document
    protocol = pair.lab.inventory.pop("site1").routers[0].underlay.protocol
    found = {
        (device["device"], session["name"], session["peer"]): (session["state"], session["expected"])
        for device in document["devices"]
        for session in device["sessions"]
    }
    both = {("r1.site1", "r2.site1"), ("r2.site1", "r1.site1")}
    assert found == {(here, f"{protocol}_v{f}:eth0", there): ("up", "up") for here, there in both for f in (4, 6)}


def test_routes_go_with_the_line(pair: QuickLab) -> None:
    """Both withdraw what they learned when the line between them breaks."""
    set_link("r1.site1", "eth0", pair.lab.settings, connected=False)
    for router in ("r1.site1", "r2.site1"):
        wait_until(lambda router=router: not routes(pair, router), what=f"{router} has no routes left")  # type: ignore[misc]


def link_local(pair: QuickLab, station: str) -> str:
    """The address that a station speaks RIPng from."""
    (found,) = json.loads(pair.lab.run(station, "ip", "-j", "-6", "address", "show", "dev", "eth0", "scope", "link"))
    return str(next(one["local"] for one in found["addr_info"] if one))


def datagrams(pair: QuickLab, router: str) -> list[int]:
    """How many a router's programs have read so far, with those that came for no program: of IPv4, of IPv6."""
    found = json.loads(pair.lab.run(router, "nstat", "-asjz"))["kernel"]
    return [found[f"{udp}InDatagrams"] + found[f"{udp}NoPorts"] for udp in ("Udp", "Udp6")]


@pytest.mark.parametrize("pair", [RIP], indirect=True, ids="-".join)
@pytest.mark.parametrize(
    ("router", "station", "lan", "others"),
    [
        ("r1.site1", "left", ("172.16.10.1", "fd00:10::1"), ("172.16.20.0/24", "fd00:20::/64")),
        ("r2.site1", "right", ("172.16.20.1", "fd00:20::1"), ("172.16.10.0/24", "fd00:10::/64")),
    ],
    ids=["frr", "bird"],
)
def test_a_station_is_not_believed(
    pair: QuickLab, router: str, station: str, lan: tuple[str, str], others: tuple[str, str]
) -> None:
    """What a station says in RIP is nothing to its router in either family, even where nobody else speaks of that network."""
    lab = pair.lab
    set_link("r1.site1", "eth0", lab.settings, connected=False)
    wait_until(lambda: not routes(pair, router), what=f"{router} has no routes left")
    before = datagrams(pair, router)
    sources = (lan[0].rsplit(".", 1)[0] + ".10", link_local(pair, station))
    program = Path(forged_rip.__file__).read_text()  # a node need not see the folder that it is in
    for source, address, network in zip(sources, lan, others, strict=True):
        lab.run(station, "python3", "-c", program, "eth0", source, address, network)
    enough = [count + forged_rip.COUNT // 2 for count in before]  # ripngd's buffer may not hold a burst of all of them
    wait_until(
        lambda: all(now >= wanted for now, wanted in zip(datagrams(pair, router), enough, strict=True)),
        what=f"{router} has got it",
    )
    for command in TABLES[router]:
        assert not any(source in lab.run(router, *command) for source in sources), command
    assert routes(pair, router) == []
