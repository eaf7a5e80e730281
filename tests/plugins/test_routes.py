"""Routes of operators' programs: who has which, for how long, and what is done about it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from netorch.api import (
    ChangeOverlay,
    Deploy,
    Facts,
    Family,
    Gather,
    InputFile,
    NetorchError,
    Overlay,
    StaticHop,
    Steps,
    UsageError,
    VerbContext,
)
from netorch.errors import Reverted
from netorch.intent import derive_intent
from netorch.testing import FakeNetwork, fake_context, fake_facts
from tests.golden.write import underlay_inventory
from tests.plugins.example import INTENT, NOW, context
from tests.plugins.routes_network import PLUGIN, VIA, Devices, Network, decided, deployed, told

SWITCHES = ("sw1.pop1", "sw2.pop1")
OTHER = {"prefix": "198.18.241.0/24", "type": "blackhole"}


@pytest.fixture
def network() -> Network:
    return Network()


def test_a_route_is_set(network: Network) -> None:
    """The device has it, and its POP's switches know of it; nobody else has anything."""
    steps = network.set("edge", "h1.pop1")
    (entry,) = decided(steps)
    assert (entry.id, entry.devices, entry.author) == ("routes/edge@h1.pop1", ("h1.pop1", *SWITCHES), "ann")
    assert deployed(steps) == [("h1.pop1",), SWITCHES]  # first who has to bear it
    (route,) = network.routes("h1.pop1")
    assert (str(route.prefix), [str(hop.address) for hop in route.hops]) == ("198.18.240.0/24", ["10.1.1.200"])
    assert {device.name for device in INTENT.devices if network.routes(device.name)} == {"h1.pop1"}


def test_asking_again_changes_nothing(network: Network) -> None:
    """The same routes twice: nothing is written and nothing deployed."""
    network.set("edge", "h1.pop1", "sw1.pop1")
    steps = network.set("edge", "h1.pop1", "sw1.pop1", now=1000)
    assert (decided(steps), deployed(steps), told(steps)) == ((), [], "edge: nothing to change")


def test_who_missed_a_decision_gets_it(network: Network) -> None:
    """A device that does not hold what was decided earlier is deployed, though nothing new is decided."""
    network.devices = Devices(silent=frozenset({"sw2.pop1"}))
    network.set("edge", "h1.pop1")
    (entry,) = network.overlay.entries
    network.devices = Devices()
    held = network.devices(0.0, network.overlay)
    stale = {**held, "sw2.pop1": replace(held["sw2.pop1"], overlay=())}
    network.devices = lambda seconds, overlay: stale  # type: ignore[assignment]
    steps = network.set("edge", "h1.pop1")
    assert (decided(steps), deployed(steps)) == ((), [("sw2.pop1",)])
    assert network.overlay.entries == (entry,)


def test_setting_replaces_all(network: Network) -> None:
    """An owner has what the last file says, where it was said: other prefixes and other devices lose theirs."""
    network.set("edge", "h1.pop1", "h2.pop1", routes=[VIA, OTHER])
    network.set("edge", "h2.pop1", "h1.pop2", routes=OTHER)
    assert network.prefixes("h1.pop1") == []
    assert network.prefixes("h2.pop1") == network.prefixes("h1.pop2") == ["198.18.241.0/24"]


def test_owners_do_not_disturb_each_other(network: Network) -> None:
    """What one sets or withdraws leaves the other's routes on the same device alone."""
    network.set("edge", "h1.pop1", routes=VIA)
    network.set("blocklist", "h1.pop1", routes=OTHER)
    assert network.prefixes("h1.pop1") == ["198.18.240.0/24", "198.18.241.0/24"]
    steps = network.run("withdraw", owner="edge")
    assert [entry.id for entry in decided(steps)] == ["routes/edge@h1.pop1"]
    assert network.prefixes("h1.pop1") == ["198.18.241.0/24"]


