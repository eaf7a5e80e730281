"""The mirror: facts of switches and hosts in, items of hosts out."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, ip_network

import pytest

from netorch.api import (
    Deploy,
    DeviceFacts,
    Facts,
    Family,
    Gather,
    Intent,
    Item,
    Link,
    Mac,
    NeighbourItem,
    NextHop,
    PeerItem,
    Report,
    RouteItem,
    UsageError,
)
from netorch.loader import bundled_plugins
from netorch.testing import FakeNetwork, fake_facts
from tests.plugins.example import INTENT, context, link, protocol, resolved

PLUGIN = next(plugin for plugin in bundled_plugins() if plugin.name == "arp_mirror")
HOST = INTENT.device("h1.pop1")
SWITCH = INTENT.device("sw1.pop1")
IPV4, IPV6 = (next(n for n in HOST.next_hops if n.family is family) for family in Family)
PROVIDER_MAC = "02:aa:00:00:00:01"
HELD = (
    NeighbourItem("eth0", IPV4.address, Mac("02:aa:00:00:00:99")),
    PeerItem("eth0", IPV4.local.ip, IPV4.address),
)


def only(*next_hops: NextHop) -> Intent:
    """The example network in which the host has these next hops, and nobody else has any."""
    return INTENT.with_devices(lambda d: replace(d, next_hops=next_hops if d.name == HOST.name else ()))


def world(*neighbours: tuple[NextHop, str | None, str], held: tuple[Item, ...] = ()) -> dict[str, DeviceFacts]:
    """A switch that reports ``neighbours``, its provider sessions Established, and a host that has ``held``."""
    sessions = [protocol(session) for session in SWITCH.sessions if session.kind == "provider"]
    return {
        SWITCH.name: fake_facts(
            SWITCH.name,
            neighbours=[resolved(*neighbour) for neighbour in neighbours],
            links=[link("br0", mac="02:00:00:00:0b:b0")],
            protocols=sessions,
        ),
        HOST.name: fake_facts(HOST.name, items=held, links=[link("eth0", mac="02:00:00:00:00:11")]),
    }


def test_ipv4_next_hop_becomes_a_neighbour_and_a_peer() -> None:
    """The MAC of the switch's entry, and the provider's address as peer of the uplink's own."""
    items = PLUGIN.propose(only(IPV4), world((IPV4, PROVIDER_MAC, "reachable")))
    assert items[HOST.name] == (
        NeighbourItem("eth0", IPV4.address, Mac(PROVIDER_MAC)),
        PeerItem("eth0", IPv4Address("10.1.1.11"), IPv4Address("203.0.113.1")),
    )


def test_ipv6_next_hop_becomes_a_neighbour_and_a_device_route() -> None:
    """IPv6 takes one peer for each address only, so the next hop is made on-link by a route."""
    items = PLUGIN.propose(only(IPV6), world((IPV6, PROVIDER_MAC, "stale")))
    assert items[HOST.name] == (
        NeighbourItem("eth0", IPV6.address, Mac(PROVIDER_MAC)),
        RouteItem(ip_network("2001:db8:c:1::1/128"), "eth0"),
    )


@pytest.mark.parametrize("state", ["reachable", "stale", "delay", "probe", "permanent"])
def test_state_that_the_kernel_sends_to_is_mirrored(state: str) -> None:
    """An entry that is merely old still says where frames go."""
    assert PLUGIN.propose(only(IPV4), world((IPV4, PROVIDER_MAC, state)))[HOST.name]


@pytest.mark.parametrize(
    ("mac", "state"),
    [
        (PROVIDER_MAC, "failed"),
        (None, "incomplete"),
        (PROVIDER_MAC, "noarp"),
        (PROVIDER_MAC, "none"),
        (None, "reachable"),
        ("ff:ff:ff:ff:ff:ff", "reachable"),
        ("33:33:00:00:00:01", "reachable"),
        ("00:00:00:00:00:00", "reachable"),
        ("02:00:00:00:0b:b0", "reachable"),
        ("02:00:00:00:00:11", "reachable"),
    ],
)
def test_entry_that_is_no_providers_mac_changes_nothing(mac: str | None, state: str) -> None:
    """Neither a failed entry, nor a MAC of a group or of the POP itself, is mirrored; what the host has stays."""
    assert PLUGIN.propose(only(IPV4), world((IPV4, mac, state)))[HOST.name] == ()
    assert PLUGIN.propose(only(IPV4), world((IPV4, mac, state), held=HELD))[HOST.name] == HELD


