"""The mirror's agents as the plugin proposes them, and how plans keep out of their way."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from netorch.api import (
    AgentFacts,
    DeviceFacts,
    FileItem,
    Intent,
    Item,
    Mac,
    MirrorEntry,
    MirrorFeed,
    NeighbourItem,
    NextHop,
    ServiceItem,
)
from netorch.loader import bundled_plugins
from netorch.plan.mirror import mirror_items, own_macs_by_pop, reachability, sighting_in
from netorch.testing import fake_facts
from tests.plugins.example import INTENT, link, protocol, resolved

PLUGIN = next(plugin for plugin in bundled_plugins() if plugin.name == "arp_mirror")
NETWORK = replace(INTENT, certificates=True)
HOST, SWITCH = NETWORK.device("h1.pop1"), NETWORK.device("sw1.pop1")
HOP = HOST.next_hops[0]
OLD, NEW = Mac("02:aa:00:00:00:01"), Mac("02:aa:00:00:00:02")


def proposed(intent: Intent, facts: dict[str, DeviceFacts], device: str) -> tuple[Item, ...]:
    return PLUGIN.propose(intent, facts)[device]


def settings(intent: Intent, device: str) -> dict[str, Any]:
    """The agent's settings on ``device``, which give their path and service away."""
    items = proposed(intent, {device: fake_facts(device)}, device)
    (file,) = [item for item in items if isinstance(item, FileItem)]
    assert file.mode == 0o644
    assert file.path in PLUGIN.needs(intent)[device]
    return {"path": file.path, "service": items[-1], **json.loads(file.text)}


def test_switch_gets_a_feed() -> None:
    """It listens on the fabric's addresses, for each host of the POP, and knows what each may be told."""
    found = settings(NETWORK, "sw1.pop1")
    assert (found["path"], found["service"]) == ("/etc/netorch/feed.json", ServiceItem("feed"))
    assert (found["switch"], found["port"], found["listen"]) == ("sw1.pop1", 7110, ["10.1.1.1", "fd00:1:1::1"])
    addresses = ["203.0.113.1", "2001:db8:c:1::1", "203.0.113.13", "2001:db8:c:4::1"]
    assert [hop["address"] for hop in found["next_hops"]] == addresses
    assert found["hosts"] == dict.fromkeys(("h1.pop1", "h2.pop1", "h3.pop1"), addresses)
    assert {hop["interface"] for hop in found["next_hops"]} == {"br0"}


def test_host_gets_a_mirror() -> None:
    """It knows each of its switches by address, and what it may be told over which interface."""
    found = settings(NETWORK, "h1.pop1")
    assert (found["path"], found["service"]) == ("/etc/netorch/mirror.json", ServiceItem("mirror"))
    assert found["hold_down"] == {"changes": 6, "period_s": 10, "hold_s": 30}
    first, second = found["feeds"]
    assert (first["switch"], first["interface"], first["addresses"]) == (
        "sw1.pop1",
        "eth0",
        ["10.1.1.1", "fd00:1:1::1"],
    )
    assert (second["switch"], second["interface"], second["port"]) == ("sw2.pop1", "eth1", 7110)
    assert first["next_hops"][0] == {
        "address": "203.0.113.1",
        "local": "10.1.1.11",
        "provider": "northtel",
        "circuit": 1,
        "macs": [],
    }


def test_no_certificates_no_agents() -> None:
    """Without an authority the one-shot form is all there is, and nothing more is asked of devices."""
    facts = {name: fake_facts(name) for name in (HOST.name, SWITCH.name)}
    assert PLUGIN.propose(INTENT, facts) == {HOST.name: ()}
    assert not any("/" in want for wants in PLUGIN.needs(INTENT).values() for want in wants)


def test_settings_of_the_plugin_reach_the_agents() -> None:
    """Port, hold-down and the metrics file."""
    own = {"port": 7000, "metrics": "/var/lib/node_exporter/netorch.prom", "hold_down": {"changes": 3}}
    intent = replace(NETWORK, settings={"arp_mirror": own})
    feed, mirror = settings(intent, "sw1.pop1"), settings(intent, "h1.pop1")
    assert (feed["port"], mirror["feeds"][0]["port"], feed["metrics"]) == (7000, 7000, own["metrics"])
    assert mirror["hold_down"] == {"changes": 3, "period_s": 10, "hold_s": 30}


@pytest.mark.parametrize(
    ("own", "path", "said"),
    [
        ({"port": 0}, ("port",), "expected a TCP port from 1 to 65535, found 0"),
        ({"port": "7110"}, ("port",), "expected a TCP port from 1 to 65535, found '7110'"),
        ({"metrics": "netorch.prom"}, ("metrics",), "expected the absolute path of a file whose name ends in .prom"),
        ({"hold_down": 30}, ("hold_down",), "expected a mapping of changes, period_s, hold_s, found 30"),
        (
            {"hold_down": {"changes": 2.5}},
            ("hold_down", "changes"),
            "expected a whole number from 1 to 1000, found 2.5",
        ),
        ({"hold_down": {"hold_s": "long"}}, ("hold_down", "hold_s"), "expected a number from 1 to 86400, found 'long'"),
        ({"hold_down": {"change": 1}}, ("hold_down", "change"), "unknown setting"),
    ],
)
def test_wrong_setting_is_found(own: dict[str, object], path: tuple[str, ...], said: str) -> None:
    """Where, what was found, and what was expected."""
    (wrong,) = PLUGIN.mistakes(own)
    assert wrong.path == path
    assert wrong.message.startswith(said)


