"""A POP before and after a deploy: what counts as lost, and the figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from netorch.intent import derive_intent
from netorch.model.facts import DeviceFacts, RouteCount
from netorch.model.intent import DeviceIntent, Intent, Session
from netorch.model.policy import Tolerance
from netorch.model.state import Channel, Protocol
from netorch.model.types import Family
from netorch.plan.compare import compare_rows, find_losses
from netorch.testing import fake_facts, small_intent
from tests.golden.write import underlay_inventory

INTENT = small_intent()
SWITCH, HOST = "sw1.pop1", "h1.pop1"
Change = Callable[[Session], dict[str, object]]


def protocol(session: Session, *, state: str = "Established", accepted: int = 100, announced: int = 1) -> Protocol:
    """The daemon's report of ``session``."""
    channel = Channel(session.family.value, routes_imported=accepted, routes_exported=announced)
    asn = session.peer_asn
    return Protocol(session.name, "BGP", bgp_state=state, neighbor_asn=asn, local_asn=64500, channels=(channel,))


def reported(*, fib: int = 1000, **changes: dict[str, object]) -> dict[str, DeviceFacts]:
    """Facts of the small network; ``changes`` by session."""
    counts = (RouteCount(Family.IPV4, 254, fib), RouteCount(Family.IPV6, 254, 10), RouteCount(Family.IPV4, 1001, 5))
    return {
        device.name: replace(
            fake_facts(
                device.name,
                protocols=[protocol(s, **changes.get(s.name, {})) for s in device.sessions],  # type: ignore[arg-type]
            ),
            route_counts=counts if device.role == "host" else (),
        )
        for device in INTENT.devices
    }


def losses(after: dict[str, DeviceFacts], intent: Intent = INTENT, **tolerance: float) -> dict[str, tuple[str, ...]]:
    """What was lost from a network in order."""
    return find_losses(intent, reported(), after, tolerance=Tolerance(**tolerance))


def closed(*names: str) -> Intent:
    """An intent that closes these sessions."""
    return INTENT.with_sessions(lambda device, session: replace(session, enabled=session.name not in names))


def test_nothing_lost() -> None:
    """More routes and other counters are no loss."""
    assert losses(reported(fib=2000, northtel_1_v4={"accepted": 200})) == {}


@pytest.mark.parametrize(
    ("change", "device", "found"),
    [
        ({"northtel_1_v4": {"state": "Active"}}, SWITCH, "northtel_1_v4: Active, expected Established"),
        ({"h1_v6": {"state": "Idle"}}, SWITCH, "h1_v6: Idle, expected Established"),
        ({"sw1_v4": {"accepted": 49}}, HOST, "sw1_v4: accepts 49 ipv4 prefixes, 100 before: more than 50 % fewer"),
        ({"meadow_2_v4": {"announced": 0}}, SWITCH, "meadow_2_v4: announces nothing, 1 ipv4 prefixes before"),
    ],
)
def test_what_is_lost(change: dict[str, dict[str, object]], device: str, found: str) -> None:
    """Sessions, accepted prefixes, and everything that was announced."""
    assert losses(reported(**change)) == {device: (found,)}


def test_a_fib_that_shrinks() -> None:
    """Only the main table counts, by the inventory's tolerance."""
    assert losses(reported(fib=499)) == {
        HOST: ("its main table has 499 ipv4 routes, 1000 before: more than 50 % fewer",)
    }
    assert losses(reported(fib=500)) == {}
    assert losses(reported(fib=499), fib_drop_percent=60) == {}


def test_what_is_meant_is_no_loss() -> None:
    """A closed session is down, and with a provider closed its routes are gone from the hosts as well."""
    after = reported(fib=100, northtel_1_v4={"state": "Down"}, northtel_1_v6={"state": "Down"}, sw1_v4={"accepted": 10})
    assert losses(after, closed("northtel_1_v4", "northtel_1_v6")) == {}
    assert losses(after).keys() == {SWITCH, HOST}


def test_a_host_that_is_to_fall_silent_is_no_loss() -> None:
    """Its prefixes are gone from the switch's session with it, and from others; what providers announce is judged as ever."""

    def silenced(device: DeviceIntent) -> DeviceIntent:
        return replace(device, fabric_export="nothing") if device.name == HOST else device

    assert losses(reported(h1_v4={"accepted": 0}), INTENT.with_devices(silenced)) == {}
    assert losses(reported(h1_v4={"accepted": 0})).keys() == {SWITCH}
    assert losses(reported(meadow_2_v4={"accepted": 0}), INTENT.with_devices(silenced)).keys() == {SWITCH}


def test_another_providers_loss_is_told_although_one_is_closed() -> None:
    """Providers' own sessions are always judged."""
    after = reported(northtel_1_v4={"state": "Down"}, meadow_2_v4={"accepted": 0})
    assert losses(after, closed("northtel_1_v4"))[SWITCH][0].startswith("meadow_2_v4: accepts 0 ipv4 prefixes")


def test_prefixes_that_nothing_is_meant_to_announce_are_not_missed() -> None:
    """Where the inventory takes the last prefix away, announcing nothing is right."""
    quiet = INTENT.with_devices(lambda device: replace(device, originated=()))
    assert losses(reported(meadow_2_v4={"announced": 0}), quiet) == {}


def test_figures() -> None:
    """A switch's with its providers, a host's with its switches; a device that is silent now has none."""
    before = reported()
    after = {SWITCH: reported(meadow_2_v4={"state": "Down", "accepted": 0, "announced": 0})[SWITCH]}
    switch, host = compare_rows(INTENT, before, after)
    assert (switch["sessions_before"], switch["sessions_after"]) == (5, 4)
    assert (switch["accepted_before"], switch["accepted_after"]) == (300, 200)
    assert (switch["announced_before"], switch["announced_after"]) == (3, 2)
    assert switch["received_before"] is switch["fib_ipv4_before"] is None
    assert (host["fib_ipv4_before"], host["fib_ipv6_before"], host["fib_ipv4_after"]) == (1000, 10, None)


def test_received_is_known_where_the_daemon_keeps_what_it_filtered() -> None:
    """Accepted and filtered together."""
    facts = reported()[SWITCH]
    kept = tuple(
        replace(p, channels=tuple(replace(c, routes_filtered=7) for c in p.channels)) for p in facts.daemon.protocols
    )
    held = {SWITCH: replace(facts, daemon=replace(facts.daemon, protocols=kept))}
    (row,) = compare_rows(INTENT, held, held)
    assert row["received_before"] == 300 + 3 * 7


def test_what_no_session_counts_is_not_told_to_be_nothing() -> None:
    """FRR counts what RIP's neighbours announced, and not what they are told."""
    intent = derive_intent(underlay_inventory())
    device = next(one for one in intent.devices if any(s.protocol == "rip" for s in one.sessions))
    rows = [
        Protocol(s.name, "RIP", state="up", channels=(Channel(s.family.value, routes_imported=3),))
        for s in device.sessions
    ]
    nothing, facts = {device.name: fake_facts(device.name)}, {device.name: fake_facts(device.name, protocols=rows)}
    (row,) = compare_rows(intent, nothing, facts)
    assert (row["accepted_before"], row["accepted_after"]) == (0, 3 * len(rows))
    assert (row["announced_before"], row["announced_after"]) == (None, None)
