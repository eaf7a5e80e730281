"""The first deploy of a fresh POP: sessions, tables, frames."""

from __future__ import annotations

import json

import pytest

from netorch.lab import expected_prefixes, provider_interface
from netorch.model.types import Family
from tests.lab.capture import IPV4, IPV6
from tests.lab.deployed_pop import (
    HOSTS,
    PROVIDERS,
    SERVICE_PREFIX,
    SWITCHES,
    FirstDeploy,
    Hops,
    Way,
    announced_to,
    bgp_states,
    circuits,
    expected_provider_table,
    host_macs,
    host_of,
    kernel_routes,
    mac,
    mark,
    only_behind,
    provider_macs,
    service,
)

pytestmark = pytest.mark.lab

FAMILIES = pytest.mark.parametrize("family", list(Family), ids=lambda family: family.value)
EACH_HOST = pytest.mark.parametrize("host", HOSTS)
EACH_PROVIDER = pytest.mark.parametrize("provider", PROVIDERS)


def test_before_it_changes_are_pending(first_deploy: FirstDeploy) -> None:
    """The plan of a fresh POP exits 2 and announces the mirror as a later step, since no switch knows a MAC yet."""
    assert first_deploy.before.code == 2
    waiting = [line for line in first_deploy.before.out.splitlines() if line.startswith("later: ")]
    assert [line.split(": ")[1] for line in waiting] == list(HOSTS)
    assert all("203.0.113.1 (northtel)" in line for line in waiting)
    assert "nud permanent" not in first_deploy.before.out


def test_it_succeeds(first_deploy: FirstDeploy) -> None:
    """Deploy exits 0, and says of every device that it changed."""
    said = first_deploy.deploy
    assert said.code == 0, said.out + said.err
    assert said.out.splitlines()[-1] == "5 changed"


def test_it_waits_for_the_mirror(first_deploy: FirstDeploy) -> None:
    """Hosts have every provider's MAC when it ends, and it is the agents that put them there: no step of its own is needed."""
    assert "the step that had to wait:" not in first_deploy.deploy.out
    assert "nud permanent" not in first_deploy.deploy.out
    assert "once the host's agent has it" in first_deploy.deploy.err or "has resolved it" in first_deploy.deploy.err
    rows = first_deploy.netorch("arp", "show", "pop1", "-o", "json").document[0]["rows"]
    assert {(row["verdict"], row["source"]) for row in rows} == {("mirrored", "agent")}


@pytest.mark.parametrize(("switch", "count"), [("sw1.pop1", 10), ("sw2.pop1", 10)])
def test_every_session_of_a_switch_is_up(pop: FirstDeploy, switch: str, count: int) -> None:
    """Two circuits and three hosts, in two families each, are Established."""
    states = bgp_states(pop.lab, switch)
    assert len(states) == count
    assert set(states.values()) == {"Established"}


@EACH_HOST
def test_every_session_of_a_host_is_up(pop: FirstDeploy, host: str) -> None:
    """Both reflectors, in both families, are Established."""
    states = bgp_states(pop.lab, host)
    assert len(states) == 4
    assert set(states.values()) == {"Established"}


def test_providers_see_their_sessions_up(pop: FirstDeploy) -> None:
    """At the far end every session of the POP's circuits is Established, that with a password among them."""
    for circuit in circuits(pop.lab.inventory):
        states = bgp_states(pop.lab, circuit.provider)
        for family in Family:
            assert states[f"circuit{circuit.id}_{family.number}"] == "Established"


@FAMILIES
@EACH_PROVIDER
@EACH_HOST
def test_provider_table_is_exact(pop: FirstDeploy, host: str, provider: str, family: Family) -> None:
    """A provider's table on a host holds what it announced and policy accepts, over all its circuits; nothing else."""
    found = kernel_routes(pop.lab, host, family, mark(pop.lab.inventory, provider))
    assert _differences(found, expected_provider_table(pop.lab.inventory, provider, family)) == []


@FAMILIES
@EACH_HOST
def test_main_table_is_the_union(pop: FirstDeploy, host: str, family: Family) -> None:
    """BIRD's routes in the main table are the union, over every circuit of equal rank, and the other hosts' services."""
    found = kernel_routes(pop.lab, host, family, "main", proto="bird")
    others = {service(pop.lab.inventory, other, family) for other in HOSTS if other != host}
    assert {str(prefix.network_address) for prefix in found if prefix.prefixlen == family.host_length} == others
    found = {prefix: hops for prefix, hops in found.items() if str(prefix.network_address) not in others}
    assert _differences(found, pop.main_tables[family]) == []


@FAMILIES
@EACH_PROVIDER
def test_bad_routes_were_announced_and_are_nowhere(pop: FirstDeploy, provider: str, family: Family) -> None:
    """Routes that must be refused reach the switch, and no table of any device."""
    _, bad = expected_prefixes(pop.lab.inventory, provider, family)
    assert len(bad) > 8
    circuit = circuits(pop.lab.inventory, provider)[0]
    session = f"{provider}_{circuit.id}_v{family.number}"
    shown = pop.lab.run(circuit.switch, "birdc", "show", "protocols", "all", session)
    updates = next(line.split() for line in shown.splitlines() if "Import updates:" in line)
    assert int(updates[4]) >= len(bad) - 1, (
        "BIRD counts what its filter refused; a path with our own ASN is not counted"
    )
    for host in HOSTS:
        own = {str(prefix) for prefix in kernel_routes(pop.lab, host, family, "main", proto="bird")}
        assert own & {str(prefix) for prefix in bad} == set()


