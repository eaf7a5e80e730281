"""The mirror's agents and what kernels do: floods, many neighbours, swapped routers, interfaces that go, another agent."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator

import pytest

from netorch.io.netlink.events import EventSocket, NeighbourEvent
from netorch.io.netlink.neighbour_writer import NeighbourWriter
from tests.lab.agent_device import Namespace
from tests.lab.mirror_bed import MAC_A, MAC_B, STATE, V4, V6, Bed, agent_archive, batch, flood, overflow, running_bed
from tests.lab.mirror_routers import Router, set_neighbour_sysctls
from tests.lab.namespaces import inside
from tests.waiting import wait_until

pytestmark = pytest.mark.lab
BURST = 45_000
MANY = 3_000


@pytest.fixture
def bed() -> Iterator[Bed]:
    with running_bed(hosts=1) as made:
        for address in (V4, V6):
            made.learn(MAC_A, address)
        wait_until(lambda: made.host.has(MAC_A, V4) and made.host.has(MAC_A, V6), what="both families are mirrored")
        yield made


def test_burst_of_events_hides_no_change(bed: Bed) -> None:
    """After 45,000 events of other neighbours the change that came last is on the host."""
    flood(bed.switch.space, "br0", BURST)
    bed.learn(MAC_B)
    wait_until(lambda: bed.host.has(MAC_B), what="MAC_B is on the host")
    assert bed.switch.status()["problem"] == ""
    assert bed.is_up()


def test_lost_events_are_made_up_for(bed: Bed) -> None:
    """A feed that was stopped while the kernel's buffer ran over reads everything anew, and tells what it missed."""
    with bed.switch.stopped():
        bed.learn(MAC_B)
        overflow(bed.switch, "br0", BURST)
    wait_until(lambda: bed.host.has(MAC_B), what="MAC_B is on the host")
    wait_until(lambda: bed.switch.status()["counters"]["lost_events"] > 0, what="the loss is counted")
    wait_until(bed.is_up, what="the host follows")


def test_deletion_in_lost_events_is_repaired(bed: Bed) -> None:
    """A host's agent that missed a deletion finds it when it reads everything anew."""
    with bed.host.stopped():
        bed.host.ip(f"neigh del {V4} dev eth0")
        overflow(bed.host, "eth0", BURST)
        assert bed.host.mac(V4) is None
    wait_until(lambda: bed.host.has(MAC_A), what="the entry is back")
    wait_until(lambda: "events were lost" in bed.host.log(), what="the host says that it missed something")


def test_three_thousand_neighbours(bed: Bed) -> None:
    """As many next hops as an exchange point may have: all are mirrored, and a change of one reaches the host."""
    hops = tuple(f"10.9.{n >> 8}.{n & 255}" for n in range(1, MANY + 1))
    bed.switch.ip("address add 10.9.255.254/16 dev br0")
    bed.switch.configure(bed.feed_settings(hops=hops))
    bed.host.configure(bed.mirror_settings(hops=hops))
    batch(
        bed.switch.space,
        *(f"neigh replace {hop} lladdr {MAC_A} dev br0 nud permanent" for hop in hops),
    )
    wait_until(lambda: len(bed.host.ip("neigh show nud permanent").splitlines()) == MANY, what="all are mirrored")
    bed.learn(MAC_B, hops[-1])
    wait_until(lambda: bed.host.has(MAC_B, hops[-1]), what="the change is on the host")
    for node in bed.nodes:
        status = node.status()
        assert status["memory_bytes"] < 128 << 20
        assert status["problem"] == ""


def test_interface_that_is_made_anew_gets_its_entries(bed: Bed) -> None:
    """An uplink that is deleted and made again, with another number, is filled again."""
    bed.host.ip("link del eth0")
    wait_until(lambda: "not there" in bed.host.entry()["reason"], what="the status says that it is gone")
    bed.switch.ip(f"link add p1 type veth peer name eth0 netns {bed.host.space.pid}")
    bed.switch.ip("link set p1 master br0 up")
    bed.host.ip("address add 10.1.1.11/24 dev eth0")
    bed.host.ip("address add fd00:1:1::11/64 dev eth0 nodad")
    bed.host.ip("link set eth0 up")
    wait_until(lambda: bed.host.has(MAC_A, V4) and bed.host.has(MAC_A, V6), what="everything is back")


def test_new_agent_takes_over_without_touching_an_entry(bed: Bed) -> None:
    """When the link leads to another agent both services become it; no entry changes, and its age is still known."""
    wait_until(lambda: bed.host.entry()["state"] == "mirrored", what="the status has caught up")
    since = bed.host.entry()["since"]
    events = inside(bed.host.space.pid, lambda: EventSocket(neighbours=True))
    for node in bed.nodes:
        pid = node.status()["pid"]
        node.install_agent("f" * 64)
        wait_until(lambda node=node: node.status()["agent"] == "f" * 64, what=f"{node.name} runs the new agent")
        assert node.status()["pid"] == pid
    wait_until(lambda: bed.is_up() and bed.host.entry()["state"] == "mirrored", what="the host follows again")
    touched = [event for event in events.read() if isinstance(event, NeighbourEvent) and event.address in (V4, V6)]
    events.close()
    assert touched == []
    assert bed.host.entry()["since"] == since
    assert agent_archive()[0] not in bed.host.path(f"{STATE}/boot").readlink().name


