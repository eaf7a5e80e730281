"""The rendered configuration of a whole POP with FRR on its devices: what arrives where is what it is with BIRD, save what
docs/frr.md says."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from netorch.model.types import Family
from tests.lab.bird_pop import HOSTS, PROVIDERS, SWITCHES, circuits
from tests.lab.frr_node import canonical
from tests.lab.frr_pop import FrrPop, frr_pop
from tests.lab.pop_routes import TABLES, announces_own_prefix, next_hops, provider_hops
from tests.lab.provider_bird import BAD, COMMON, FOREIGN_NEXT_HOP, SHUT_DOWN, STOLEN, good_routes
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

FAMILIES = pytest.mark.parametrize("family", list(Family), ids=lambda family: family.value)
RELEASES = {
    "frr": {"sw1.pop1": "8.4.4", "sw2.pop1": "10.3", "h1.pop1": "8.4.4", "h2.pop1": "10.3"},
    "mixed": {"sw1.pop1": "10.3", "h2.pop1": "8.4.4"},
}


@pytest.fixture(scope="module", params=list(RELEASES))
def pop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrrPop]:
    """A POP whose hosts have every route; nobody changes it."""
    with frr_pop(tmp_path_factory.mktemp("pop"), RELEASES[request.param]) as running:
        wait_until(
            lambda: all(set(next_hops(running, host, family)) == union(running, host, family) for host, family in ENDS),
            timeout_s=40,
            what="hosts have every route",
        )
        yield running


ENDS = [(host, family) for host in HOSTS for family in Family]


def union(pop: FrrPop, host: str, family: Family) -> set[str]:
    """What the main table of ``host`` is meant to have: what any provider announced, and the other host's service address."""
    last = {"h1.pop1": 12, "h2.pop1": 11}[host]
    other = f"192.0.2.{last}" if family is Family.IPV4 else f"2001:db8:1::{last}"
    return {other, *(prefix for name in PROVIDERS for prefix in good_routes(pop.inventory, name, family))}


def test_every_device_runs_exactly_what_was_rendered(pop: FrrPop) -> None:
    """With sessions up and routes in: the running configuration is the text, and FRR would change nothing."""
    for name, node in pop.nodes.items():
        assert node.running() == canonical((pop.folder / f"{name}.conf").read_text()), name
        assert node.differences().strip() == "", name


def test_stamp_is_read_back_from_every_daemon_that_routes(pop: FrrPop) -> None:
    """zebra and bgpd each tell the stamp that the file carries."""
    for name, node in pop.nodes.items():
        (stamp,) = canonical((pop.folder / f"{name}.conf").read_text())["route-map netorch_stamp deny 1"]
        for daemon in ("zebra", "bgpd"):
            shown = node.run("vtysh", "-d", daemon, "-c", "show route-map netorch_stamp")
            assert stamp.split()[1] in shown


def test_sessions_tell_what_they_are(pop: FrrPop) -> None:
    """FRR shows the session's name first in its description."""
    for name, node in pop.nodes.items():
        shown = json.loads(node.vtysh("show bgp neighbors json"))
        wanted = {str(session.neighbor): f"[{session.name}]" for session in pop.intent.device(name).sessions}
        assert {address: found["nbrDesc"] for address, found in shown.items()} == wanted


def test_bfd_is_up_on_the_fabric(pop: FrrPop) -> None:
    """Between switches and hosts of either daemon, with the timers of the inventory."""
    for name, node in pop.nodes.items():
        booted = {str(s.neighbor) for s in pop.intent.device(name).sessions if s.bfd and s.peer in (*HOSTS, *SWITCHES)}
        peers = {peer["peer"]: peer for peer in json.loads(node.vtysh("show bfd peers json"))}
        for address in booted:
            assert (peers[address]["status"], peers[address]["detect-multiplier"]) == ("up", 5), (name, address)


@FAMILIES
def test_main_table_uses_every_circuit_of_equal_preference(pop: FrrPop, family: Family) -> None:
    """A prefix of a provider with two circuits has both next hops; one that a peer has too goes to the peer alone."""
    for host in HOSTS:
        found = next_hops(pop, host, family)
        assert found[STOLEN[family]] == provider_hops(pop, "northtel", family)
        assert found[COMMON[family]] == provider_hops(pop, "meadow", family)


@FAMILIES
def test_routes_name_the_provider_and_the_service_address(pop: FrrPop, family: Family) -> None:
    """Next hops are providers' global addresses, never link-local ones, and the service address is the source."""
    addresses = set().union(*(provider_hops(pop, provider, family) for provider in PROVIDERS))
    for host in HOSTS:
        source = f"192.0.2.1{host[1]}" if family is Family.IPV4 else f"2001:db8:1::1{host[1]}"
        for number in ("main", *TABLES.values()):
            routes = pop.routes(host, family, number)
            assert {route["prefsrc"] for route in routes.values()} <= {source}
            found = next_hops(pop, host, family, number)
            assert {
                hop for prefix, hops in found.items() if "/" in prefix or prefix == "default" for hop in hops
            } <= addresses


@FAMILIES
def test_table_of_a_transit_provider_leads_to_it(pop: FrrPop, family: Family) -> None:
    """On a host with FRR: a default route through all circuits of a transit provider; a peer has none."""
    for host in set(HOSTS) & set(pop.nodes):
        for provider, number in TABLES.items():
            wanted = {} if provider == "meadow" else {"default": provider_hops(pop, provider, family)}
            assert next_hops(pop, host, family, number) == wanted


