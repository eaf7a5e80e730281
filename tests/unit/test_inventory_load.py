"""What a valid inventory becomes."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv6Interface, ip_address, ip_network

import pytest

from netorch.errors import InventoryError
from netorch.inventory import load_inventory
from netorch.model.inventory import CircuitAddresses, Pki, PluginSettings, Port, Ssh, Uplink
from netorch.model.policy import Limits, Policy
from netorch.model.sessions import SecretRef
from netorch.model.types import Family
from tests.unit.inventory_texts import POP, complaints, edited, example, load, small


def test_example_has_the_network_that_the_documentation_describes() -> None:
    """pop1 has 2 switches, 3 hosts and 3 providers, pop2 has 1, 2 and 2; everything is dual stack."""
    inventory = load(example())
    shape = [
        (pop.name, len(pop.switches), len(pop.hosts), sorted({circuit.provider for circuit in pop.circuits}))
        for pop in inventory.pops
    ]
    assert shape == [("pop1", 2, 3, ["meadow", "northtel", "southnet"]), ("pop2", 1, 2, ["meadow", "northtel"])]
    assert all(circuit.addresses(family) for circuit in inventory.circuits for family in Family)
    assert [circuit.name for circuit in inventory.circuits if circuit.password] == ["southnet-pop1"]


def test_names_of_devices_become_full() -> None:
    """Devices, and what refers to them, are named NAME.POP in the model."""
    inventory = load(small())
    pop = inventory.pop("pop1")
    assert [device.name for device in pop.devices] == ["sw1.pop1", "sw2.pop1", "h1.pop1"]
    assert pop.circuits[1].switch == "sw2.pop1"
    assert pop.prefixes[0].originators == ("h1.pop1",)
    assert pop.hosts[0].uplinks[1] == Uplink(
        "eth1", "sw2.pop1", "swp11", IPv4Interface("10.1.2.11/24"), IPv6Interface("fd00:1:2::11/64")
    )


def test_circuit_has_the_values_of_its_file() -> None:
    """Every key of a circuit arrives with its type; capacity in bits per second."""
    more = "id: 2\n    vlan: 7\n    password: env:MEADOW\n    capacity: 2.5G\n    description: it's \\ $fine;"
    circuit = load(edited(small(), POP, ("id: 2", more))).circuit("meadow-pop1")
    assert (circuit.id, circuit.provider, circuit.port, circuit.vlan) == (2, "meadow", "swp1", 7)
    assert circuit.ipv4 == CircuitAddresses(IPv4Interface("203.0.113.6/30"), IPv4Address("203.0.113.5"))
    assert circuit.ipv6 is None
    assert circuit.password == SecretRef("env", "MEADOW")
    assert circuit.capacity_bps == 2_500_000_000
    assert circuit.description == "it's \\ $fine;"


def test_keys_left_out_have_defaults() -> None:
    """Policy, plugins, daemon, router ids and lab values need not be written."""
    inventory = load(small())
    assert inventory.policy == Policy()
    assert [plugin.name for plugin in inventory.plugins] == ["drain", "arp_mirror", "describe", "routes"]
    switch, host = inventory.device("sw1.pop1"), inventory.device("h1.pop1")
    assert (switch.daemon, switch.version) == ("bird", "2.0.12")
    assert (switch.router_id, host.router_id) == ("10.1.1.1", "192.0.2.11")
    assert inventory.pop("pop1").switches[1].ports[0] == Port("swp1")
    assert inventory.lab[0].prefixes_ipv4 == 100


def test_policy_keeps_the_defaults_of_keys_that_are_not_written() -> None:
    """A policy that names one key changes that one alone."""
    policy = "policy:\n  ipv4: {max_prefixes: 7}\n  local_preference: {peer: 250}\n  keep_generations: 25\nssh:\n"
    found = load(edited(small(), "network.yml", ("ssh:\n", policy))).policy
    assert found.ipv4 == Limits(max_prefixes=7, min_length=8, max_length=24)
    assert found.ipv6 == Policy().ipv6
    assert (found.keep_generations, Policy().keep_generations) == (25, 10)
    assert found.local_preference == {"customer": 300, "peer": 250, "ixp": 200, "transit": 100}


def test_ssh_of_a_device_wins_over_the_network() -> None:
    """A device adds to the network's ssh keys; paths become absolute, from the inventory folder."""
    files = edited(
        small(),
        "network.yml",
        ("  user: root\n", "  user: ops\n  port: 2222\n  identity: ../keys/id\n  known_hosts: /k\n"),
    )
    inventory = load(edited(files, POP, ("198.18.1.2}", "198.18.1.2, user: root, identity: id2}")))
    assert inventory.device("sw1.pop1").ssh == Ssh("198.18.1.1", 2222, "ops", "/k", "/srv/keys/id")
    assert inventory.device("sw2.pop1").ssh == Ssh("198.18.1.2", 2222, "root", "/k", "/srv/inventory/id2")