@EACH_HOST
def test_next_hops_have_permanent_macs(pop: FirstDeploy, host: str) -> None:
    """Every provider's address is a permanent neighbour with the provider's own MAC, in both families."""
    shown = json.loads(pop.lab.run(host, "ip", "-j", "neigh", "show", "nud", "permanent"))
    assert {entry["dst"]: entry["lladdr"] for entry in shown} == provider_macs(pop.lab)


@pytest.mark.parametrize("switch", SWITCHES)
def test_switch_fib_stays_small(pop: FirstDeploy, switch: str) -> None:
    """All kernel tables of a switch, both families together, hold under 100 routes, and none from outside."""
    tables = [
        json.loads(pop.lab.run(switch, "ip", "-j", f"-{family.number}", "route", "show", "table", "all"))
        for family in Family
    ]
    assert sum(map(len, tables)) < 100
    for family in Family:
        found = kernel_routes(pop.lab, switch, family, "main", proto="bird")
        accepted = pop.main_tables[family]
        assert not found.keys() & accepted.keys()
        assert str(next(iter(sorted(found, key=lambda p: p.prefixlen)))) == SERVICE_PREFIX[family]


def test_providers_get_the_service_prefixes_only(pop: FirstDeploy) -> None:
    """Each session announces the POP's prefix of its family, and nothing else."""
    for circuit in circuits(pop.lab.inventory):
        for family in Family:
            assert announced_to(pop.lab, circuit, family) == [SERVICE_PREFIX[family]]


@FAMILIES
@EACH_PROVIDER
@EACH_HOST
def test_marked_packets_are_answered(first_deploy: FirstDeploy, host: str, provider: str, family: Family) -> None:
    """A ping from the service address with a provider's mark, to what it alone announces, comes back."""
    assert first_deploy.reached[Way(host, provider, family)]


@FAMILIES
@EACH_PROVIDER
@EACH_HOST
def test_marked_connections_enter_by_their_provider(
    first_deploy: FirstDeploy, host: str, provider: str, family: Family
) -> None:
    """A TCP connection with a provider's mark, to what all announce, comes into the Internet through that provider."""
    assert first_deploy.entered[Way(host, provider, family)] == provider


@FAMILIES
@EACH_PROVIDER
def test_frames_leave_with_the_providers_mac(first_deploy: FirstDeploy, provider: str, family: Family) -> None:
    """At the provider's ports the hosts' frames carry the port's own MAC as destination and a host's as source."""
    lab = first_deploy.lab
    target = only_behind(lab.inventory, provider, family)
    seen = 0
    for circuit in circuits(lab.inventory, provider):
        port = provider_interface(circuit)
        frames = first_deploy.captures[provider, port].where(
            ethertype=IPV4 if family is Family.IPV4 else IPV6, target_ip=target
        )
        seen += len(frames)
        assert {frame.destination for frame in frames} <= {mac(lab, provider, port)}
        assert {frame.source for frame in frames} <= host_macs(lab)
    assert seen >= len(HOSTS)


def test_no_host_speaks_arp_or_nd_to_a_provider(first_deploy: FirstDeploy) -> None:
    """From before the deploy until after the traffic, no ARP or ND of a host reaches a provider's port."""
    lab = first_deploy.lab
    hosts = host_macs(lab)
    for circuit in circuits(lab.inventory):
        frames = first_deploy.captures[circuit.provider, provider_interface(circuit)].frames
        assert any(frame.resolves for frame in frames), "the switch's own were seen"
        assert [frame for frame in frames if frame.resolves and frame.source in hosts] == []


@EACH_HOST
def test_no_host_ever_asks_for_a_provider(first_deploy: FirstDeploy, host: str) -> None:
    """No ARP or ND request for a provider's address leaves an uplink."""
    lab = first_deploy.lab
    addresses = provider_macs(lab).keys()
    for uplink in host_of(lab.inventory, host).uplinks:
        frames = first_deploy.captures[host, uplink.interface].frames
        own = mac(lab, host, uplink.interface)
        asked = {str(frame.target_ip) for frame in frames if frame.resolves and frame.source == own}
        assert asked, "requests for other addresses were seen"
        assert asked & addresses == set()


def _differences(found: Hops, wanted: Hops) -> list[str]:
    """At most ten, in words: a whole table would drown them."""
    missing = [f"missing {prefix}" for prefix in wanted.keys() - found.keys()]
    extra = [f"extra {prefix} via {sorted(found[prefix])}" for prefix in found.keys() - wanted.keys()]
    other = [
        f"{prefix} via {sorted(found[prefix])}, expected {sorted(hops)}"
        for prefix, hops in wanted.items()
        if prefix in found and found[prefix] != hops
    ]
    return [*missing[:4], *extra[:3], *other[:3]]
