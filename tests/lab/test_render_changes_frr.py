"""The rendered configuration of FRR switches while things change, loaded by frr-reload: what moves, and what does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_network

import pytest

from netorch.model.intent import PrefixExport, Session
from netorch.model.types import Family
from netorch.plan import frr
from tests.lab.bird_pop import SWITCHES
from tests.lab.frr_pop import FrrPop, frr_pop
from tests.lab.pop_routes import next_hops, provider_hops
from tests.lab.provider_bird import STOLEN
from tests.lab.test_render_changes import drained, with_communities, with_low_limit, with_sessions
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

RELEASES = {"sw1.pop1": "8.4.4", "sw2.pop1": "10.3", "h1.pop1": "10.3"}
SERVICE_PREFIX = "192.0.2.0/24"
SERVICE_PREFIX_V6 = ip_network("2001:db8:1::/48")
SHARED = STOLEN[Family.IPV4]


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrrPop]:
    with frr_pop(tmp_path_factory.mktemp("pop"), RELEASES) as running:
        yield running


@pytest.fixture
def pop(booted: FrrPop) -> FrrPop:
    """The POP as it was deployed, whatever the test before left."""
    for name in SWITCHES:
        booted.configure(booted.intent.device(name))
    both = provider_hops(booted, "northtel", Family.IPV4)
    wait_until(booted.all_up, timeout_s=60, what="every session is up")
    wait_until(lambda: next_hops(booted, "h1.pop1", Family.IPV4).get(SHARED) == both, what="h1 is on both circuits")
    return booted


def starts(pop: FrrPop, node: str) -> dict[str, int]:
    """How often each session of ``node`` came up so far."""
    found = json.loads(pop.nodes[node].vtysh("show bgp neighbors json"))
    names = {str(address): name for address, name in pop.names(node).items()}
    return {names[address]: session["connectionsEstablished"] for address, session in found.items()}


def change(pop: FrrPop, node: str, amend: Callable[[Session], Session]) -> set[str]:
    """Load what ``amend`` makes of the sessions of ``node``; the sessions that plans foresee to be reset."""
    device = pop.intent.device(node)
    changed = with_sessions(device, amend)
    foreseen = frr.foresee_resets(pop.sealed(device), pop.sealed(changed))
    pop.configure(changed)
    assert pop.nodes[node].differences().strip() == ""
    return {reset.session for reset in foreseen}


def only(name: str, **changes: object) -> Callable[[Session], Session]:
    return lambda session: replace(session, **changes) if session.name == name else session  # type: ignore[arg-type]


def test_same_configuration_changes_nothing(pop: FrrPop) -> None:
    """Loading what runs executes no command and leaves every session as it is."""
    for node in SWITCHES:
        before = starts(pop, node)
        assert change(pop, node, lambda session: session) == set()
        log = pop.configure(pop.intent.device(node))
        assert "Executed" not in log
        assert starts(pop, node) == before
        assert pop.is_up(node)


def test_drain_moves_traffic_and_resets_no_session(pop: FrrPop) -> None:
    """Graceful shutdown out and preference 0 in: the provider sees the community, hosts see the preference."""
    before = {node: starts(pop, node) for node in SWITCHES}
    assert [change(pop, node, drained) for node in SWITCHES] == [set(), set()]
    wait_until(
        lambda: pop.birdc("northtel", f"show route {SERVICE_PREFIX} all").count("(65535,0)") == 2,
        what="northtel sees the community on both circuits",
    )
    wait_until(
        lambda: [path["locPrf"] for path in pop.shown("h1.pop1", SHARED)["paths"]] == [0, 0],
        what="h1 has preference 0 for what northtel sends",
    )
    assert {node: starts(pop, node) for node in SWITCHES} == before


def test_closed_session_tells_why_and_others_stay(pop: FrrPop) -> None:
    """A session that is not enabled goes down with its message and its routes; no other session notices."""
    before = starts(pop, "sw1.pop1")
    closing = only("northtel_1_v4", enabled=False, shutdown_message='maintenance "tonight"; | }')
    assert change(pop, "sw1.pop1", closing) == {"northtel_1_v4"}
    wait_until(lambda: pop.sessions("sw1.pop1")["northtel_1_v4"].state == "down", what="the session is down")
    assert 'maintenance "tonight"; / }' in pop.birdc("northtel", "show protocols all c1_v4")
    assert starts(pop, "sw1.pop1") == before
    assert all(
        s.state == "up" for n, s in pop.sessions("sw1.pop1").items() if n[:2] not in ("h3",) and n != "northtel_1_v4"
    )
    wait_until(
        lambda: next_hops(pop, "h1.pop1", Family.IPV4)[SHARED] == {"203.0.113.5"},
        what="h1 uses the other circuit alone",
    )


def test_password_restarts_its_session_alone(pop: FrrPop) -> None:
    """A session whose password is not the neighbour's stays down, as plans foresee, and comes up with the right one."""
    before = starts(pop, "sw2.pop1")
    assert change(pop, "sw2.pop1", only("southnet_3_v4", password=None)) == {"southnet_3_v4"}
    wait_until(lambda: pop.sessions("sw2.pop1")["southnet_3_v4"].state != "up", what="the session is down")
    pop.configure(pop.intent.device("sw2.pop1"))
    wait_until(lambda: pop.is_up("sw2.pop1"), timeout_s=90, what="the session is up with the password")
    after = starts(pop, "sw2.pop1")
    assert after.pop("southnet_3_v4") > before.pop("southnet_3_v4")
    assert after == before


