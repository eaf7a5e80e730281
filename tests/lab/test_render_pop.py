"""The rendered configuration of a whole POP, in real BIRDs: what arrives where, and what does not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from netorch.model.types import Family
from tests.lab.bird_pop import HOSTS, PROVIDERS, SWITCHES, Pop, booted_pop
from tests.lab.pop_routes import TABLES, announces_own_prefix, is_complete, next_hops, provider_hops
from tests.lab.provider_bird import BAD, COMMON, FOREIGN_NEXT_HOP, SHUT_DOWN, STOLEN, good_routes
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

FAMILIES = pytest.mark.parametrize("family", list(Family), ids=lambda family: family.value)


@pytest.fixture(scope="module")
def pop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pop]:
    """A POP whose hosts have every route; nobody changes it."""
    with booted_pop(tmp_path_factory.mktemp("pop")) as running:
        wait_until(
            lambda: all(is_complete(running, host) for host in HOSTS), timeout_s=30, what="hosts have every route"
        )
        yield running


@pytest.mark.parametrize("node", [*SWITCHES, *HOSTS])
def test_every_session_is_up(pop: Pop, node: str) -> None:
    """Sessions of both families are established between switches, providers and hosts, one of them with a password."""
    assert pop.is_up(node)


@FAMILIES
@pytest.mark.parametrize("provider", PROVIDERS)
def test_provider_table_holds_exactly_what_the_provider_announced(pop: Pop, provider: str, family: Family) -> None:
    """A provider's table on a host has its good prefixes, none of the bad ones and none of anybody else's."""
    wanted = good_routes(pop.inventory, provider, family)
    for host in HOSTS:
        assert set(pop.routes(host, family, TABLES[provider])) == set(wanted)


@FAMILIES
def test_main_table_is_the_union(pop: Pop, family: Family) -> None:
    """The main table has what any provider announced, and the other host's service address."""
    wanted = {prefix for provider in PROVIDERS for prefix in good_routes(pop.inventory, provider, family)}
    other = "192.0.2.12" if family is Family.IPV4 else "2001:db8:1::12"
    assert set(pop.routes("h1.pop1", family)) == {*wanted, other}


@FAMILIES
def test_main_table_uses_every_circuit_of_equal_preference(pop: Pop, family: Family) -> None:
    """A prefix of a provider with two circuits has both next hops; one that a peer has too goes to the peer alone."""
    found = next_hops(pop, "h1.pop1", family)
    assert found[STOLEN[family]] == provider_hops(pop, "northtel", family)
    assert found[COMMON[family]] == provider_hops(pop, "meadow", family)


@FAMILIES
def test_routes_name_the_provider_and_the_service_address(pop: Pop, family: Family) -> None:
    """Next hops are providers' global addresses, never link-local ones, and the service address is the source."""
    addresses = set().union(*(provider_hops(pop, provider, family) for provider in PROVIDERS))
    source = "192.0.2.11" if family is Family.IPV4 else "2001:db8:1::11"
    for number in TABLES.values():
        assert set().union(*next_hops(pop, "h1.pop1", family, number).values()) <= addresses
        assert {route["prefsrc"] for route in pop.routes("h1.pop1", family, number).values()} == {source}


@FAMILIES
@pytest.mark.parametrize("switch", SWITCHES)
def test_switch_fib_holds_no_route_of_a_provider(pop: Pop, switch: str, family: Family) -> None:
    """The switch's kernel has routes to hosts alone; the shared service prefix goes to both of them."""
    found = next_hops(pop, switch, family)
    own = [prefix for prefix in pop.inventory.own_prefixes if prefix.version == family.number]
    assert all(any(ip_address(destination.split("/")[0]) in prefix for prefix in own) for destination in found)
    prefix = "192.0.2.0/24" if family is Family.IPV4 else "2001:db8:1::/48"
    assert len(found) == 3
    assert len(found[prefix]) == 2


@FAMILIES
@pytest.mark.parametrize("switch", SWITCHES)
def test_switch_refuses_every_bad_route(pop: Pop, switch: str, family: Family) -> None:
    """Nothing that must be refused is in the switch's own tables; each provider did announce it."""
    bad = {*BAD[family], FOREIGN_NEXT_HOP[family]}
    announced = set(pop.bird_routes("northtel", f"protocol announced{family.number}"))
    assert bad <= announced
    assert bad & set(pop.bird_routes(switch, f"table master{family.number}")) == set()


