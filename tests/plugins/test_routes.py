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
    GuardRefused,
    InputFile,
    NetorchError,
    Overlay,
    OverlayEntry,
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


# ---- time ----------------------------------------------------------------------------------------------------------


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


# ---- guards --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [
        ("0.0.0.0/0", "is a default route"),
        ("::/0", "is a default route"),
        ("198.18.1.0/24", "covers the management address of sw1.pop1"),
        ("198.18.2.11/32", "covers the management address of h1.pop2"),
        ("10.1.1.200/32", "is part of the fabric of sw1.pop1"),
        ("10.0.0.0/8", "covers the fabric of sw1.pop1"),
        ("203.0.113.1/32", "is part of the subnet of circuit northtel-pop1-a"),
        ("192.0.2.11/32", "covers the service address 192.0.2.11 of h1.pop1"),
        ("192.0.2.0/24", "covers the service address"),
        ("198.51.100.0/24", "covers the own prefix 198.51.100.0/24 as a whole"),
        ("2001:db8:1::/48", "covers the service address"),
    ],
)
def test_what_carries_the_pop_is_not_covered(network: Network, prefix: str, reason: str) -> None:
    """Such a route is refused with exit code 7, and taken with the flag that the hint names."""
    route = {"prefix": prefix, "type": "blackhole"}
    with pytest.raises(GuardRefused, match=reason) as refused:
        network.set("edge", "h2.pop1", routes=route)
    assert (refused.value.exit_code, refused.value.where) == (7, "h2.pop1")
    assert "--allow-covering" in refused.value.hint
    network.set("edge", "h2.pop1", routes=route, allow_covering=True)
    assert network.prefixes("h2.pop1") == [prefix]


def test_a_part_of_an_own_prefix_is_harmless(network: Network) -> None:
    """Only the whole of it is precious, and the addresses that are served."""
    network.set("edge", "h2.pop1", routes={"prefix": "192.0.2.64/26", "via": "10.1.1.200"})
    assert network.prefixes("h2.pop1") == ["192.0.2.64/26"]


def test_there_is_a_limit(network: Network) -> None:
    """Routes of all owners on one device count together."""
    network.settings = {"max_routes": 3}
    network.set("edge", "h1.pop1", routes=[VIA, OTHER])
    more = [{"prefix": f"198.18.24{n}.0/24", "type": "blackhole"} for n in (2, 3)]
    with pytest.raises(GuardRefused, match=r"would have 4 routes of blocklist, edge \(limit 3\)"):
        network.set("blocklist", "h1.pop1", routes=more)
    network.set("blocklist", "h1.pop1", routes=more[:1])
    network.set("blocklist", "h1.pop1", routes=more[1:])  # in the place of the other
    assert len(network.prefixes("h1.pop1")) == 3


# ---- announcing ----------------------------------------------------------------------------------------------------

SINGLE = {"prefix": "192.0.2.70/32", "via": "10.1.1.200", "announce": True}


def test_nothing_is_announced_unless_asked_and_allowed(network: Network) -> None:
    """A program asks for it with each route, the operator allows it in the inventory; both are needed."""
    with pytest.raises(GuardRefused, match=r"refused \(announce\): 192\.0\.2\.70/32"):
        network.set("edge", "h1.pop1", routes=SINGLE)
    network.settings = {"announce": ["192.0.2.64/26"]}
    network.set("edge", "h1.pop1", routes={**SINGLE, "announce": False})
    assert [route.announced for route in network.routes("h1.pop1")] == [False]


def test_an_announced_address_is_taken_by_the_switches_of_the_pop(network: Network) -> None:
    """They take it like a service address; other POPs do not hear of it."""
    network.settings = {"announce": ["192.0.2.64/26"]}
    network.set("edge", "h1.pop1", routes=SINGLE)
    amended = PLUGIN.amend(network.intent, network.overlay)
    assert [route.announced for route in network.routes("h1.pop1")] == [True]
    hearing = {d.name for d in amended.devices if "192.0.2.70" in map(str, d.service)}
    assert hearing == set(SWITCHES)
    assert amended.device("sw1.pop1").originated == INTENT.device("sw1.pop1").originated  # and so are exports


def test_taking_the_permission_away_ends_the_announcement(network: Network) -> None:
    """The route stays, nobody is told of it any more."""
    network.settings = {"announce": ["192.0.2.64/26"]}
    network.set("edge", "h1.pop1", routes=SINGLE)
    network.settings = {}
    assert [route.announced for route in network.routes("h1.pop1")] == [False]


@pytest.mark.parametrize(
    ("prefix", "device"),
    [
        ("192.0.2.64/27", "h1.pop1"),  # more than one address
        ("192.0.2.70/32", "sw1.pop1"),  # switches announce whole prefixes
        ("192.0.2.70/32", "h1.pop2"),  # another POP's
        ("203.0.114.1/32", "h1.pop1"),  # not ours
        ("192.0.2.200/32", "h1.pop1"),  # not allowed
    ],
)
def test_what_is_never_announced(network: Network, prefix: str, device: str) -> None:
    """Only single addresses of hosts, inside a prefix of their POP, inside what the operator names."""
    network.settings = {"announce": ["192.0.2.64/26", "203.0.114.0/24"]}
    with pytest.raises(GuardRefused, match="refused"):
        network.set("edge", device, routes={**SINGLE, "prefix": prefix})


