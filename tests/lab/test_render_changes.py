"""The rendered configuration of a POP while things change: drains, closed sessions, losses, limits."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from netorch.model.intent import DeviceIntent, Intent, Session
from netorch.model.types import Family
from tests.lab.bird_pop import HOSTS, Pop, booted_pop, mirror
from tests.lab.pop_routes import TABLES, is_complete, next_hops, provider_hops
from tests.lab.provider_bird import STOLEN, good_routes
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

GRACEFUL_SHUTDOWN = (65535, 0)
SERVICE_PREFIX = "192.0.2.0/24"


def complete(pop: Pop) -> None:
    """Wait until both hosts have every route."""
    wait_until(lambda: all(is_complete(pop, host) for host in HOSTS), timeout_s=30, what="hosts have every route")


def settled(pop: Pop, node: str) -> None:
    """Wait until no protocol of ``node`` is being reconfigured or reloaded."""
    wait_until(
        lambda: "Daemon is up and running" in pop.birdc(node, "show status"), what=f"{node} has its new configuration"
    )


def with_sessions(device: DeviceIntent, change: Callable[[Session], Session]) -> DeviceIntent:
    return replace(device, sessions=tuple(change(session) for session in device.sessions))


def with_communities(session: Session) -> Session:
    """What a policy for exports to meadow makes of a session."""
    if session.export_policy is None or session.peer != "meadow":
        return session
    policy = replace(session.export_policy, communities=((64498, 7),), large_communities=((64498, 1, 2),), prepend=2)
    return replace(session, export_policy=policy)


def with_low_limit(session: Session) -> Session:
    """Meadow's IPv4 session with a limit that what it announces exceeds."""
    if session.name != "meadow_4_v4" or session.import_policy is None:
        return session
    limits = replace(session.import_policy.limits, max_prefixes=2)
    return replace(session, import_policy=replace(session.import_policy, limits=limits))


def drained(session: Session) -> Session:
    """What a drain of northtel makes of a session."""
    if session.peer != "northtel" or session.import_policy is None or session.export_policy is None:
        return session
    return replace(
        session,
        import_policy=replace(session.import_policy, local_preference=0),
        export_policy=replace(session.export_policy, communities=(GRACEFUL_SHUTDOWN,)),
    )


def test_same_configuration_resets_nothing(tmp_path: Path) -> None:
    """Loading the configuration that is live already leaves every protocol as it is."""
    with booted_pop(tmp_path) as pop:
        for node in ("sw1.pop1", "h1.pop1"):
            before = pop.protocols(node)
            pop.configure(pop.intent.device(node))
            settled(pop, node)
            assert pop.protocols(node) == before
            assert "Restarting" not in pop.log(node)


def test_drain_moves_traffic_and_resets_no_session(tmp_path: Path) -> None:
    """Graceful shutdown out and preference 0 in: hosts leave the provider, its own table stays, no session restarts."""
    with booted_pop(tmp_path) as pop:
        complete(pop)
        before = {node: pop.protocols(node) for node in ("sw1.pop1", "sw2.pop1")}
        shared = STOLEN[Family.IPV4]
        assert next_hops(pop, "h1.pop1", Family.IPV4)[shared] == provider_hops(pop, "northtel", Family.IPV4)
        for node in before:
            pop.configure(with_sessions(pop.intent.device(node), drained))
        wait_until(
            lambda: pop.birdc("northtel", f"show route {SERVICE_PREFIX} all").count("(65535,0)") == 2,
            what="northtel sees the community on both circuits",
        )
        wait_until(
            lambda: pop.birdc("h1.pop1", f"show route {shared} all table master4").count("local_pref: 0") == 2,
            what="h1 has preference 0 for what northtel sends",
        )
        assert set(pop.routes("h1.pop1", Family.IPV4, TABLES["northtel"])) == set(
            good_routes(pop.inventory, "northtel", Family.IPV4)
        )
        assert {node: pop.protocols(node) for node in before} == before


