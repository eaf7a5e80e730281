"""The mirror's agents between real kernels: a MAC that the switch learns, and what somebody does to a host's entry."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.lab.mirror_bed import MAC_A, MAC_B, MAC_C, SWITCH, V4, V6, Bed, running_bed
from tests.waiting import wait_until

pytestmark = pytest.mark.lab
OTHER = "203.0.113.77"


@pytest.fixture(scope="module")
def running() -> Iterator[Bed]:
    with running_bed(hosts=2) as made:
        yield made


@pytest.fixture
def bed(running: Bed) -> Bed:
    """Both families mirrored with MAC_A on two hosts, agents with their usual settings."""
    for host in running.hosts:
        wait_until(lambda host=host: running.is_up(host), what="the feed is followed")
    for address in (V4, V6):
        running.learn(MAC_A, address)
    wait_until(lambda: all(h.has(MAC_A, a) for h in running.hosts for a in (V4, V6)), what="both families are mirrored")
    return running


@pytest.mark.parametrize("address", [V4, V6])
def test_new_mac_reaches_every_host(bed: Bed, address: str) -> None:
    """A MAC that the switch's kernel learns is in every host's kernel, with netorch's number, and reachable."""
    bed.learn(MAC_B, address)
    wait_until(lambda: all(host.has(MAC_B, address) for host in bed.hosts), what="MAC_B is on both hosts")


def test_other_family_is_left_alone(bed: Bed) -> None:
    """A change of one address changes no other."""
    bed.learn(MAC_B, V4)
    wait_until(lambda: bed.host.has(MAC_B, V4), what="IPv4 has MAC_B")
    assert bed.host.has(MAC_A, V6)


@pytest.mark.parametrize(
    ("address", "command"),
    [
        (V4, f"neigh del {V4} dev eth0"),
        (V4, f"neigh replace {V4} lladdr {MAC_C} dev eth0 nud permanent"),
        (V4, f"neigh replace {V4} lladdr {MAC_A} dev eth0 nud reachable"),
        (V4, f"address del 10.1.1.11 peer {V4}/32 dev eth0"),
        (V6, f"neigh del {V6} dev eth0"),
        (V6, f"-6 route del {V6}/128 dev eth0"),
        (V4, "link set eth0 address 02:00:00:00:77:01"),
        (V6, "link set eth0 address 02:00:00:00:77:02"),
    ],
)
def test_entry_is_put_back(bed: Bed, address: str, command: str) -> None:
    """What somebody deletes or changes, a change of the interface's own MAC included, is as it was soon after."""
    before = bed.host.status()["counters"]["repaired"]
    bed.host.ip(command)
    wait_until(lambda: bed.host.status()["counters"]["repaired"] > before, what="a repair is counted")
    wait_until(lambda: bed.host.has(MAC_A, address), what="the entry is back")


def test_link_down_and_up_brings_everything_back(bed: Bed) -> None:
    """After an interface was down, which empties it, both families are there again; the log tells of both."""
    downs = bed.host.log().count("uplink eth0 is down\n")
    bed.host.ip("link set eth0 down")
    wait_until(lambda: bed.host.mac(V4) is None, what="the kernel has dropped the neighbour")
    wait_until(lambda: "is down" in bed.host.entry()["reason"], what="the status says why")
    wait_until(lambda: bed.host.log().count("uplink eth0 is down\n") == downs + 1, what="the log has it")
    ups = bed.host.log().count("uplink eth0 is up\n")
    bed.host.ip("link set eth0 up")
    bed.host.ip("address replace fd00:1:1::11/64 dev eth0 nodad")
    wait_until(lambda: all(bed.host.has(MAC_A, address) for address in (V4, V6)), what="everything is back")
    wait_until(lambda: bed.host.log().count("uplink eth0 is up\n") > ups, what="the log has that too")
    wait_until(lambda: bed.host.entry()["state"] == "mirrored", what="the status says mirrored")


def test_lost_carrier_is_logged_once(bed: Bed) -> None:
    """A cable that is pulled and plugged in again gives a line each, and costs no entry."""
    lines = ["uplink eth0 has no carrier\n", "uplink eth0 is up\n"]
    before = [bed.host.log().count(line) for line in lines]
    bed.switch.ip("link set p1 down")
    wait_until(lambda: bed.host.log().count(lines[0]) == before[0] + 1, what="the log has the loss")
    bed.switch.ip("link set p1 up")
    wait_until(lambda: bed.host.log().count(lines[1]) == before[1] + 1, what="the log has the return")
    assert [bed.host.log().count(line) for line in lines] == [before[0] + 1, before[1] + 1]
    assert all(bed.host.has(MAC_A, address) for address in (V4, V6))


