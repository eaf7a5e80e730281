"""What a device must show after a change."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

from netorch.model.checks import findings, leaks
from netorch.model.facts import DaemonFacts, DeviceFacts
from netorch.model.intent import DeviceIntent, Session
from netorch.model.plan import Check
from netorch.model.state import Channel, Protocol
from netorch.model.types import Family
from netorch.plan import derive_check


def session(name: str, kind: str = "provider", peer: str = "north", *, enabled: bool = True) -> Session:
    """A session of a switch."""
    return Session(
        name=name,
        kind=kind,
        peer=peer,
        family=Family.IPV4,
        peer_asn=64496,
        local=ip_address("203.0.113.2"),
        neighbor=ip_address("203.0.113.1"),
        interface="br0",
        enabled=enabled,
    )


def device(*sessions: Session) -> DeviceIntent:
    """A switch with ``sessions``."""
    return DeviceIntent("sw1.pop1", "pop1", "switch", "bird", "2.0.12", 64500, "10.0.0.1", (), (), (), sessions, ())


def protocol(
    name: str, state: str = "Established", routes: int = 0, error: str | None = None, announced: int = 0
) -> Protocol:
    """A BGP protocol as BIRD reports it."""
    channel = Channel("ipv4", routes_imported=routes, routes_exported=announced)
    return Protocol(name, "BGP", bgp_state=state, last_error=error, channels=(channel,))


def facts(*protocols: Protocol, stamp: str | None = "s1") -> DeviceFacts:
    """Facts with ``protocols``."""
    daemon = DaemonFacts("bird", "2.0.12", running=True, live_stamp=stamp, disk_stamp=stamp, protocols=protocols)
    return DeviceFacts("sw1.pop1", "agent", "base", 1, daemon)


def test_first_deploy_expects_providers_and_deployed_peers() -> None:
    """Hosts that have no configuration yet are not waited for."""
    sessions = (session("north_v4"), session("h1_v4", "host", "h1.pop1"), session("h2_v4", "host", "h2.pop1"))
    check = derive_check(device(*sessions), facts(stamp=None), deployed={"h2.pop1"})
    assert check.up == ("north_v4", "h2_v4")
    assert check.prefix_drop_percent is None


def test_a_dead_daemon_need_only_start() -> None:
    """A device that was deployed and whose daemon does not run has no session that was up; providers may be down as well."""
    held = facts(stamp=None)
    dead = replace(held, daemon=replace(held.daemon, running=False, protocols=()))
    assert derive_check(device(session("north_v4")), dead, deployed=set()).up == ()
    assert derive_check(device(session("north_v4")), replace(dead, generation=0), deployed=set()).up == ("north_v4",)


def test_later_deploys_expect_what_was_up() -> None:
    """A session that was down before need not come up; a closed one must be down."""
    sessions = (session("a"), session("b"), session("c", enabled=False))
    check = derive_check(
        device(*sessions), facts(protocol("a"), protocol("b", "Active"), protocol("c")), deployed=set()
    )
    assert (check.up, check.down) == (("a",), ("c",))


def test_findings_name_state_and_error() -> None:
    """The operator reads which session, what it is, and why."""
    found = findings(Check(up=("a", "b")), {"a": protocol("a", "Active", error="Socket: Connection refused")}, {})
    assert found == (
        "a: Active, last error: Socket: Connection refused, expected Established",
        "b: no such session, expected Established",
    )


def test_a_fall_of_accepted_prefixes_fails_the_check() -> None:
    """A session that is up but lost most of its routes is no success."""
    check = Check(up=("a",), prefix_drop_percent=50.0)
    assert findings(check, {"a": protocol("a", routes=50)}, {"a": protocol("a", routes=100)}) == ()
    (finding,) = findings(check, {"a": protocol("a", routes=49)}, {"a": protocol("a", routes=100)})
    assert "accepts 49 ipv4 prefixes, 100 before" in finding


def test_a_session_that_should_be_closed_and_is_not_fails_the_check() -> None:
    """Closing is checked like opening."""
    assert findings(Check(down=("a",)), {"a": protocol("a")}, {}) == ("a: Established, expected it to be closed",)
    assert findings(Check(down=("a", "b")), {"a": protocol("a", "Down")}, {}) == ()


def test_a_session_that_falls_silent_fails_the_check() -> None:
    """One that announced prefixes and announces none any more is no success where it must announce; fewer are."""
    check, before = Check(up=("a",), announce=("a",)), {"a": protocol("a", announced=4)}
    assert findings(check, {"a": protocol("a", announced=1)}, before) == ()
    assert findings(check, {"a": protocol("a")}, before) == ("a: announces no ipv4 prefix, 4 before",)
    assert findings(replace(check, announce=()), {"a": protocol("a")}, before) == ()


def test_a_session_that_leaks_is_found() -> None:
    """More prefixes than we have, and more than before, are somebody else's; what was there before is not judged."""
    check = Check(up=("a",), announce_most=(("a", 2),))
    assert leaks(check, {"a": protocol("a", announced=2)}, {}) == ()
    assert leaks(check, {"a": protocol("a", announced=9)}, {"a": protocol("a", announced=9)}) == ()
    (finding,) = leaks(check, {"a": protocol("a", announced=9)}, {"a": protocol("a", announced=2)})
    assert finding == "a: announces 9 prefixes, 2 before, and has 2 to announce at most"


def test_sessions_with_providers_must_announce_what_is_originated() -> None:
    """Not asked of hosts' sessions, of closed ones, nor of a device that has nothing to announce."""
    sessions = (session("north_v4"), session("h1_v4", "host", "h1.pop1"), session("south_v4", enabled=False))
    up = facts(protocol("north_v4"), protocol("h1_v4"))
    switch = device(*sessions)
    assert derive_check(switch, up, deployed=set()).announce == ()
    originating = replace(switch, originated=(ip_network("192.0.2.0/24"),))
    check = derive_check(originating, up, deployed=set())
    assert (check.announce, check.announce_most) == (("north_v4",), (("north_v4", 1),))