def test_undrained_session_is_as_it_was(tmp_path: Path) -> None:
    """After drain and undrain the provider sees no community and hosts have the former next hops."""
    with booted_pop(tmp_path) as pop:
        complete(pop)
        before = next_hops(pop, "h1.pop1", Family.IPV4)
        device = pop.intent.device("sw1.pop1")
        pop.configure(with_sessions(device, drained))
        wait_until(lambda: next_hops(pop, "h1.pop1", Family.IPV4) != before, what="h1 moves away from one circuit")
        pop.configure(device)
        wait_until(lambda: next_hops(pop, "h1.pop1", Family.IPV4) == before, what="h1 is back on both circuits")
        wait_until(
            lambda: "(65535,0)" not in pop.birdc("northtel", f"show route {SERVICE_PREFIX} all"),
            what="the community is gone",
        )


def test_closed_session_is_down_and_others_stay(tmp_path: Path) -> None:
    """A session that is not enabled goes down with its routes; no other session notices."""
    with booted_pop(tmp_path) as pop:
        complete(pop)
        before = pop.protocols("sw1.pop1")

        def close(session: Session) -> Session:
            if session.name != "northtel_1_v4":
                return session
            return replace(session, enabled=False, shutdown_message='maintenance "tonight"; }')

        pop.configure(with_sessions(pop.intent.device("sw1.pop1"), close))
        wait_until(lambda: pop.protocols("sw1.pop1")["northtel_1_v4"][0] == "down", what="the session is down")
        after = pop.protocols("sw1.pop1")
        assert {**after, "northtel_1_v4": None} == {**before, "northtel_1_v4": None}
        wait_until(
            lambda: next_hops(pop, "h1.pop1", Family.IPV4)[STOLEN[Family.IPV4]] == {"203.0.113.5"},
            what="h1 uses the other circuit alone",
        )


def unsigned_segments(pop: Pop, node: str) -> int:
    """How many TCP segments of its sessions with passwords the kernel of ``node`` dropped for want of a signature."""
    lines = [
        line.split() for line in pop.run(node, "cat", "/proc/net/netstat").splitlines() if line.startswith("TcpExt:")
    ]
    return int(dict(zip(*lines, strict=True))["TCPMD5NotFound"])


def test_password_is_needed(tmp_path: Path) -> None:
    """A session whose password is not the neighbour's stays down, and comes up with the right one."""

    def forget(device: DeviceIntent) -> DeviceIntent:
        return with_sessions(device, lambda session: replace(session, password=None))

    with booted_pop(tmp_path) as pop:
        device = pop.intent.device("sw2.pop1")
        pop.configure(forget(device))
        wait_until(lambda: pop.protocols("sw2.pop1")["southnet_3_v4"][0] != "up", what="the session is down")
        wait_until(
            lambda: (
                "Connection reset" in pop.log("southnet") or pop.protocols("sw2.pop1")["southnet_3_v4"][0] == "start"
            ),
            what="the session tries without password",
        )
        assert pop.protocols("sw2.pop1")["northtel_2_v4"][0] == "up"
        pop.configure(device)
        wait_until(lambda: pop.is_up("sw2.pop1"), timeout_s=60, what="the session is up with the password")


def test_prefix_is_announced_while_a_host_originates_it(tmp_path: Path) -> None:
    """One host of two is enough for a prefix; with none the providers lose it."""
    with booted_pop(tmp_path) as pop:
        complete(pop)

        def announced() -> bool:
            return pop.bird_routes("northtel", "protocol c1_v4") == [SERVICE_PREFIX]

        assert announced()
        pop.stop("h1.pop1")
        wait_until(lambda: pop.protocols("sw1.pop1")["h1_v4"][0] != "up", what="BFD finds h1 gone")
        assert announced()
        pop.stop("h2.pop1")
        wait_until(lambda: not announced(), what="the prefix is withdrawn")


def test_hosts_survive_the_loss_of_a_switch(tmp_path: Path) -> None:
    """When a switch's daemon dies, hosts keep the providers of the other, and lose the dead one's within seconds."""
    with booted_pop(tmp_path) as pop:
        complete(pop)
        pop.stop("sw1.pop1")
        for family in Family:
            other = {str(hop.address) for hop in pop.intent.device("h1.pop1").next_hops if hop.switch == "sw2.pop1"}
            wait_until(
                lambda family=family, other=other: (  # type: ignore[misc]
                    set().union(*next_hops(pop, "h1.pop1", family, TABLES["northtel"]).values()) <= other
                ),
                what="h1 left the dead switch",
            )
            wanted = set(good_routes(pop.inventory, "northtel", family))
            assert set(pop.routes("h1.pop1", family, TABLES["northtel"])) == wanted
        assert pop.protocols("h1.pop1")["sw2_v4"][0] == "up"