# ---- files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "routes.json:1:2: no JSON: "),
        ('[\n{"prefix": 1},\n', "routes.json:3:1: no JSON"),
        ("7", "routes.json:1: expected an object such as"),
        (
            '{"prefx": "10.9.0.0/16"}',
            "expected no other keys than prefix, .* found 'prefx'\n  hint: did you mean 'prefix'",
        ),
        ('{"prefix": "10.9.0.0/16", "prefix": "10.8.0.0/16"}', "prefix: expected each key once"),
        ('{"via": "10.1.1.9"}', "prefix: expected a prefix, found nothing"),
        (
            '{"prefix": "198.18.240.1/24", "via": "10.1.1.9"}',
            "found '198.18.240.1/24'\n  hint: did you mean 198.18.240.0/24",
        ),
        ('{"prefix": "198.18.240.0", "via": "10.1.1.9"}', "prefix: expected a prefix with its length"),
        ('{"prefix": "224.0.0.0/8", "via": "10.1.1.9"}', "expected addresses that are routed"),
        ('{"prefix": "fe80::/10", "interface": "eth0"}', "expected addresses that are routed"),
        ('{"prefix": "198.18.240.0/24"}', "via: expected a next hop, an interface, or type"),
        ('{"prefix": "198.18.240.0/24", "via": "10.1.1.9/24"}', "via: expected the address of a next hop"),
        ('{"prefix": "198.18.240.0/24", "via": "fd00::1"}', r"via: expected the address of a next hop \(IPv4"),
        ('{"prefix": "198.18.240.0/24", "via": ["10.1.1.9", "10.1.1.9"]}', "via: expected each address once"),
        ('{"prefix": "2001:db8:9::/48", "via": "fe80::1"}', "a link-local address together with interface"),
        ('{"prefix": "198.18.240.0/24", "interface": "eth0\\"; x"}', "interface: expected the name of an interface"),
        ('{"prefix": "198.18.240.0/24", "interface": ""}', "interface: expected the name of an interface"),
        ('{"prefix": "198.18.240.0/24", "type": "blakhole"}', "hint: did you mean 'blackhole'"),
        (
            '{"prefix": "198.18.240.0/24", "type": "blackhole", "via": "10.1.1.9"}',
            "neither via nor interface with blackhole",
        ),
        ('{"prefix": "198.18.240.0/24", "via": "10.1.1.9", "metric": true}', "metric: expected a whole number"),
        ('{"prefix": "198.18.240.0/24", "via": "10.1.1.9", "announce": "yes"}', "announce: expected true or false"),
        (
            '{"prefix": "198.18.240.0/24", "via": "10.1.1.9", "for": "10s"}',
            "for: expected a duration of a minute or more",
        ),
        (
            '{"prefix": "198.18.240.0/24", "via": "10.1.1.9"}\n{"prefix": "198.18.240.0/24", "type": "blackhole"}',
            "routes.json:2: prefix: expected each prefix once",
        ),
    ],
)
def test_a_wrong_file_changes_nothing(network: Network, text: str, complaint: str) -> None:
    """The place, what was found and what was expected; exit code 64, and nothing was asked of any device."""
    with pytest.raises(UsageError, match=complaint) as error:
        network.set("edge", "h1.pop1", routes=text)
    assert error.value.exit_code == 64
    assert network.overlay.entries == ()


def test_every_finding_is_told_at_once(network: Network) -> None:
    """A program's author wants to see all that is wrong."""
    text = '{"prefix": "x", "via": "10.1.1.9"}\n{"prefix": "198.18.240.0/24"}\n{"prefix": "198.18.241.0/24", "via": 3}'
    with pytest.raises(UsageError) as error:
        network.set("edge", "h1.pop1", routes=text)
    assert [line.split(" ")[0] for line in str(error.value).split("\n")] == [f"routes.json:{n}:" for n in (1, 2, 3)]


@pytest.mark.parametrize("owner", ["", "Edge", "a b", "x" * 41, "../x", "-x"])
def test_owners_have_plain_names(network: Network, owner: str) -> None:
    """They become ids and words in histories."""
    with pytest.raises(UsageError, match="OWNER: expected a name"):
        network.set(owner, "h1.pop1")


def test_entries_of_another_version_are_left_alone(network: Network) -> None:
    """What is not understood makes no route and no error."""
    data = {"owner": "edge", "device": "h1.pop1", "routes": [{"prefix": "10.0.0.0/8"}, 7, {"hops": [[1]]}]}
    others: list[dict[str, Any]] = [data, {}, {"device": "h1.pop1", "routes": "x"}]
    entries = tuple(
        OverlayEntry(f"routes/{n}@h1.pop1", 1, "routes", ("h1.pop1",), "bob", NOW, data=one)
        for n, one in enumerate(others)
    )
    network.overlay = Overlay(entries)
    assert network.prefixes("h1.pop1") == []
    assert PLUGIN.lapse(network.overlay, NOW) == ()


# ---- what goes wrong on devices ------------------------------------------------------------------------------------


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
