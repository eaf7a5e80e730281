"""``netorch check``: what is wrong, how bad it is, and the line that a monitoring system reads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netorch.api import AgentFacts, DeviceFacts, Link, Mac, MirrorEntry, MirrorFeed, NeighbourItem, NextHop
from netorch.app.health import CRITICAL, OK, UNKNOWN, WARNING, Health, assess, judge_certificate
from netorch.cli.check import line_of
from netorch.errors import Unreachable
from netorch.model.certificate import CertificateFacts
from netorch.plan.mirror import reachability
from netorch.testing import fake_facts
from tests.plugins.example import INTENT, link, protocol, resolved

NETWORK = replace(INTENT, certificates=True)
NAMES = tuple(device.name for device in NETWORK.in_pop("pop1"))
MAC = "02:aa:00:00:00:01"
DAY_S = 86400.0


def certificate(left_s: float = 20 * DAY_S, *, issued: float = 0.0) -> CertificateFacts:
    return CertificateFacts("1", "f", "i", issued, 100 * DAY_S + left_s, "device", (), 1, clock=100 * DAY_S)


def agent(service: str, hops: tuple[NextHop, ...]) -> AgentFacts:
    """An agent that has done its work."""
    if service == "feed":
        entries = {h.address: MirrorEntry(h.address, "br0", h.provider, h.circuit, Mac(MAC), "reachable") for h in hops}
        return AgentFacts(service, True, "1", entries=tuple(entries.values()))
    feeds = {hop.switch: MirrorFeed(hop.switch, hop.interface, True) for hop in hops}
    held = (MirrorEntry(h.address, h.interface, h.provider, h.circuit, Mac(MAC), "mirrored", h.switch) for h in hops)
    return AgentFacts(service, True, "1", counters={"changes": 3}, feeds=tuple(feeds.values()), entries=tuple(held))


def sound() -> dict[str, DeviceFacts]:
    """The POP with everything as it should be."""
    facts = {}
    for name in NAMES:
        device = NETWORK.device(name)
        hops = device.next_hops
        if device.role == "switch":
            hosts = NETWORK.in_pop("pop1", "host")
            hops = tuple(hop for host in hosts for hop in host.next_hops if hop.switch == name)
        items = [
            item
            for h in device.next_hops
            for item in (NeighbourItem(h.interface, h.address, Mac(MAC)), reachability(h))
        ]
        held = fake_facts(
            name,
            items=items,
            neighbours=[resolved(hop, MAC) for hop in hops] if device.role == "switch" else [],
            links=[link(name, mac="02:00:00:00:0b:b0") for name in ("br0", "eth0", "eth1")],
            protocols=[protocol(session) for session in device.sessions],
        )
        mine = agent("feed" if device.role == "switch" else "mirror", hops)
        facts[name] = replace(held, generation=1, agents=(mine,), certificate=certificate())
    return facts


def judged(facts: dict[str, DeviceFacts]) -> Health:
    failures = {name: Unreachable("no answer", where=name) for name in NAMES if name not in facts}
    return assess(NETWORK, facts, failures, NAMES)


def test_sound_pop_is_ok() -> None:
    """Nothing is wrong, and every figure is at its bound."""
    health = judged(sound())
    assert (health.state, health.troubles) == (OK, ())
    assert all(figure.value == figure.total for figure in health.figures if figure.total is not None)


def test_line_says_what_is_wrong_first_and_figures_last() -> None:
    """State, the worst trouble, then perfdata in the form that monitoring systems read."""
    facts = sound()
    del facts["h2.pop1"]
    line = line_of(judged(facts))
    assert line.startswith("NETORCH CRITICAL - h2.pop1: cannot be asked: no answer | devices=4;5:;;0;5 ")
    assert line.count("|") == 1
    assert "\n" not in line
    assert "mirror_changes=6c" in line.split()


def test_traffic_of_a_provider_is_counted_whole_or_not_at_all() -> None:
    """Bytes of all its ports, as counters; without one of its switches none, since the sum would fall back."""
    facts = sound()
    for switch in ("sw1.pop1", "sw2.pop1"):
        ports = {circuit.port for circuit in NETWORK.circuits if circuit.switch == switch}
        links = tuple(Link(port, None, True, True, "", 1000, 20, 10, 1) for port in sorted(ports))
        facts[switch] = replace(facts[switch], links=links, links_at_s=1.0)
    counted = len([c for c in NETWORK.circuits if c.provider == "northtel" and c.switch in NAMES])
    assert {f"in_northtel={1000 * counted}c", f"out_northtel={20 * counted}c"} <= set(line_of(judged(facts)).split())
    del facts["sw2.pop1"]
    assert "in_northtel" not in line_of(judged(facts))


@pytest.mark.parametrize("name", NAMES)
def test_totals_are_what_is_meant_to_be_there(name: str) -> None:
    """A device that does not answer takes its part from what is, and nothing from what ought to be."""
    facts = sound()
    whole = {figure.name: figure for figure in judged(facts).figures if figure.total is not None}
    del facts[name]
    left = {figure.name: figure for figure in judged(facts).figures if figure.total is not None}
    assert {name: one.total for name, one in left.items()} == {name: one.total for name, one in whole.items()}
    own = len([session for session in NETWORK.device(name).sessions if session.enabled])
    assert own > 0
    assert whole["sessions"].value - left["sessions"].value == own
    assert (whole["devices"].value - left["devices"].value, whole["agents"].value - left["agents"].value) == (1, 1)


def test_ok_line_sums_up() -> None:
    """All is well, with the counts that show it."""
    assert line_of(judged(sound())).startswith("NETORCH OK - 5 of 5 devices, ")


def test_nobody_answers_is_unknown() -> None:
    """Not even one device: this machine's own line may be the cause."""
    assert judged({}).state == UNKNOWN


