"""What each device of the shipped inventory is meant to be."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from netorch.intent import derive_intent, desired_items
from netorch.model.codec import from_json, to_json
from netorch.model.intent import DeviceIntent, ExportPolicy, Intent, Session
from netorch.model.inventory import Inventory
from netorch.model.items import AddressItem, RuleItem, SysctlItem
from netorch.model.policy import Limits
from netorch.model.types import Family
from tests.unit.inventory_texts import edited, example, load


@pytest.fixture(scope="module")
def inventory() -> Inventory:
    return load(example())


@pytest.fixture(scope="module")
def intent(inventory: Inventory) -> Intent:
    return derive_intent(inventory)


def session_of(device: DeviceIntent, name: str) -> Session:
    return next(session for session in device.sessions if session.name == name)


def test_every_device_is_there_in_the_inventorys_order(inventory: Inventory, intent: Intent) -> None:
    """All devices of all POPs, with role and daemon."""
    assert [device.name for device in intent.devices] == [device.name for device in inventory.devices]
    assert {device.role for device in intent.in_pop("pop1")} == {"switch", "host"}
    assert {(device.daemon, device.version) for device in intent.devices} == {("bird", "2.0.12")}


def test_switch_has_a_session_per_circuit_and_family_and_per_host_and_family(intent: Intent) -> None:
    """Names say provider and circuit, or host, and the family."""
    assert [session.name for session in intent.device("sw1.pop1").sessions] == [
        *("northtel_1_v4", "northtel_1_v6", "meadow_4_v4", "meadow_4_v6"),
        *("h1_v4", "h1_v6", "h2_v4", "h2_v6", "h3_v4", "h3_v6"),
    ]


def test_host_has_a_session_per_switch_and_family(intent: Intent) -> None:
    """Hosts talk to route reflectors and to nobody else."""
    device = intent.device("h2.pop1")
    assert [session.name for session in device.sessions] == ["sw1_v4", "sw1_v6", "sw2_v4", "sw2_v6"]
    session = session_of(device, "sw2_v6")
    assert (session.kind, session.peer, session.interface, session.bfd) == ("switch", "sw2.pop1", "eth1", True)
    assert (session.local, session.neighbor) == (ip_address("fd00:1:2::12"), ip_address("fd00:1:2::1"))


@pytest.mark.parametrize("switch", ["sw1.pop1", "sw2.pop1", "sw1.pop2"])
def test_both_ends_of_a_fabric_session_agree(intent: Intent, switch: str) -> None:
    """For every session of a switch to a host there is that host's session back."""
    for session in (s for s in intent.device(switch).sessions if s.kind == "host"):
        others = (o for o in intent.device(session.peer).sessions if o.peer == switch and o.family is session.family)
        assert [(o.local, o.neighbor, o.bfd) for o in others] == [(session.neighbor, session.local, session.bfd)]


def test_provider_session_has_its_policies(intent: Intent) -> None:
    """Limits, preference and communities come from provider, relation and circuit."""
    session = session_of(intent.device("sw1.pop1"), "meadow_4_v6")
    assert session.import_policy is not None
    assert session.import_policy.limits == Limits(max_prefixes=5000, min_length=16, max_length=48)
    assert session.import_policy.local_preference == 200
    assert session.import_policy.large_communities == ((64500, 1, 3), (64500, 2, 4), (64500, 3, 3))
    assert session.export_policy == ExportPolicy()
    assert (session.circuit, session.peer_asn, session.local) == (4, 64498, ip_address("2001:db8:c:4::2"))


def test_providers_own_preference_wins(intent: Intent) -> None:
    """A provider's local preference takes the place of its relation's."""
    files = edited(example(), "providers.yml", ("relation: transit", "relation: transit\n    local_preference: 1"))
    session = session_of(derive_intent(load(files)).device("sw1.pop1"), "northtel_1_v4")
    assert session.import_policy is not None
    assert session.import_policy.local_preference == 1


def test_password_stays_a_reference(intent: Intent) -> None:
    """The intent holds where a secret is, for the circuit's sessions alone."""
    found = {s.name: str(s.password) for d in intent.devices for s in d.sessions if s.password}
    assert found == dict.fromkeys(("southnet_3_v4", "southnet_3_v6"), "file:../.lab/secrets/southnet")


def test_provider_tables_are_those_of_the_pop(intent: Intent) -> None:
    """A host has a table for every provider with a circuit in its POP, numbered 1000 + id."""
    assert [(t.provider, t.number) for t in intent.device("h1.pop1").tables] == [
        ("northtel", 1001),
        ("southnet", 1002),
        ("meadow", 1003),
    ]
    assert [t.number for t in intent.device("h1.pop2").tables] == [1001, 1003]
    assert intent.device("sw1.pop1").tables == ()


def test_host_has_every_providers_address_as_next_hop(intent: Intent) -> None:
    """One next hop per circuit and family, over the uplink to that circuit's switch."""
    hops = intent.device("h3.pop1").next_hops
    assert len(hops) == 8
    assert {(hop.switch, hop.interface, hop.switch_interface) for hop in hops} == {
        ("sw1.pop1", "eth0", "br0"),
        ("sw2.pop1", "eth1", "br0"),
    }
    southnet = next(hop for hop in hops if hop.provider == "southnet" and hop.family is Family.IPV4)
    assert (southnet.address, southnet.local, southnet.circuit) == (
        ip_address("203.0.113.9"),
        ip_interface("10.1.2.13/24"),
        3,
    )