def test_unresolved_next_hop_keeps_the_hosts_entry(bed: Bed) -> None:
    """A next hop that the switch has lost is kept on hosts, and reported."""
    bed.forget()
    wait_until(lambda: f"{SWITCH} has no MAC" in bed.host.entry()["reason"], what="the host says why")
    assert bed.host.entry()["state"] == "kept"
    assert bed.host.has(MAC_A)


@pytest.mark.parametrize("mac", ["01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"])
def test_mac_that_is_no_unicast_address_is_refused(bed: Bed, mac: str) -> None:
    """Multicast, broadcast and zero never reach a host's kernel."""
    bed.learn(mac)
    wait_until(lambda: f"{mac} is not a unicast" in bed.host.entry()["reason"], what="the host says why")
    assert bed.host.has(MAC_A)


def test_own_mac_of_another_host_is_refused(bed: Bed) -> None:
    """A forged ARP reply that leads to a host of the POP leads nobody there."""
    mac = bed.hosts[1].ip("-br link show eth0").split()[2]
    bed.learn(mac)
    wait_until(lambda: "belongs to a device of this POP" in bed.host.entry()["reason"], what="the host says why")
    assert bed.host.has(MAC_A)


def test_own_mac_of_the_switch_is_refused(bed: Bed) -> None:
    """The switch's own MACs are no provider's."""
    mac = bed.switch.ip("-br link show br0").split()[2]
    bed.learn(mac)
    wait_until(lambda: f"{mac} belongs to" in bed.host.entry()["reason"], what="the host says why")
    assert bed.host.has(MAC_A)


def test_address_that_a_host_does_not_expect_is_rejected(bed: Bed) -> None:
    """A switch that claims another's address is not believed."""
    bed.switch.configure(bed.feed_settings(hops=(V4, V6, OTHER)))
    bed.switch.ip(f"neigh replace {OTHER} lladdr {MAC_C} dev br0 nud permanent")
    try:
        wait_until(lambda: bed.host.status()["feeds"][0]["rejected"] > 0, what="the host counts it as rejected")
        assert bed.host.mac(OTHER) is None
        assert OTHER not in bed.host.ip("neigh show") + bed.host.ip("route show")
    finally:
        bed.switch.configure(bed.feed_settings())
        bed.switch.ip(f"neigh del {OTHER} dev br0")
        wait_until(lambda: len(bed.switch.status()["entries"]) == 2, what="the feed has its old settings")


def test_host_is_told_only_what_it_needs(bed: Bed) -> None:
    """A host whose uplinks need one address is told nothing of the other."""
    settings = bed.feed_settings()
    settings["hosts"]["h2.pop1"] = [V6]
    bed.switch.configure(settings)
    wait_until(lambda: bed.hosts[1].entry(V4)["state"] == "kept", what="h2 is told nothing of the IPv4 address")
    wait_until(lambda: bed.hosts[1].entry(V6)["state"] == "mirrored", what="h2 is told the IPv6 address")
    bed.learn(MAC_B)
    wait_until(lambda: bed.host.has(MAC_B), what="h1 follows")
    assert bed.hosts[1].has(MAC_A)
    bed.switch.configure(bed.feed_settings())
    wait_until(lambda: bed.hosts[1].has(MAC_B), what="h2 follows again")


def test_only_the_circuits_macs_are_taken(bed: Bed) -> None:
    """A MAC that the inventory does not name for the circuit is refused by the host, whatever the feed says."""
    bed.host.configure(bed.mirror_settings(macs=(MAC_A, MAC_B)))
    bed.learn(MAC_C)
    wait_until(lambda: f"{MAC_C} is not among" in bed.host.entry()["reason"], what="MAC_C is refused")
    assert bed.host.has(MAC_A)
    bed.learn(MAC_B)
    wait_until(lambda: bed.host.has(MAC_B), what="MAC_B is taken")
    bed.host.configure(bed.mirror_settings())


def test_flapping_mac_is_held(bed: Bed) -> None:
    """A MAC that changes too often stays as it is until it has become quiet; then the last one is taken."""
    bed.host.configure(bed.mirror_settings(hold_down=(3, 2.0, 2.0)))
    before = bed.host.status()["counters"]["held_down"]
    for number in range(12):
        bed.learn((MAC_B, MAC_C)[number % 2])
    wait_until(lambda: bed.host.entry()["state"] == "held_down", what="the host holds the MAC")
    assert bed.host.status()["counters"]["held_down"] > before
    assert "changed more than 3 times" in bed.host.entry()["reason"]
    wait_until(lambda: bed.host.has(MAC_C), what="the last MAC is taken after the hold")
    bed.host.configure(bed.mirror_settings())