@pytest.mark.parametrize(("metric", "winner"), [(5, "blackhole"), (0, "unicast")])
def test_one_prefix_of_two_owners(network: Network, metric: int, winner: str) -> None:
    """The lower metric counts, then the owner's name; whoever loses is told."""
    network.set("b-edge", "h1.pop1", routes={**VIA, "metric": metric})
    steps = network.set("c-block", "h1.pop1", routes={"prefix": VIA["prefix"], "type": "blackhole"})
    (route,) = network.routes("h1.pop1")
    assert route.type == winner
    assert ("counts as b-edge has it" in told(steps)) == (winner == "unicast")


def test_several_next_hops(network: Network) -> None:
    """Lines for one prefix, and lists of next hops, make one route over all of them."""
    lines = '{"prefix": "198.18.240.0/24", "via": ["10.1.1.200", "10.1.1.201"]}\n\n'
    lines += '{"prefix": "198.18.240.0/24", "via": "10.1.1.202", "interface": "eth0"}\n'
    network.set("edge", "h1.pop1", routes=lines)
    (route,) = network.routes("h1.pop1")
    assert [(str(hop.address), hop.interface) for hop in route.hops] == [
        ("10.1.1.200", ""),
        ("10.1.1.201", ""),
        ("10.1.1.202", "eth0"),
    ]


def test_nothing_is_withdrawn_twice(network: Network) -> None:
    """Withdrawing what is not there is no error, since a program may be at the end more than once."""
    assert told(network.run("withdraw", owner="edge")) == "edge: nothing to change"
    network.set("edge", "h1.pop1", routes=[])
    assert network.overlay.entries == ()


def test_routes_of_a_device_that_has_gone(network: Network) -> None:
    """What is left of a device that the inventory has no more is withdrawn from who remembers it."""
    network.set("edge", "h1.pop1")
    (entry,) = network.overlay.entries
    held = replace(
        entry, id="routes/edge@h9.pop1", devices=("h9.pop1", *SWITCHES), data={**entry.data, "device": "h9.pop1"}
    )
    network.overlay = Overlay((held,))
    assert [row["in_force"] for row in network.run("list", owner=None)[-1].rows] == [False]  # type: ignore[union-attr]
    steps = network.run("withdraw", owner="edge")
    assert ([one.removed for one in decided(steps)], deployed(steps)) == ([True], [SWITCHES])


def test_what_is_listed(network: Network) -> None:
    """Each route with its owner, device, end and reason."""
    network.set("edge", "h1.pop1", routes=[{**VIA, "for": "2h"}, OTHER], reason="works")
    report = network.run("list", owner=None)[-1]
    assert [row["prefix"] for row in report.rows] == ["198.18.240.0/24", "198.18.241.0/24"]  # type: ignore[union-attr]
    assert report.rows[0] == {  # type: ignore[union-attr]
        "owner": "edge",
        "device": "h1.pop1",
        "prefix": "198.18.240.0/24",
        "type": "unicast",
        "via": ["10.1.1.200"],
        "metric": 0,
        "in_force": True,
        "announced": False,
        "until": "2023-11-15T00:13:20Z",
        "author": "ann",
        "since": "2023-11-14T22:13:20Z",
        "reason": "works",
    }


# ---- time -------------------------------------------------------------------------------------------------------------


def lapsed(network: Network, seconds: float) -> Overlay:
    """The overlay as whoever plans finds it that much later."""
    return Overlay(PLUGIN.lapse(network.overlay, NOW + seconds))


def test_a_route_ends_by_itself(network: Network) -> None:
    """Past its time it is gone, the others stay; when the last has gone the entry is a tombstone."""
    network.set("edge", "h1.pop1", routes=[{**VIA, "for": "1h"}, {**OTHER, "for": "2h"}])
    assert lapsed(network, 3599).entries == ()
    first, last = lapsed(network, 3600).entries[0], lapsed(network, 7200).entries[0]
    assert (first.version, first.removed, len(first.data["routes"])) == (2, False, 1)
    assert (last.version, last.removed, last.data["routes"]) == (2, True, [])
    assert lapsed(network, 7200) == lapsed(network, 9000)  # whoever looks, and when
    network.overlay = lapsed(network, 3600)
    assert network.prefixes("h1.pop1") == ["198.18.241.0/24"]