def test_interfaces_say_who_is_behind_them(intent: Intent) -> None:
    """Circuit ports, host ports, the fabric and uplinks."""
    assert [(i.name, i.role, i.peer) for i in intent.device("sw1.pop1").interfaces] == [
        ("br0", "fabric", ""),
        ("swp1", "circuit", "northtel"),
        ("swp2", "circuit", "meadow"),
        ("swp11", "host", "h1.pop1"),
        ("swp12", "host", "h2.pop1"),
        ("swp13", "host", "h3.pop1"),
    ]
    assert [(i.name, i.role, i.peer) for i in intent.device("h1.pop2").interfaces] == [("eth0", "uplink", "sw1.pop2")]


def test_prefixes_are_those_of_the_pop(intent: Intent) -> None:
    """A switch may announce its POP's prefixes and knows its hosts' addresses; own prefixes are the whole network's."""
    switch = intent.device("sw1.pop2")
    assert switch.originated == (ip_network("198.51.100.0/24"), ip_network("2001:db8:2::/48"))
    assert [str(a) for a in switch.service] == ["198.51.100.11", "2001:db8:2::11", "198.51.100.12", "2001:db8:2::12"]
    assert len(switch.own_prefixes) == 4


def test_host_originates_what_names_it(intent: Intent) -> None:
    """A host that is not among a prefix's originators does not announce it."""
    files = edited(example(), "pops/pop1.yml", ("originators: [h1, h2, h3]", "originators: [h1, h2]"))
    without = derive_intent(load(files)).device("h3.pop1")
    assert without.originated == (ip_network("2001:db8:1::/48"),)
    assert intent.device("h3.pop1").originated == (ip_network("192.0.2.0/24"), ip_network("2001:db8:1::/48"))


def test_names_stay_when_others_come_and_go(inventory: Inventory, intent: Intent) -> None:
    """Taking the first circuit and the first host away changes no other session."""
    pop = inventory.pops[0]
    smaller = replace(
        inventory, pops=(replace(pop, circuits=pop.circuits[1:], hosts=pop.hosts[1:]), *inventory.pops[1:])
    )
    before = {(d.name, s.name): s for d in intent.devices for s in d.sessions}
    after = {(d.name, s.name): s for d in derive_intent(smaller).devices for s in d.sessions}
    assert {key: before[key] for key in after} == after


def test_circuit_of_one_family_has_one_session(inventory: Inventory) -> None:
    """A circuit without IPv6 gives no IPv6 session and no IPv6 next hop."""
    pop = inventory.pops[0]
    circuits = tuple(replace(circuit, ipv6=None) for circuit in pop.circuits)
    intent = derive_intent(replace(inventory, pops=(replace(pop, circuits=circuits),)))
    assert {s.family for s in intent.device("sw1.pop1").sessions if s.kind == "provider"} == {Family.IPV4}
    assert {hop.family for hop in intent.device("h1.pop1").next_hops} == {Family.IPV4}


def test_plugin_settings_are_passed_on(inventory: Inventory) -> None:
    """Each enabled plugin finds its own settings."""
    assert derive_intent(inventory).settings == {p.name: dict(p.settings) for p in inventory.plugins}


def test_intent_survives_json(intent: Intent) -> None:
    """A device's intent is plain data."""
    for device in intent.devices:
        assert from_json(DeviceIntent, to_json(device)) == device


def test_items_of_a_host(intent: Intent) -> None:
    """Service addresses on lo, and a rule per provider and family whose mark is the table's number."""
    items = desired_items(intent.device("h1.pop1"))
    addresses = [item for item in items if isinstance(item, AddressItem)]
    assert addresses == [
        AddressItem("lo", ip_interface("192.0.2.11/32")),
        AddressItem("lo", ip_interface("2001:db8:1::11/128")),
    ]
    rules = [item for item in items if isinstance(item, RuleItem)]
    assert RuleItem(Family.IPV6, priority=10002, mark=1002, table=1002) in rules
    assert len(rules) == 6
    assert len({item.key for item in items}) == len(items)


def test_items_of_a_switch_are_settings_alone(intent: Intent) -> None:
    """A switch forwards, and checks no source address, since it has no route to the Internet's."""
    items = desired_items(intent.device("sw1.pop1"))
    assert all(isinstance(item, SysctlItem) for item in items)
    values = {item.name: item.value for item in items if isinstance(item, SysctlItem)}
    assert values["net.ipv4.ip_forward"] == values["net.ipv6.conf.all.forwarding"] == "1"
    assert values["net.ipv4.conf.all.rp_filter"] == values["net.ipv4.conf.br0.rp_filter"] == "0"
    assert next(iter(values)) == "net.ipv4.ip_forward"


def test_ipv6_addresses_outlive_an_interface_that_is_taken_down(inventory: Inventory) -> None:
    """The kernel keeps IPv4 addresses, and IPv6 addresses only where it is told to: on the fabric and on every uplink."""
    intent = derive_intent(inventory)
    for device, interface in (("sw1.pop1", "br0"), ("h1.pop1", "eth0"), ("h1.pop1", "eth1")):
        assert SysctlItem(f"net.ipv6.conf.{interface}.keep_addr_on_down", "1") in desired_items(intent.device(device))


def test_dot_in_an_interface_is_written_as_sysctl_does(inventory: Inventory) -> None:
    """`eth0.100` becomes `eth0/100` inside a dotted name."""
    pop = inventory.pops[0]
    uplink = replace(pop.hosts[0].uplinks[0], interface="eth0.100")
    host = replace(pop.hosts[0], uplinks=(uplink,))
    device = derive_intent(replace(inventory, pops=(replace(pop, hosts=(host,)),))).device(host.name)
    assert SysctlItem("net.ipv6.conf.eth0/100.accept_ra", "0") in desired_items(device)