@pytest.mark.parametrize(("address", "planned"), [(V4, MAC_C), (V6, MAC_A)])
def test_hold_ends_when_a_deploy_wants_the_newest_mac(bed: Bed, address: str, planned: str) -> None:
    """A MAC with netorch's number in place of the one held down ends the hold: the newest is taken, whichever was planned."""
    bed.host.configure(bed.mirror_settings(hold_down=(3, 60.0, 3600.0)))
    for mac in (MAC_B, MAC_C, MAC_B):
        bed.learn(mac, address)
        wait_until(lambda mac=mac: bed.host.has(mac, address), what=f"{mac} is followed")
    bed.learn(MAC_C, address)
    wait_until(lambda: f"tells {MAC_C} now" in bed.host.entry(address)["reason"], what="the host holds the MAC")
    assert bed.host.entry(address)["reason"].endswith(" s are left")
    assert bed.host.has(MAC_B, address)
    bed.host.ip(f"neigh replace {address} lladdr {planned} dev eth0 nud permanent protocol 110")
    wait_until(lambda: bed.host.has(MAC_C, address), what="the newest MAC is taken")
    wait_until(lambda: bed.host.entry(address)["state"] == "mirrored", what="the hold has ended")
    bed.host.configure(bed.mirror_settings())


def test_entry_that_the_settings_lost_is_removed(bed: Bed) -> None:
    """An address that leaves the settings leaves the kernel, reachability and neighbour; the others stay."""
    bed.host.configure(bed.mirror_settings(hops=(V6,)))
    wait_until(lambda: bed.host.has(None, V4), what="the IPv4 entry is gone")
    assert bed.host.has(MAC_A, V6)
    bed.host.configure(bed.mirror_settings())
    wait_until(lambda: bed.host.has(MAC_A, V4), what="the IPv4 entry is back")


@pytest.mark.parametrize("text", ["", "{", '{"version": 2}', '{"version": 1, "host": "h1.pop1", "feeds": [7]}', None])
def test_settings_that_cannot_be_used_change_nothing(bed: Bed, text: str | None) -> None:
    """Nonsense, another version or no file at all: the agent goes on with what it had, and says so."""
    path = bed.host.path("/etc/netorch/mirror.json")
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    bed.host.send_signal(signal.SIGHUP)
    wait_until(lambda: "settings" in bed.host.status()["problem"], what="the status tells the problem")
    bed.learn(MAC_B)
    wait_until(lambda: bed.host.has(MAC_B), what="the agent still follows")
    bed.host.configure(bed.mirror_settings())
    wait_until(lambda: bed.host.status()["problem"] == "", what="the problem is over")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_entries_outlive_the_agent(bed: Bed, number: int) -> None:
    """However the host's agent ends, the kernel keeps the entries; the next one knows since when, and what it missed."""
    wait_until(lambda: bed.host.entry()["mac"] == MAC_A, what="the status has caught up")
    since = bed.host.entry()["since"]
    bed.host.stop(number)
    assert bed.host.has(MAC_A, V4)
    assert bed.host.has(MAC_A, V6)
    bed.learn(MAC_B, V6)
    bed.host.start()
    assert bed.host.entry()["since"] == since
    wait_until(lambda: bed.host.has(MAC_B, V6), what="what was missed is there")
    assert bed.host.has(MAC_A, V4)


def test_switch_agent_restarts_without_losing_an_entry(bed: Bed) -> None:
    """While the feed is gone hosts keep what they have and say so; what changed meanwhile comes with the next snapshot."""
    bed.switch.stop(signal.SIGKILL)
    wait_until(
        lambda: not bed.is_up() and bed.host.entry()["state"] == "kept", what="the host says that the feed is lost"
    )
    assert bed.host.has(MAC_A)
    bed.learn(MAC_B)
    bed.switch.start()
    wait_until(lambda: bed.host.has(MAC_B) and bed.is_up(), what="the host follows again")


def test_silent_feed_is_left(bed: Bed) -> None:
    """A feed that stops without closing its connection is noticed by its missing beats, and followed again when it is back."""
    with bed.switch.stopped():
        wait_until(
            lambda: "silent" in bed.host.status()["feeds"][0]["error"], what="the host says that the feed is silent"
        )
        assert bed.host.has(MAC_A)
    wait_until(bed.is_up, what="the host follows again")


def test_deploy_is_believed_while_no_feed_is_there(bed: Bed) -> None:
    """An entry of netorch's own that somebody else wrote while the feed is lost stays as it is written."""
    bed.switch.stop()
    wait_until(lambda: not bed.is_up(), what="the feed is lost")
    bed.host.ip(f"neigh replace {V4} lladdr {MAC_C} dev eth0 nud permanent protocol 110")
    wait_until(lambda: bed.host.entry()["mac"] == MAC_C, what="the agent has taken it over")
    assert bed.host.has(MAC_C)
    bed.switch.start()
    wait_until(lambda: bed.host.has(MAC_A), what="the feed's word counts again")