def test_what_a_socket_causes_is_no_news_to_its_owner() -> None:
    """The kernel keeps out what the given port has caused; what others cause, routes of netorch's too, comes through."""
    space = Namespace()
    try:
        space.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
        space.run("ip", "link", "set", "eth0", "up")
        mine, other = (inside(space.pid, NeighbourWriter) for _ in range(2))
        events = inside(space.pid, lambda: EventSocket(neighbours=True, routes_of=110, but_of=(mine.port,)))
        index = inside(space.pid, lambda: socket.if_nametoindex("eth0"))
        for writer, address in ((mine, V4), (other, V6)):
            writer.put(index, address, mac=MAC_A, protocol=110)
        for protocol, prefix in ((99, "192.0.2.9"), (110, "192.0.2.10")):
            space.run("ip", "route", "add", prefix, "dev", "eth0", "proto", str(protocol))
        told = [event.address if isinstance(event, NeighbourEvent) else event.prefix for event in events.read()]
        assert told == [V6, "192.0.2.10/32"]
        for made in (mine, other, events):
            made.close()
    finally:
        space.close()


def test_swapped_router_is_noticed_without_traffic() -> None:
    """A router with another MAC takes the place of one that said nothing when it left: hosts follow by themselves."""
    with running_bed(hosts=1) as bed:
        set_neighbour_sysctls(bed.switch.space)
        routers = [Router(bed, "n1", MAC_A), Router(bed, "n2", MAC_B)]
        try:
            routers[0].plug()
            wait_until(lambda: bed.host.has(MAC_A, V4) and bed.host.has(MAC_A, V6), what="the first one is mirrored")
            routers[0].unplug()
            routers[1].plug()
            wait_until(
                lambda: bed.host.has(MAC_B, V4) and bed.host.has(MAC_B, V6), what="the second is mirrored", timeout_s=10
            )
            routers[1].unplug()
            wait_until(lambda: bed.host.entry()["state"] == "kept", what="one that is gone is kept on the host")
            assert bed.host.has(MAC_B)
            routers[0].plug()
            wait_until(lambda: bed.host.has(MAC_A), what="one that comes after a while is mirrored")
        finally:
            for router in routers:
                router.close()


def test_metrics_are_written(bed: Bed) -> None:
    """With a path in its settings an agent writes its figures for node_exporter."""
    for node, settings in ((bed.switch, bed.feed_settings()), (bed.host, bed.mirror_settings())):
        path = f"/run/{node.service}.prom"
        node.configure({**settings, "metrics": path})
        wait_until(node.path(path).exists, what="the file is written")
        text = node.path(path).read_text()
        assert f"netorch_{node.service}_memory_bytes " in text
        assert all(line.startswith("#") or len(line.rsplit(" ", 1)) == 2 for line in text.splitlines())
    assert 'netorch_mirror_feed_up{switch="sw1.pop1"} 1' in bed.host.path("/run/mirror.prom").read_text()
    assert 'netorch_mirror_entries{state="mirrored"} 2' in bed.host.path("/run/mirror.prom").read_text()


def test_figures_that_cannot_be_written_are_told_until_nobody_wants_them(bed: Bed) -> None:
    """The problem ends with the setting."""
    bed.host.configure({**bed.mirror_settings(), "metrics": "/proc/none/netorch.prom"})
    wait_until(lambda: "cannot be written" in bed.host.status()["problem"], what="the problem is told")
    bed.host.configure(bed.mirror_settings())
    wait_until(lambda: bed.host.status()["problem"] == "", what="it is over")


def test_agent_that_idles_uses_no_processor(bed: Bed) -> None:
    """Ten status files later neither agent has used more than a tenth of that time."""
    before = [node.status() for node in bed.nodes]
    wait_until(lambda: bed.host.status()["updated"] - before[1]["updated"] > 5, what="five seconds have passed")
    for node, old in zip(bed.nodes, before, strict=True):
        new = node.status()
        assert new["cpu_s"] - old["cpu_s"] < 0.1 * (new["updated"] - old["updated"])


def test_running_agent_needs_no_files_of_its_own(bed: Bed) -> None:
    """An agent whose folder is removed goes on: everything that it needs has been loaded."""
    for node in bed.nodes:
        subprocess.run(["rm", "-r", node.path(f"{STATE}/agents/{agent_archive()[0]}")], check=True)
    bed.host.ip("link set eth0 down")
    bed.host.ip("link set eth0 up")
    bed.host.ip("address replace fd00:1:1::11/64 dev eth0 nodad")
    bed.learn(MAC_B)
    wait_until(lambda: bed.host.has(MAC_B, V4) and bed.host.has(MAC_A, V6), what="everything works")
    assert "please report" not in bed.host.log() + bed.switch.log()


@pytest.mark.parametrize("address", [V4, V6])
def test_multicast_mac_does_not_stay_on_the_switch(bed: Bed, address: str) -> None:
    """A forged multicast MAC is refused, and the switch soon has the router's again, although the router hears its probes."""
    set_neighbour_sysctls(bed.switch.space)
    router = Router(bed, "n1", MAC_B)
    try:
        router.plug()
        for hop in (V4, V6):
            bed.forget(hop)
        wait_until(lambda: bed.host.has(MAC_B, address), what="the router is mirrored")
        router.announce(address, mac="03:00:5e:00:00:07")
        wait_until(lambda: "not a unicast" in bed.host.entry(address)["reason"], what="the forged MAC is refused")
        wait_until(lambda: bed.host.entry(address)["state"] == "mirrored", what="the switch has the router's MAC again")
        assert bed.host.has(MAC_B, address)
    finally:
        router.close()