def test_a_lease_is_renewed_when_half_of_it_is_over(network: Network) -> None:
    """A program may ask as often as it likes: its devices are changed once in half of the time."""
    network.set("edge", "h1.pop1", **{"for": 600.0})
    assert decided(network.set("edge", "h1.pop1", now=299, **{"for": 600.0})) == ()
    (entry,) = decided(network.set("edge", "h1.pop1", now=301, **{"for": 600.0}))
    assert (entry.version, entry.until) == (2, NOW + 901)


@pytest.mark.parametrize("given", [{"for": None}, {"for": 600.0}])
def test_another_end_is_a_change(network: Network, given: dict[str, Any]) -> None:
    """From hours to minutes, or to for ever."""
    network.set("edge", "h1.pop1", **{"for": 36000.0})
    assert len(decided(network.set("edge", "h1.pop1", **given))) == 1


# ---- what goes wrong on devices ---------------------------------------------------------------------------------------


def test_routes_that_are_not_used_are_told(network: Network) -> None:
    """A daemon leaves out a route whose next hop is not connected."""
    network.devices = Devices(lame=frozenset({"h1.pop1"}))
    assert "h1.pop1: only 0 of 1 ipv4 routes in use" in told(network.set("edge", "h1.pop1"))


def test_who_is_away_gets_it_later(network: Network) -> None:
    """The others have it, and the switches remember it for the one that is away."""
    network.devices = Devices(silent=frozenset({"h2.pop1"}))
    steps = network.set("edge", "h1.pop1", "h2.pop1")
    assert deployed(steps) == [("h1.pop1",), SWITCHES]
    assert "; h2.pop1 once netorch run or a deploy reaches it" in told(steps)
    assert network.overlay.find("routes/edge@h2.pop1") is not None


def test_nobody_there_is_an_error(network: Network) -> None:
    """What nobody can have is not decided; withdrawing from who is dead is."""
    network.set("edge", "h2.pop1")
    network.devices = Devices(silent=frozenset({"h1.pop1", "h2.pop1"}))
    with pytest.raises(NetorchError, match=r"h1\.pop1: nobody can be reached"):
        network.set("other", "h1.pop1")
    steps = network.run("withdraw", owner="edge")
    assert deployed(steps) == [SWITCHES]
    assert network.prefixes("h2.pop1") == []


def fail_at(steps: Steps, network: Network, holders: tuple[str, ...]) -> tuple[list[Any], NetorchError]:
    """Drive a verb whose first deploy fails after ``holders`` took it; what it does then, and how it ends."""
    taken: list[Any] = []
    overlay = network.overlay
    result: Any = None
    try:
        while True:
            step = steps.send(result)
            taken.append(step)
            if isinstance(step, ChangeOverlay):
                overlay = Overlay((*overlay.entries, *step.entries))
            if isinstance(step, Deploy):
                taken.append(steps.throw(Reverted("a check failed", where="h2.pop1")))
                break
            result = network.devices(0.0, network.overlay) if isinstance(step, Gather) else None
        facts = network.devices(0.0, network.overlay)
        result = {n: replace(facts[n], overlay=overlay.entries if n in holders else ()) for n in ("h1.pop1", "h2.pop1")}
        while True:
            taken.append(steps.send(result))
            result = ()
    except NetorchError as error:
        return taken, error


@pytest.mark.parametrize(("holders", "restores"), [(("h1.pop1",), True), ((), False)])
def test_a_failure_leaves_nothing_half_done(network: Network, holders: tuple[str, ...], restores: bool) -> None:
    """Where one device took the routes and another could not bear them, both go back; the command ends with the error."""
    verb = next(verb for verb in PLUGIN.verbs if verb.name == "routes set")
    arguments = {
        "owner": "edge",
        "target": ("h1.pop1", "h2.pop1"),
        "file": InputFile("x", '{"prefix": "198.18.240.0/24", "via": "10.1.1.200"}'),
        "for": None,
        "reason": None,
        "confirm_timeout": 60,
        "allow_covering": False,
    }
    steps = verb.run(context(PLUGIN, intent=INTENT), arguments)
    taken, error = fail_at(steps, network, holders)
    assert isinstance(error, Reverted)
    last = taken[-2] if restores else taken[-1]
    assert isinstance(last, ChangeOverlay if restores else Gather)
    if isinstance(last, ChangeOverlay):
        assert [(entry.id, entry.version, entry.removed) for entry in last.entries] == [
            ("routes/edge@h1.pop1", 2, True),
            ("routes/edge@h2.pop1", 2, True),
        ]