def changed(name: str, **parts: object) -> dict[str, DeviceFacts]:
    facts = sound()
    facts[name] = replace(facts[name], **parts)  # type: ignore[arg-type]
    return facts


def mirror_of(name: str, **parts: object) -> dict[str, DeviceFacts]:
    (mine,) = sound()[name].agents
    return changed(name, agents=(replace(mine, **parts),))  # type: ignore[arg-type]


@pytest.mark.parametrize("facts", [changed("h1.pop1", agents=()), mirror_of("h1.pop1", alive=False)])
def test_feeds_of_an_agent_that_does_not_run_are_missing(facts: dict[str, DeviceFacts]) -> None:
    """Never installed, or dead: whatever it said last, it hears nobody."""
    figures = {figure.name: figure for figure in judged(facts).figures}
    assert (figures["agents"].value, figures["agents"].total) == (4, 5)
    assert (figures["feeds"].value, figures["feeds"].total) == (4, 6)


def lost_feed() -> dict[str, DeviceFacts]:
    (mine,) = sound()["h1.pop1"].agents
    feeds = (replace(mine.feeds[0], up=False, error="connection refused"), *mine.feeds[1:])
    return mirror_of("h1.pop1", feeds=feeds)


def typed(name: str) -> dict[str, DeviceFacts]:
    """Somebody typed into the daemon: it no longer runs what its file says."""
    return changed(name, daemon=replace(sound()[name].daemon, live_stamp="stamp changed by hand"))


def upgraded(name: str) -> dict[str, DeviceFacts]:
    return changed(name, daemon=replace(sound()[name].daemon, version="2.17.5"))


def stale_entry() -> dict[str, DeviceFacts]:
    items = sound()["h1.pop1"].items
    assert isinstance(items[0], NeighbourItem)
    return changed("h1.pop1", items=(replace(items[0], mac=Mac("02:aa:00:00:00:99")), *items[1:]))


def uplinks(eth0: Link, eth1: Link | None = None) -> dict[str, DeviceFacts]:
    """A host with these uplinks, whose entries went with those that are down."""
    links = (eth0, eth1 or sound()["h1.pop1"].links[2])
    gone = {one.name for one in links if not one.up}
    items = (item for item in sound()["h1.pop1"].items if getattr(item, "interface", "") not in gone)
    return changed("h1.pop1", links=links, items=tuple(items))


ETH0, ETH1 = sound()["h1.pop1"].links[1:]


@pytest.mark.parametrize(
    ("facts", "state", "where", "said"),
    [
        (changed("h1.pop1", generation=0, items=()), WARNING, "h1.pop1", "was never deployed"),
        (typed("sw1.pop1"), WARNING, "sw1.pop1", "bird runs another configuration than its file"),
        (changed("sw1.pop1", agents=()), WARNING, "sw1.pop1", "agent is not installed"),
        (mirror_of("h1.pop1", alive=False), WARNING, "h1.pop1", "agent (mirror) does not run"),
        (mirror_of("h1.pop1", problem="settings: version 9"), WARNING, "h1.pop1", "settings: version 9"),
        (lost_feed(), WARNING, "h1.pop1", "no feed from sw1.pop1: connection refused"),
        (stale_entry(), CRITICAL, "h1.pop1", "203.0.113.1 (northtel): host has another MAC"),
        (changed("h1.pop1", items=()), CRITICAL, "h1.pop1", "missing on the host"),
        (upgraded("h1.pop1"), WARNING, "h1.pop1", "no change can be deployed: expected bird 2.0.12, as the inventory"),
        (uplinks(replace(ETH0, up=False)), WARNING, "h1.pop1", "uplink eth0 is down"),
        (uplinks(replace(ETH0, carrier=False)), WARNING, "h1.pop1", "uplink eth0 has no carrier"),
        (uplinks(replace(ETH0, up=False), replace(ETH1, carrier=False)), CRITICAL, "h1.pop1", "uplink eth0 is down"),
        (changed("h1.pop1", certificate=certificate(DAY_S)), WARNING, "h1.pop1", "expires in 24 h"),
        (changed("h1.pop1", certificate=certificate(-1)), CRITICAL, "h1.pop1", "has expired"),
    ],
)
def test_trouble_is_told(facts: dict[str, DeviceFacts], state: int, where: str, said: str) -> None:
    """What is wrong decides the state, with its place and in words."""
    health = judged(facts)
    assert health.state == state
    assert health.troubles[0].where == where
    assert said in health.troubles[0].text