@FAMILIES
def test_marked_packets_leave_through_their_provider(pop: FrrPop, family: Family) -> None:
    """A packet with a provider's mark is answered by an address behind it."""
    for host in HOSTS:
        for provider in ("northtel", "southnet"):
            number = pop.inventory.provider(provider).id
            destination = f"20.{number}.0.1" if family is Family.IPV4 else f"2a00:{number}::1"
            got = json.loads(pop.run(host, "ip", "-j", "route", "get", destination, "mark", TABLES[provider]))
            assert got[0]["gateway"] in provider_hops(pop, provider, family)
            assert "1 received" in pop.run(
                host, "ping", "-n", "-c", "1", "-W", "5", "-m", TABLES[provider], destination
            )


@FAMILIES
@pytest.mark.parametrize("switch", SWITCHES)
def test_switch_fib_holds_no_route_of_a_provider(pop: FrrPop, switch: str, family: Family) -> None:
    """The switch's kernel has routes to hosts alone; the shared service prefix goes to both of them."""
    found = next_hops(pop, switch, family)
    prefix, address = ("192.0.2.0/24", "192.0.2.") if family is Family.IPV4 else ("2001:db8:1::/48", "2001:db8:1::")
    assert set(found) == {prefix, f"{address}11", f"{address}12"}
    assert len(found[prefix]) == 2


@FAMILIES
def test_switch_accepts_what_is_good_and_nothing_else(pop: FrrPop, family: Family) -> None:
    """Of each provider exactly the good routes; each did announce the bad ones."""
    for switch in set(SWITCHES) & set(pop.nodes):
        for circuit in circuits(pop.inventory):
            addresses = circuit.addresses(family)
            if circuit.switch == switch and addresses is not None:
                wanted = set(good_routes(pop.inventory, circuit.provider, family))
                assert pop.frr_routes(switch, family, str(addresses.neighbor)) == wanted
                sent = set(pop.bird_routes(circuit.provider, f"protocol announced{family.number}"))
                assert {*BAD[family], FOREIGN_NEXT_HOP[family]} <= sent


@FAMILIES
def test_communities_are_ours_and_graceful_shutdown_is_honoured(pop: FrrPop, family: Family) -> None:
    """Foreign claims to our communities are replaced by what the circuit says; a shut-down route has preference 0."""
    (path,) = pop.shown("sw1.pop1", STOLEN[family])["paths"]
    assert path["largeCommunity"]["string"] == "64500:1:1 64500:2:1 64500:3:5"
    hop = provider_hops(pop, "northtel", family)
    paths = pop.shown("sw1.pop1", SHUT_DOWN[family])["paths"]
    preferences = {each["locPrf"] for each in paths if {n["ip"] for n in each["nexthops"]} & hop}
    assert preferences == {0}


@FAMILIES
@pytest.mark.parametrize("provider", PROVIDERS)
def test_providers_get_own_prefixes_and_nothing_else(pop: FrrPop, provider: str, family: Family) -> None:
    """Every session to a provider announces the service prefix, with the switch as next hop and no community."""
    announces_own_prefix(pop, provider, family)


def test_hosts_reach_each_other(pop: FrrPop) -> None:
    """A host's service address answers another host's."""
    assert "1 received" in pop.run("h1.pop1", "ping", "-n", "-c", "1", "-W", "5", "-I", "192.0.2.11", "192.0.2.12")


def test_routes_of_others_are_left_alone(pop: FrrPop) -> None:
    """The management default route is still there."""
    for host in HOSTS:
        routes = json.loads(pop.run(host, "ip", "-j", "route", "show", "default"))
        assert [(route["gateway"], route["dev"]) for route in routes] == [("198.18.1.1", "mgmt0")]


@pytest.mark.parametrize("is_short", [False, True], ids=["long", "short"])
def test_next_hops_come_back_with_the_carrier(pop: FrrPop, *, is_short: bool) -> None:
    """A host whose uplink was without carrier, for a moment or until its sessions were gone, has every next hop again."""
    frr_hosts = sorted(set(HOSTS) & set(pop.nodes))
    switch, before = SWITCHES[0], {host: every_hop(pop, host) for host in frr_hosts}
    uplinks = [u for host in pop.inventory.pop("pop1").hosts if host.name in frr_hosts for u in host.uplinks]
    ports = [uplink.port for uplink in uplinks if uplink.switch == switch]

    def set_ports(*states: str) -> None:
        script = "\n".join(f"link set {port} {state}" for state in states for port in ports)
        pop.run(switch, "sh", "-c", f"echo '{script}' | ip -batch -")

    if is_short:
        set_ports("down", "up")
    else:
        set_ports("down")
        try:
            wait_until(
                lambda: not any(has_reflector(pop, host, switch) for host in frr_hosts),
                timeout_s=40,
                what="all have lost it",
            )
            wait_until(
                lambda: all(every_hop(pop, host) != before[host] for host in frr_hosts),
                timeout_s=20,
                what="routes are gone",
            )
        finally:
            set_ports("up")
    for host, wanted in before.items():
        wait_until(
            lambda host=host, wanted=wanted: every_hop(pop, host) == wanted,  # type: ignore[misc]
            timeout_s=60,
            what=f"{host} has every next hop again",
        )


def every_hop(pop: FrrPop, host: str) -> dict[tuple[Family, str], dict[str, set[str]]]:
    """The next hops of the host's routes, by family and table."""
    tables = ("main", TABLES["northtel"], TABLES["southnet"])
    return {(family, table): next_hops(pop, host, family, table) for family in Family for table in tables}


def has_reflector(pop: FrrPop, host: str, switch: str) -> bool:
    """Whether any session of the host with ``switch`` is established."""
    sessions = [session for session in pop.intent.device(host).sessions if session.peer == switch]
    found = json.loads(pop.nodes[host].vtysh("show bgp neighbors json"))
    return any(found[str(session.neighbor)]["bgpState"] == "Established" for session in sessions)