def test_hops_may_be_interfaces(network: Network) -> None:
    """An interface alone, or beside a link-local address."""
    routes = [
        {"prefix": "198.18.240.0/24", "interface": "eth0"},
        {"prefix": "2001:db8:9::/48", "via": "fe80::1", "interface": "eth0"},
    ]
    network.set("edge", "h1.pop1", routes=routes)
    first, second = network.routes("h1.pop1")
    assert first.hops == (StaticHop(None, "eth0"),)
    assert [(str(hop.address), hop.interface) for hop in second.hops] == [("fe80::1", "eth0")]


@pytest.mark.parametrize(
    ("owners", "text"),
    [
        ({"one": [VIA]}, "1 route of 1 owner"),
        ({"one": [VIA, OTHER]}, "2 routes of 1 owner"),
        ({"one": [VIA], "two": [OTHER]}, "2 routes of 2 owners"),
    ],
)
def test_list_counts_as_people_do(owners: dict[str, Any], text: str) -> None:
    """One route is no routes."""
    network = Network()
    for owner, routes in owners.items():
        assert told(network.set(owner, "h1.pop1", routes=routes)).startswith(
            f"{owner}: {len(routes)} route{'s' if routes[1:] else ''} on h1.pop1"
        )
    assert told(network.run("list", owner=None)) == text


def test_list_says_who_could_not_be_asked() -> None:
    """No routes that are known are not no routes."""
    start = replace(context(PLUGIN), unread=SWITCHES)
    steps = FakeNetwork(Devices()).run(PLUGIN, "routes list", start, owner=None)
    assert told(steps) == "no routes known: sw1.pop1, sw2.pop1 could not be asked"


def of_routers() -> tuple[VerbContext, FakeNetwork]:
    """Three POPs of routers, without switches, where routes are set."""
    intent = derive_intent(underlay_inventory())

    def facts(seconds: float, overlay: Overlay) -> Facts:
        return {d.name: replace(fake_facts(d.name), overlay=overlay.kept_by(d.name)) for d in intent.devices}

    start = replace(fake_context(PLUGIN, underlay_inventory()), intent=intent)
    return start, FakeNetwork(facts)


def test_routers_take_routes() -> None:
    """A router keeps its routes itself where no switch does."""
    start, network = of_routers()
    router = start.intent.devices[0].name
    file = InputFile("routes.json", json.dumps(VIA))
    options = {"for": None, "allow_covering": False, "reason": None, "confirm_timeout": 60}
    steps = network.run(PLUGIN, "routes set", start, owner="one", target=(router,), file=file, **options)
    (kept,) = decided(steps)
    assert kept.devices == (router,)
    assert [str(r.prefix) for r in PLUGIN.amend(start.intent, network.overlay).device(router).routes] == [VIA["prefix"]]


def test_family_that_a_device_does_not_speak_is_refused() -> None:
    """The daemon of a router with IPv4 alone has no place for an IPv6 route."""
    start, network = of_routers()
    intent = start.intent.with_devices(
        lambda one: replace(one, sessions=tuple(s for s in one.sessions if s.family is Family.IPV4))
    )
    router = intent.devices[0].name
    file = InputFile("routes.json", json.dumps({"prefix": "2001:db8:f::/48", "type": "blackhole"}))
    with pytest.raises(UsageError, match=f"2001:db8:f::/48: {router} has sessions of ipv4 alone"):
        network.run(
            PLUGIN,
            "routes set",
            replace(start, intent=intent),
            owner="one",
            target=(router,),
            file=file,
            **{"for": None, "allow_covering": False, "reason": None, "confirm_timeout": 60},
        )