def test_routes_wait_for_the_mirror(tmp_path: Path) -> None:
    """A route whose next hop cannot be sent to is not in the kernel, and hides nothing; it comes with the mirror."""
    with booted_pop(tmp_path, mirrored=False) as pop:
        wait_until(lambda: knows_routes(pop), what="h1 knows the routes")
        for family in Family:
            assert [d for d in pop.routes("h1.pop1", family) if d.startswith(("20.", "2a00:"))] == []
        got = json.loads(pop.run("h1.pop1", "ip", "-j", "route", "get", "20.1.0.1"))
        assert got[0]["dev"] == "mgmt0"
        for host in HOSTS:
            mirror(pop, host)
        complete(pop)


def knows_routes(pop: Pop) -> bool:
    """Whether BIRD of h1 knows every route of northtel in both families, reachable or not."""
    return all(
        set(good_routes(pop.inventory, "northtel", family))
        <= set(pop.bird_routes("h1.pop1", f"table table1001_{family.value}"))
        for family in Family
    )


def test_only_next_hops_are_learned_from_the_kernel(tmp_path: Path) -> None:
    """Of the kernel's IPv6 routes, BIRD takes netorch's own for providers' addresses alone."""
    with booted_pop(tmp_path, mirrored=False) as pop:
        pop.run("h1.pop1", "ip", "-6", "route", "add", "2a0f::/32", "dev", "eth0", "proto", "110")
        pop.run("h1.pop1", "ip", "-6", "route", "add", "2001:db8:c:4::1/128", "dev", "eth0", "proto", "static")
        pop.run("h1.pop1", "ip", "-6", "route", "add", "2001:db8:c:1::1/128", "dev", "eth0", "proto", "110")

        def learned() -> list[str]:
            return pop.bird_routes("h1.pop1", "table master6 protocol kernel_ipv6")

        wait_until(lambda: "2001:db8:c:1::1/128" in learned(), what="BIRD learns the last of the routes")
        assert learned() == ["2001:db8:c:1::1/128"]


def default_via_northtel(intent: Intent) -> Intent:
    return intent.with_devices(lambda d: replace(d, default_route_via="northtel" if d.name == "sw1.pop1" else None))


def test_default_route_stays_on_the_switch(tmp_path: Path) -> None:
    """The default route of the named provider is in the switch's FIB and nowhere else; no other route of it is."""
    with booted_pop(tmp_path, amend=default_via_northtel) as pop:
        complete(pop)
        for family, gateway in ((Family.IPV4, "203.0.113.1"), (Family.IPV6, "2001:db8:c:1::1")):
            found = pop.routes("sw1.pop1", family)
            assert found["default"]["gateway"] == gateway
            assert len(found) == 4
            assert "default" not in pop.routes("sw2.pop1", family)
            assert "default" not in pop.routes("h1.pop1", family)
            assert "default" not in pop.routes("h1.pop1", family, TABLES["northtel"])


def test_export_policy_is_what_the_provider_sees(tmp_path: Path) -> None:
    """Communities, large communities and prepends of the policy are on the announcement."""
    with booted_pop(
        tmp_path, amend=lambda intent: intent.with_sessions(lambda _, session: with_communities(session))
    ) as pop:
        wait_until(lambda: pop.bird_routes("meadow", "protocol c4_v4") == [SERVICE_PREFIX], what="the prefix arrives")
        shown = pop.birdc("meadow", "show route protocol c4_v4 all")
        assert "BGP.as_path: 64500 64500 64500\n" in shown
        assert "BGP.community: (64498,7)\n" in shown
        assert "BGP.large_community: (64498, 1, 2)\n" in shown


def test_too_many_prefixes_close_the_session(tmp_path: Path) -> None:
    """A provider that sends more than its limit is disabled and stays so; the other family stays up."""
    with booted_pop(tmp_path) as pop:
        complete(pop)
        pop.configure(with_sessions(pop.intent.device("sw1.pop1"), with_low_limit))
        wait_until(lambda: pop.protocols("sw1.pop1")["meadow_4_v4"][0] == "down", what="the session is disabled")
        assert pop.protocols("sw1.pop1")["meadow_4_v6"][0] == "up"