def test_down_session_is_a_warning_and_a_pop_without_provider_critical() -> None:
    """One session costs redundancy; the last one costs the POP."""
    facts, health = sound(), judged(sound())
    for name in ("sw1.pop1", "sw2.pop1"):
        sessions = NETWORK.device(name).sessions
        down = [protocol(s, state="Active" if s.kind == "provider" else "Established") for s in sessions]
        facts[name] = replace(facts[name], daemon=replace(facts[name].daemon, protocols=tuple(down)))
        health = judged(facts)
        assert health.state == (WARNING if name == "sw1.pop1" else CRITICAL)
    assert (health.troubles[0].where, health.troubles[0].text) == ("pop1", "no provider's session is established")


@pytest.mark.parametrize("name", ["sw1.pop1", "h1.pop1"])
def test_device_without_any_session_is_critical(name: str) -> None:
    """It is as lost as one whose daemon does not run, though others carry its traffic; with one session left it is a warning."""
    sessions = NETWORK.device(name).sessions
    for up in (0, 1):
        told = tuple(protocol(s, state="Established" if n < up else "Active") for n, s in enumerate(sessions))
        health = judged(changed(name, daemon=replace(sound()[name].daemon, protocols=told)))
        (first, *_) = health.troubles
        assert (health.state, first.where) == ((CRITICAL, WARNING)[up], name)
        assert (first.text == f"no session is established, of {len(sessions)}") == (up == 0)


def test_device_with_every_session_drained_is_no_trouble() -> None:
    """No session is meant to be up: none is missing."""
    intent = NETWORK.with_sessions(lambda d, s: replace(s, enabled=d.name != "sw1.pop1"))
    facts = sound()
    facts["sw1.pop1"] = replace(facts["sw1.pop1"], daemon=replace(facts["sw1.pop1"].daemon, protocols=()))
    assert assess(intent, facts, {}, NAMES).troubles == ()


@pytest.mark.parametrize(("name", "interface"), [("sw1.pop1", "br0"), ("h1.pop1", "eth1")])
def test_bridge_whose_mac_moves_is_a_warning(name: str, interface: str) -> None:
    """A bridge between switches and hosts needs a MAC of its own; one that is for something else may have any."""
    links = {one.name: one for one in sound()[name].links}
    other = replace(links["br0"], name="docker0", mac_follows_ports=True)
    assert judged(changed(name, links=(*links.values(), other))).state == OK
    moving = replace(links[interface], mac_follows_ports=True)
    health = judged(changed(name, links=tuple({**links, interface: moving}.values())))
    assert (health.state, [trouble.where for trouble in health.troubles]) == (WARNING, [name])
    assert f"{interface} has no fixed MAC" in health.troubles[0].text


def test_what_a_drain_closed_is_no_trouble() -> None:
    """A session that is meant to be closed may be down, and its next hop unresolved."""
    intent = NETWORK.with_sessions(lambda d, s: replace(s, enabled=not (s.kind == "provider" and s.circuit == 1)))
    facts = sound()
    held = facts["sw1.pop1"]
    kept = tuple(n for n in held.neighbours if str(n.address) not in ("203.0.113.1", "2001:db8:c:1::1"))
    facts["sw1.pop1"] = replace(held, neighbours=kept)
    assert assess(intent, facts, {}, NAMES).troubles == ()


def test_certificate_of_a_short_life_is_not_told_before_it_is_due() -> None:
    """With a life of six days the last two are when a run renews it: only what no run has renewed is told."""
    six_days = {
        name: certificate(left_s, issued=96 * DAY_S) for name, left_s in (("due", 2 * DAY_S), ("late", 0.4 * DAY_S))
    }
    assert {name: judge_certificate(one)[0] for name, one in six_days.items()} == {"due": OK, "late": WARNING}