@FAMILIES
def test_foreign_claims_to_our_communities_are_taken_away(pop: Pop, family: Family) -> None:
    """A large community of our own that a provider sends is replaced by what the circuit says."""
    shown = pop.birdc("sw1.pop1", f"show route for {STOLEN[family]} all")
    assert re.findall(r"BGP.large_community: (.*)", shown) == ["(64500, 1, 1) (64500, 2, 1) (64500, 3, 5)"]


@FAMILIES
def test_graceful_shutdown_of_a_provider_is_honoured(pop: Pop, family: Family) -> None:
    """A route with the graceful-shutdown community has preference 0, so that others win."""
    shown = pop.birdc("sw2.pop1", f"show route for {SHUT_DOWN[family]} all protocol northtel_2_v{family.number}")
    assert "BGP.local_pref: 0" in shown
    assert next_hops(pop, "h1.pop1", family)[SHUT_DOWN[family]] == provider_hops(pop, "meadow", family)


@FAMILIES
@pytest.mark.parametrize("provider", PROVIDERS)
def test_providers_get_own_prefixes_and_nothing_else(pop: Pop, provider: str, family: Family) -> None:
    """Every session to a provider announces the service prefix, with the switch as next hop and no community."""
    announces_own_prefix(pop, provider, family)


@FAMILIES
@pytest.mark.parametrize("provider", PROVIDERS)
def test_marked_packets_leave_through_their_provider(pop: Pop, provider: str, family: Family) -> None:
    """A packet with a provider's mark is answered by an address behind it, with the provider's next hop."""
    number = pop.inventory.provider(provider).id
    destination = f"20.{number}.0.1" if family is Family.IPV4 else f"2a00:{number}::1"
    source = "192.0.2.11" if family is Family.IPV4 else "2001:db8:1::11"
    got = pop.run("h1.pop1", "ip", "-j", "route", "get", destination, "mark", TABLES[provider])
    assert json.loads(got)[0]["gateway"] in provider_hops(pop, provider, family)
    command = ["ping", "-n", "-c", "1", "-W", "5", "-m", TABLES[provider], "-I", source, destination]
    assert "1 received" in pop.run("h1.pop1", *command)


def test_hosts_reach_each_other(pop: Pop) -> None:
    """A host's service address answers another host's."""
    assert "1 received" in pop.run("h1.pop1", "ping", "-n", "-c", "1", "-W", "5", "-I", "192.0.2.11", "192.0.2.12")


def test_routes_of_others_are_left_alone(pop: Pop) -> None:
    """The management default route is still there, and the BIRD of the host knows nothing of it."""
    routes = json.loads(pop.run("h1.pop1", "ip", "-j", "route", "show", "default"))
    assert [(route["gateway"], route["dev"]) for route in routes] == [("198.18.1.1", "mgmt0")]
    assert pop.bird_routes("h1.pop1", "table master4 protocol kernel_ipv4") == []


def test_service_addresses_are_invisible_to_arp(pop: Pop) -> None:
    """A host answers ARP on the fabric for its fabric address and not for its service address."""
    asked = ["ip", "neigh", "show", "dev", "br0"]
    pop.run("sw1.pop1", "ip", "route", "add", "192.0.2.11/32", "dev", "br0", "table", "77")
    pop.run("sw1.pop1", "ip", "rule", "add", "fwmark", "77", "table", "77")
    with pytest.raises(AssertionError):
        pop.run("sw1.pop1", "ping", "-n", "-c", "1", "-W", "2", "-m", "77", "192.0.2.11")
    entries = {line.split()[0]: line for line in pop.run("sw1.pop1", *asked).splitlines()}
    assert "lladdr" in entries["10.1.1.11"]
    assert "lladdr" not in entries.get("192.0.2.11", "")


@pytest.mark.parametrize("node", [*SWITCHES, *HOSTS])
def test_stamp_of_the_live_configuration_is_that_of_the_file(pop: Pop, node: str) -> None:
    """BIRD tells the stamp that the rendered file carries."""
    stamp = re.search(r'define NETORCH_STAMP = "([0-9a-f]{16})";', pop.sealed(pop.intent.device(node)))
    assert stamp is not None
    assert stamp.group(1) in pop.birdc(node, "eval NETORCH_STAMP")