def test_entry_on_another_interface_is_not_taken() -> None:
    """Only the entry of the interface that hosts are bridged to says where their frames go."""
    elsewhere = world((IPV4, PROVIDER_MAC, "reachable"))
    entry = replace(elsewhere[SWITCH.name].neighbours[0], interface="mgmt0")
    elsewhere[SWITCH.name] = replace(elsewhere[SWITCH.name], neighbours=(entry,))
    assert PLUGIN.propose(only(IPV4), elsewhere)[HOST.name] == ()


def test_mirror_stays_while_the_switch_cannot_be_asked() -> None:
    """A dead switch agent never breaks traffic that worked."""
    unreachable = world(held=HELD)
    del unreachable[SWITCH.name]
    assert PLUGIN.propose(only(IPV4), unreachable)[HOST.name] == HELD
    assert PLUGIN.later(only(IPV4), unreachable) == {}


def test_peer_without_its_neighbour_is_not_kept() -> None:
    """A next hop is not reachable while no MAC is known, or hosts would ask for it themselves."""
    assert PLUGIN.propose(only(IPV4), world(held=HELD[1:]))[HOST.name] == ()


def test_entries_of_other_next_hops_vanish() -> None:
    """What the inventory no longer has is not proposed, and so removed."""
    assert PLUGIN.propose(only(IPV6), world(held=HELD))[HOST.name] == ()


def test_nothing_is_proposed_for_a_host_without_facts() -> None:
    """What cannot be compared is left alone."""
    silent = world((IPV4, PROVIDER_MAC, "reachable"))
    del silent[HOST.name]
    assert PLUGIN.propose(only(IPV4), silent) == {}


def test_proposing_what_is_there_is_no_change() -> None:
    """The mirror of a mirror is the same mirror."""
    first = PLUGIN.propose(only(IPV4, IPV6), world((IPV4, PROVIDER_MAC, "reachable"), (IPV6, PROVIDER_MAC, "stale")))
    again = PLUGIN.propose(only(IPV4, IPV6), world(held=first[HOST.name]))
    assert again == first
    assert len(first[HOST.name]) == 4


def test_every_host_mirrors_every_provider_of_its_switches() -> None:
    """The example network: three hosts, four circuits, two families, two items each."""
    every = {
        switch: fake_facts(
            switch,
            neighbours=[resolved(n, PROVIDER_MAC) for n in dict.fromkeys(HOST.next_hops) if n.switch == switch],
        )
        for switch in ("sw1.pop1", "sw2.pop1")
    }
    hosts = {name: fake_facts(name) for name in ("h1.pop1", "h2.pop1", "h3.pop1")}
    items = PLUGIN.propose(INTENT, {**every, **hosts})
    assert {name: len(found) for name, found in items.items()} == dict.fromkeys(hosts, 16)


def test_needs_name_switches_and_their_hosts() -> None:
    """Switches are asked for neighbours, hosts for the MACs that are never a provider's."""
    needs = PLUGIN.needs(INTENT)
    assert needs["sw1.pop1"] == ("neighbours", "links")
    assert needs["h2.pop2"] == ("links",)
    assert set(needs) == {device.name for device in INTENT.devices}


def session_of(next_hop: NextHop, intent: Intent) -> str:
    """The name of the provider session that resolves ``next_hop``."""
    wanted = ("provider", next_hop.circuit, next_hop.family)
    return next(s.name for s in intent.device(next_hop.switch).sessions if (s.kind, s.circuit, s.family) == wanted)