def test_ssh_may_use_an_address_that_the_device_has_anyway() -> None:
    """A host managed over its service address is no duplicate."""
    files = edited(small(), POP, ("ssh: {address: 198.18.1.11}", "ssh: {address: 192.0.2.11}"))
    assert load(files).device("h1.pop1").ssh.address == "192.0.2.11"


def test_plugins_are_names_or_mappings() -> None:
    """A plugin's settings arrive as plain data, its path absolute."""
    plugins = "plugins:\n  - describe\n  - {name: mine, path: ../plugins, settings: {a: [1, x], b: true}}\nssh:\n"
    found = load(edited(small(), "network.yml", ("ssh:\n", plugins))).plugins
    assert found == (
        PluginSettings("describe"),
        PluginSettings("mine", {"a": [1, "x"], "b": True}, "/srv/plugins"),
    )


def test_provider_overrides() -> None:
    """A provider's own limits are kept by family; a family that is not named has none."""
    files = edited(small(), "providers.yml", ("relation: peer", "relation: peer\n    max_prefixes: {ipv6: 9}"))
    provider = load(edited(files, "providers.yml", ("id: 2", "id: 999\n    local_preference: 50"))).provider("meadow")
    assert provider.max_prefixes == {Family.IPV6: 9}
    assert (provider.id, provider.local_preference) == (999, 50)


def test_circuits_share_a_port_in_vlans() -> None:
    """Two circuits on one port are fine where their VLANs differ, also beside a host."""
    files = edited(
        small(), POP, ("    switch: sw1\n    port: swp1\n", "    switch: sw1\n    port: swp11\n    vlan: 7\n")
    )
    files = edited(files, POP, ("    switch: sw2\n    port: swp1\n", "    switch: sw1\n    port: swp11\n    vlan: 8\n"))
    assert complaints(files) == []


def test_circuits_share_the_subnet_of_an_exchange() -> None:
    """Two circuits in one subnet with addresses of their own are fine."""
    both = ("local: 203.0.113.2/30, neighbor: 203.0.113.1", "local: 203.0.113.2/24, neighbor: 203.0.113.1")
    files = edited(small(), POP, both, ("local: 203.0.113.6/30", "local: 203.0.113.6/24"))
    assert complaints(files) == []


@pytest.mark.parametrize(("local", "neighbor"), [("203.0.113.6/31", "203.0.113.7"), ("203.0.113.7/31", "203.0.113.6")])
def test_subnets_of_two_have_no_special_addresses(local: str, neighbor: str) -> None:
    """Both addresses of a /31 may be used (RFC 3021)."""
    files = edited(small(), POP, ("203.0.113.6/30", local), ("neighbor: 203.0.113.5", f"neighbor: {neighbor}"))
    assert complaints(files) == []


def test_default_route_via_a_provider_of_the_switch() -> None:
    """The provider of the switch's default route is kept."""
    files = edited(small(), POP, ("  - name: sw1\n", "  - name: sw1\n    default_route_via: northtel\n"))
    assert load(files).pop("pop1").switches[0].default_route_via == "northtel"


@pytest.mark.parametrize(
    ("written", "life_days"), [("pki: ../pki", 30.0), ("pki: {folder: ../pki, life_days: 7}", 7.0)]
)
def test_pki_is_a_folder_or_a_mapping(written: str, life_days: float) -> None:
    """The authority's folder is absolute in the model; a path alone leaves the rest at its default."""
    files = edited(small(), "network.yml", ("ssh:\n", f"{written}\nssh:\n"))
    assert load(files).pki == Pki("/srv/pki", life_days)