def test_too_many_prefixes_close_the_session(pop: FrrPop) -> None:
    """A provider that sends more than its limit is closed and stays so; the other family stays up."""
    change(pop, "sw1.pop1", with_low_limit)
    wait_until(lambda: pop.sessions("sw1.pop1")["meadow_4_v4"].state == "down", what="the session is closed")
    assert pop.sessions("sw1.pop1")["meadow_4_v6"].state == "up"
    pop.configure(pop.intent.device("sw1.pop1"))
    pop.nodes["sw1.pop1"].vtysh("clear bgp ipv4 203.0.113.13")


def test_export_policy_is_what_the_provider_sees(pop: FrrPop) -> None:
    """Communities, large communities and prepends of the policy are on the announcement."""
    assert change(pop, "sw1.pop1", with_communities) == set()
    wait_until(
        lambda: "BGP.as_path: 64500 64500 64500\n" in pop.birdc("meadow", "show route protocol c4_v4 all"),
        what="the prepended path arrives",
    )
    shown = pop.birdc("meadow", "show route protocol c4_v4 all")
    assert "BGP.community: (64498,7)\n" in shown
    assert "BGP.large_community: (64498, 1, 2)\n" in shown


def without_ipv4_and_with_more_ipv6(session: Session) -> Session:
    """Meadow hears the IPv6 prefix with communities and a longer path, beside what all prefixes get, and no IPv4 prefix."""
    if session.export_policy is None or session.peer != "meadow":
        return session
    mine = PrefixExport(SERVICE_PREFIX_V6, prepend=1, communities=((64498, 8),), large_communities=((64498, 1, 3),))
    policy = with_communities(session).export_policy
    assert policy is not None
    policy = policy.with_prefix(mine).with_prefix(PrefixExport(ip_network(SERVICE_PREFIX), withheld=True))
    return replace(session, export_policy=policy)


def test_single_prefixes_are_withheld_or_announced_otherwise(pop: FrrPop) -> None:
    """What is asked for one prefix is on its announcement beside what is for all, and a withheld one is gone."""
    assert change(pop, "sw1.pop1", without_ipv4_and_with_more_ipv6) == set()
    wait_until(lambda: pop.bird_routes("meadow", "protocol c4_v4") == [], what="the IPv4 prefix is gone")
    wait_until(
        lambda: "BGP.as_path: 64500 64500 64500 64500\n" in pop.birdc("meadow", "show route protocol c4_v6 all"),
        what="the prepended path arrives",
    )
    shown = pop.birdc("meadow", "show route protocol c4_v6 all")
    assert "BGP.community: (64498,7) (64498,8)\n" in shown
    assert "BGP.large_community: (64498, 1, 2) (64498, 1, 3)\n" in shown
    pop.configure(pop.intent.device("sw1.pop1"))
    wait_until(lambda: pop.bird_routes("meadow", "protocol c4_v4") == [SERVICE_PREFIX], what="the IPv4 prefix is back")
    assert "BGP.community" not in pop.birdc("meadow", "show route protocol c4_v4 all")


def test_default_route_stays_on_the_switch(pop: FrrPop) -> None:
    """The default route of the named provider is in the switch's FIB and nowhere else; no other route of it is."""
    for node, family, gateway in (
        ("sw1.pop1", Family.IPV4, "203.0.113.1"),
        ("sw1.pop1", Family.IPV6, "2001:db8:c:1::1"),
        ("sw2.pop1", Family.IPV4, "203.0.113.5"),
    ):
        device = pop.intent.device(node)
        pop.configure(replace(device, default_route_via="northtel"))
        wait_until(
            lambda node=node, family=family: "default" in next_hops(pop, node, family),  # type: ignore[misc]
            what=f"{node} has a default route",
        )
        found = next_hops(pop, node, family)
        assert found["default"] == {gateway}
        assert len(found) == 4
        assert "default" not in next_hops(pop, "h1.pop1", family)