def with_session(state: str | None) -> Facts:
    """The switch knows no neighbour; its session is in ``state``, None for not configured."""
    reported = world()
    name = session_of(IPV4, INTENT)
    kept = [p for p in reported[SWITCH.name].daemon.protocols if p.name != name]
    if state is not None:
        kept += [protocol(s, state=state) for s in SWITCH.sessions if s.name == name]
    daemon = replace(reported[SWITCH.name].daemon, protocols=tuple(kept))
    return {**reported, SWITCH.name: replace(reported[SWITCH.name], daemon=daemon)}


@pytest.mark.parametrize(("state", "waits"), [("Established", True), (None, True), ("Active", False), ("Down", False)])
def test_next_hop_is_waited_for_while_it_can_come(state: str | None, waits: bool) -> None:
    """A session that is up, or not deployed yet, resolves its neighbour soon; a dead provider does not."""
    words = PLUGIN.later(only(IPV4), with_session(state))
    assert words == ({HOST.name: ("mirror 203.0.113.1 (northtel) once sw1.pop1 has resolved it",)} if waits else {})


def test_closed_session_is_not_waited_for_and_keeps_its_mirror() -> None:
    """A drained provider's mirror stays, ready for the day it comes back."""
    closed = only(IPV4).with_sessions(lambda device, session: replace(session, enabled=False))
    assert PLUGIN.later(closed, with_session("Established")) == {}
    assert PLUGIN.propose(closed, world(held=HELD))[HOST.name] == HELD


def test_mirrored_next_hop_is_not_waited_for() -> None:
    """Nothing is missing once the switch knows the MAC, nor when it must not be used."""
    assert PLUGIN.later(only(IPV4), world((IPV4, PROVIDER_MAC, "stale"))) == {}
    assert PLUGIN.later(only(IPV4), world((IPV4, "ff:ff:ff:ff:ff:ff", "stale"))) == {}


MIRRORED = (
    NeighbourItem("eth0", IPV4.address, Mac(PROVIDER_MAC)),
    PeerItem("eth0", IPV4.local.ip, IPV4.address),
)


def shown(reported: Facts, intent: Intent | None = None) -> dict[str, object]:
    """The only row of ``arp show`` for the host."""
    network = FakeNetwork(lambda seconds, overlay: reported)
    steps = network.run(PLUGIN, "arp show", context(PLUGIN, intent=intent or only(IPV4)), target=(HOST.name,))
    report = steps[-1]
    assert isinstance(report, Report)
    (row,) = report.rows
    return dict(row)


def test_arp_show_tells_both_sides() -> None:
    """One row for each next hop, with the switch's MAC and the host's."""
    assert shown(world((IPV4, PROVIDER_MAC, "stale"), held=MIRRORED)) == {
        "host": "h1.pop1",
        "interface": "eth0",
        "next_hop": "203.0.113.1",
        "provider": "northtel",
        "circuit": 1,
        "switch": "sw1.pop1",
        "switch_mac": PROVIDER_MAC,
        "switch_state": "stale",
        "switch_age_s": None,
        "host_mac": PROVIDER_MAC,
        "host_age_s": None,
        "source": "deploy",
        "ok": True,
        "verdict": "mirrored",
    }


@pytest.mark.parametrize(
    ("neighbours", "held", "verdict"),
    [
        ([(IPV4, PROVIDER_MAC, "stale")], (), "missing on the host"),
        ([(IPV4, PROVIDER_MAC, "stale")], HELD, "host has another MAC"),
        ([(IPV4, PROVIDER_MAC, "stale")], MIRRORED[:1], "not reachable on the host"),
        ([(IPV4, None, "failed")], MIRRORED, "not resolved, host keeps its entry"),
        ([], (), "not resolved"),
        ([(IPV4, "ff:ff:ff:ff:ff:ff", "stale")], (), "refused: ff:ff:ff:ff:ff:ff is not a unicast address"),
    ],
)
def test_arp_show_says_what_is_wrong(
    neighbours: list[tuple[NextHop, str | None, str]], held: tuple[Item, ...], verdict: str
) -> None:
    """Each way in which a host may send to a wrong MAC, or to none, has its own words."""
    row = shown(world(*neighbours, held=held))
    assert (row["ok"], row["verdict"]) == (False, verdict)