@pytest.mark.parametrize("life_days", ["0", "1000", "true", "30d"])
def test_life_of_certificates_has_bounds(life_days: str) -> None:
    """A certificate that never ends, or has ended when it is made, is a mistake in the inventory."""
    files = edited(small(), "network.yml", ("ssh:\n", f"pki: {{folder: ../pki, life_days: {life_days}}}\nssh:\n"))
    (complaint,) = complaints(files)
    assert "pki.life_days: expected a number from 0.01 to 825" in complaint


def test_templates_are_absolute_and_their_yaml_is_not_read() -> None:
    """Files below the templates folder are no part of the inventory, other unknown ones are refused."""
    files = edited(small(), "network.yml", ("ssh:\n", "templates: templates\nssh:\n"))
    assert load({**files, "templates/bird/x.yml": "{"}).templates == "/srv/inventory/templates"
    assert complaints({**files, "template/bird/x.yml": "{"}) == ["a file that is no part of an inventory"]


def test_aliases_stand_for_what_they_name() -> None:
    """YAML's anchors and aliases work."""
    files = edited(small(), "providers.yml", ("relation: transit", "relation: &kind transit"), ("peer", "*kind"))
    assert load(files).provider("meadow").relation == "transit"


def test_numbers_may_be_grouped_and_are_never_octal() -> None:
    """1_000 is a thousand; 010 is refused, since its meaning depends on the YAML version."""
    files = edited(small(), "providers.yml", ("asn: 64496", "asn: 64_496"))
    assert load(files).provider("northtel").asn == 64496
    files = edited(small(), "providers.yml", ("asn: 64496", "asn: 0100"))
    assert complaints(files) == ["providers[0].asn: expected an AS number, found '0100'"]


def test_byte_order_mark_is_no_mistake() -> None:
    """A file that an editor saved with a byte order mark is read like any other."""
    assert load({**small(), "lab.yml": "\ufeff" + small()["lab.yml"]}).lab[0].delay_ms == 10


def test_lab_file_is_optional() -> None:
    """Without lab.yml, or with an empty one, the lab has its defaults."""
    files = small()
    del files["lab.yml"]
    assert load(files).lab == ()
    assert load({**files, "lab.yml": "# nothing\n"}).lab == ()


def test_network_wide_mistakes_are_found_across_files() -> None:
    """A second POP with the circuit ids and addresses of the first is told where those are."""
    files = small()
    found = complaints({**files, "pops/pop2.yml": files[POP].replace("name: pop1", "name: pop2", 1)})
    assert "circuits[0].id: 1 is there twice, first at inventory/pops/pop1.yml:25" in found
    assert any(
        text.startswith("hosts[0].service[0]: address 192.0.2.11 is that of h1.pop1 (service) already")
        for text in found
    )


def test_problems_are_sorted_and_name_the_folder_as_given() -> None:
    """Findings come in the order of files and lines, below the folder as the operator wrote it."""
    files = edited(small(), POP, ("id: 2", "id: x"), ("ipv4: 10.1.1.1/24", "ipv4: x"))
    with pytest.raises(InventoryError) as caught:
        load_inventory({**files, "lab.yml": "x: 1"}, folder="/srv/net", shown="../net")
    places = [(problem.file, problem.line, problem.column) for problem in caught.value.problems]
    assert places == [("../net/lab.yml", 1, 1), ("../net/pops/pop1.yml", 7, 13), ("../net/pops/pop1.yml", 32, 9)]


def test_commit_is_passed_on() -> None:
    """The commit that the inventory stands at is in the model."""
    assert load_inventory(small(), folder="/srv/inventory", commit="abc-dirty").commit == "abc-dirty"


def test_host_may_have_several_addresses_of_a_family() -> None:
    """Service addresses keep their order; the first IPv4 one is the router id."""
    files = edited(small(), POP, ("[192.0.2.11, 2001", "[192.0.2.99, 192.0.2.11, 2001"))
    host = load(files).pop("pop1").hosts[0]
    assert host.service == tuple(map(ip_address, ("192.0.2.99", "192.0.2.11", "2001:db8:1::11")))
    assert host.router_id == "192.0.2.99"
    assert load(files).own_prefixes == (ip_network("192.0.2.0/24"), ip_network("2001:db8:1::/48"))