def test_every_wrong_setting_is_found_at_once() -> None:
    """Whoever mends the first need not come back for the second; what is right is no mistake."""
    own = {"port": 0, "metrics": 1, "hold_down": {"changes": 0, "period_s": 10, "hold_s": 0}}
    assert [wrong.path[-1] for wrong in PLUGIN.mistakes(own)] == ["port", "metrics", "changes", "hold_s"]
    assert PLUGIN.mistakes({"port": 7000, "metrics": "/run/netorch.prom", "hold_down": {"changes": 3}}) == ()


# ---- plans and a living agent ------------------------------------------------------------------------------------


def world(
    *, up: bool = True, alive: bool = True, held: Mac | None = OLD, state: str = "mirrored"
) -> dict[str, DeviceFacts]:
    """The switch sees NEW at the first next hop; the host, whose agent is as told, has ``held``."""
    feed = MirrorFeed(HOP.switch, HOP.interface, up)
    entry = MirrorEntry(HOP.address, HOP.interface, HOP.provider, HOP.circuit, held, state, HOP.switch, "because", 5.0)
    mine = AgentFacts("mirror", alive, "1", feeds=(feed,), entries=(entry,))
    items = (NeighbourItem(HOP.interface, HOP.address, held), reachability(HOP)) if held is not None else ()
    seen = resolved(HOP, NEW)
    sessions = [protocol(session) for session in SWITCH.sessions]
    return {
        SWITCH.name: fake_facts(
            SWITCH.name, neighbours=[seen], links=[link("br0", mac="02:00:00:00:0b:b0")], protocols=sessions
        ),
        HOST.name: replace(fake_facts(HOST.name, items=items), agents=(mine,)),
    }


def one_hop(*, macs: tuple[Mac, ...] = ()) -> Intent:
    hop = replace(HOP, macs=macs)
    return NETWORK.with_devices(lambda d: replace(d, next_hops=(hop,) if d.name == HOST.name else ()))


def mac_in(items: tuple[Item, ...]) -> list[Mac]:
    return [item.mac for item in items if isinstance(item, NeighbourItem)]


def test_entry_that_an_agent_looks_after_is_no_drift() -> None:
    """Facts of two devices are taken at two moments: while the agent hears its switch, what the host has stays."""
    facts = world()
    assert mac_in(proposed(one_hop(), facts, HOST.name)) == [OLD]
    assert PLUGIN.later(one_hop(), facts) == {}


@pytest.mark.parametrize(
    ("state", "force", "planned"),
    [("held_down", False, OLD), ("held_down", True, NEW), ("mirrored", True, OLD), ("refused", True, OLD)],
)
def test_force_overrides_a_hold_and_nothing_else(state: str, force: bool, planned: Mac) -> None:
    """What an agent holds down is its own, until somebody asks for the newest MAC of it."""
    intent = one_hop().with_settings({"arp_mirror": {"force": force}})
    assert mac_in(proposed(intent, world(state=state), HOST.name)) == [planned]


@pytest.mark.parametrize("facts", [world(up=False), world(alive=False)], ids=["feed lost", "agent dead"])
def test_entry_that_nobody_looks_after_is_repaired(facts: dict[str, DeviceFacts]) -> None:
    """Without its feed, or dead, the agent cannot follow: the plan does what the agent would have done."""
    assert mac_in(proposed(one_hop(), facts, HOST.name)) == [NEW]


@pytest.mark.parametrize(("alive", "left"), [(True, [OLD]), (False, [])], ids=["agent lives", "agent dead"])
def test_entry_that_the_inventory_lost_is_its_agents_to_remove(*, alive: bool, left: list[Mac]) -> None:
    """A living agent would put back what a plan removes, until it has its new settings; a dead one does neither."""
    other = next(hop for hop in HOST.next_hops if hop.circuit != HOP.circuit)
    intent = NETWORK.with_devices(lambda d: replace(d, next_hops=(other,) if d.name == HOST.name else ()))
    items = proposed(intent, world(alive=alive), HOST.name)
    assert mac_in(items) == left
    assert (reachability(HOP) in items) == alive


def test_deploy_waits_for_an_agent_that_has_just_begun() -> None:
    """The switch knows the MAC, the host's agent lives and has nothing yet: it is about to."""
    words = PLUGIN.later(one_hop(), world(held=None, state="unresolved"))[HOST.name]
    assert words == ("mirror 203.0.113.1 (northtel) once the host's agent has it from sw1.pop1",)


@pytest.mark.parametrize("state", ["held_down", "refused"])
def test_deploy_does_not_wait_for_what_an_agent_refuses(state: str) -> None:
    """It comes when the provider mends it, not within a deploy's time."""
    assert PLUGIN.later(one_hop(), world(held=None, state=state)) == {}


def test_deploy_does_not_wait_for_a_feed_that_is_away() -> None:
    """What the agent cannot hear is the plan's to do, and no reason to wait."""
    facts = world(up=False, held=None, state="unresolved")
    (mine,) = facts[HOST.name].agents
    away = replace(mine, feeds=(replace(mine.feeds[0], age_s=60.0),))
    facts[HOST.name] = replace(facts[HOST.name], agents=(away,))
    assert PLUGIN.later(one_hop(), facts) == {}
    assert mac_in(proposed(one_hop(), facts, HOST.name)) == [NEW]


def test_mac_that_the_circuit_does_not_name_is_refused() -> None:
    """Where the inventory names MACs, a plan mirrors no other."""
    facts = world(alive=False)
    hop: NextHop = replace(HOP, macs=(OLD,))
    sighting = sighting_in(facts, hop, own_macs_by_pop(NETWORK, facts)["pop1"])
    assert sighting is not None
    assert sighting.refusal == f"{NEW} is not among the circuit's MACs ({OLD})"
    assert mac_in(mirror_items(hop, sighting, facts[HOST.name].items)) == [OLD]
    assert mac_in(proposed(one_hop(macs=(OLD,)), facts, HOST.name)) == [OLD]