def without_uplink(reported: dict[str, DeviceFacts]) -> dict[str, DeviceFacts]:
    host = reported[HOST.name]
    return {**reported, HOST.name: replace(host, links=tuple(replace(one, up=False) for one in host.links))}


@pytest.mark.parametrize("held", [(), MIRRORED[1:], MIRRORED], ids=["nothing", "the peer address", "everything"])
def test_nothing_is_proposed_over_an_uplink_that_is_down(held: tuple[Item, ...]) -> None:
    """The kernel would take no entry for it: a deploy would fail for as long as it is down. What is left there stays."""
    reported = without_uplink(world((IPV4, PROVIDER_MAC, "stale"), held=held))
    assert PLUGIN.propose(only(IPV4), reported)[HOST.name] == held
    assert PLUGIN.later(only(IPV4), reported) == {}


def test_arp_show_names_the_uplink_that_is_down() -> None:
    """No entry is missing where none can be."""
    row = shown(without_uplink(world((IPV4, PROVIDER_MAC, "stale"))))
    assert (row["ok"], row["verdict"]) == (False, "eth0 is down")


def test_arp_show_of_a_closed_session_is_fine() -> None:
    """A drained provider need not be resolved."""
    closed = only(IPV4).with_sessions(lambda device, session: replace(session, enabled=False))
    row = shown(world(held=MIRRORED), closed)
    assert (row["ok"], row["verdict"], row["host_mac"]) == (True, "session closed", PROVIDER_MAC)


def test_arp_show_names_who_cannot_be_asked() -> None:
    """A missing answer is not taken for a missing entry."""
    silent = world((IPV4, PROVIDER_MAC, "stale"), held=MIRRORED)
    assert shown({HOST.name: silent[HOST.name]})["verdict"] == "switch cannot be asked, host keeps its entry"
    assert shown({SWITCH.name: silent[SWITCH.name]})["verdict"] == "host cannot be asked"


def test_arp_sync_deploys_the_mirror_alone() -> None:
    """Hosts of the named switch get the mirror's items and nothing else."""
    network = FakeNetwork(lambda seconds, overlay: world())
    steps = network.run(PLUGIN, "arp sync", context(PLUGIN), target=("sw1.pop2",))
    assert steps[0] == Deploy(
        ("h1.pop2", "h2.pop2"), why="mirror of the providers' MAC addresses", only=frozenset({"arp_mirror"})
    )
    assert [type(step) for step in steps[1:]] == [Gather, Report]


def test_arp_sync_by_force_says_so_in_its_plan_and_in_the_history() -> None:
    """Without it the settings are the inventory's."""
    network = FakeNetwork(lambda seconds, overlay: world())
    (step,) = network.run(PLUGIN, "arp sync", context(PLUGIN), target=("sw1.pop2",), force=True)[:1]
    assert isinstance(step, Deploy)
    assert step.settings == {"arp_mirror": {"force": True}}
    assert step.why.endswith("of those held down too")


def test_target_without_next_hops_is_a_usage_error() -> None:
    """Naming nothing that has a mirror is a mistake, not an empty success."""
    network = FakeNetwork(lambda seconds, overlay: {})
    with pytest.raises(UsageError, match="no next hops"):
        network.run(PLUGIN, "arp sync", context(PLUGIN, intent=only()), target=(HOST.name,))


def test_links_without_a_mac_are_no_obstacle() -> None:
    """Interfaces such as lo or a tunnel have none."""
    reported = world((IPV4, PROVIDER_MAC, "stale"))
    bare = Link("tun0", None, True, True, "", 0, 0, 0, 0)
    reported[HOST.name] = replace(reported[HOST.name], links=(bare,))
    assert len(PLUGIN.propose(only(IPV4), reported)[HOST.name]) == 2
