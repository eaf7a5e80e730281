"""Routers of an underlay: their intent, what a change of it resets, in which order they are changed, how they are told of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netorch.app.health import CRITICAL, OK, WARNING, assess
from netorch.app.planning import expected_peers
from netorch.app.targets import select_devices
from netorch.errors import UsageError
from netorch.intent import derive_intent
from netorch.model.checks import findings, is_up
from netorch.model.codec import from_json, to_json
from netorch.model.facts import DaemonFacts, DeviceFacts, FileFact
from netorch.model.intent import Intent, Session
from netorch.model.inventory import Inventory, Router
from netorch.model.items import FileItem
from netorch.model.plan import Check
from netorch.model.state import Protocol
from netorch.model.types import Family
from netorch.plan import plan_device
from netorch.plan.checks import NEIGHBOUR_SETTLE_S, SETTLE_S
from netorch.plan.daemons import language_of
from netorch.plan.rollout import batches
from netorch.rehearsal.preparing import pops_of
from tests.golden.write import UNDERLAY_FOLDER, underlay_inventory

BOTH = pytest.mark.parametrize("daemon", ["bird", "frr"])


@pytest.fixture(scope="module")
def inventory() -> Inventory:
    return underlay_inventory()


@pytest.fixture(scope="module")
def intent(inventory: Inventory) -> Intent:
    return derive_intent(inventory)


def unnumbered(inventory: Inventory, versions: tuple[str, str] = ("8.4.4", "8.4.4")) -> Intent:
    """The network with r1.bgp and r3.bgp, which run FRR ``versions``, joined by a link without addresses."""
    releases = dict(zip(("r1.bgp", "r3.bgp"), versions, strict=True))

    def changed(router: Router) -> Router:
        if router.name not in releases:
            return router
        interfaces = tuple(
            replace(one, ipv4=None, ipv6=None) if one.link is not None and one.link.router in releases else one
            for one in router.interfaces
        )
        return replace(router, daemon="frr", version=releases[router.name], interfaces=interfaces)

    pops = tuple(replace(pop, routers=tuple(map(changed, pop.routers))) for pop in inventory.pops)
    return derive_intent(replace(inventory, pops=pops))


def ends(intent: Intent) -> dict[tuple[str, str, Family], Session]:
    """Every session by device, peer and family."""
    return {(d.name, s.peer, s.family): s for d in intent.devices for s in d.sessions}


def test_a_link_has_a_session_of_each_family_at_both_ends(intent: Intent) -> None:
    """The ends of a session name each other's addresses and AS numbers, and speak one protocol."""
    found = ends(intent)
    assert len(found) == 3 * 3 * 2 * 2
    for (device, peer, family), session in found.items():
        other = found[peer, device, family]
        assert (session.local, session.neighbor) == (other.neighbor, other.local)
        assert session.protocol == other.protocol == device.partition(".")[2]
        assert session.peer_asn == (intent.device(peer).asn if session.protocol == "bgp" else 0)


def test_names_of_sessions(intent: Intent) -> None:
    """BGP's are symbols made of neighbour and interface; those of RIP and OSPF name instance and interface."""
    names = {pop: [s.name for s in intent.device(f"r1.{pop}").sessions] for pop in ("rip", "ospf", "bgp")}
    assert names["rip"] == ["rip_v4:to2", "rip_v6:to2", "rip_v4:to3", "rip_v6:to3"]
    assert names["ospf"] == ["ospf_v4:to2", "ospf_v6:to2", "ospf_v4:to3", "ospf_v6:to3"]
    assert names["bgp"] == ["r2_to2_v4", "r2_to2_v6", "r3_to3_v4", "r3_to3_v6"]


def test_an_unnumbered_link_has_one_session_of_both_families(inventory: Inventory) -> None:
    """It is known by its interface, carries IPv4 and IPv6, and names no addresses."""
    found = unnumbered(inventory).device("r1.bgp")
    (session,) = (s for s in found.sessions if s.peer == "r3.bgp")
    assert (session.name, session.interface, session.carried) == ("r3_to3_ll", "to3", tuple(Family))
    assert session.is_unnumbered
    assert not any(other.is_unnumbered for other in found.sessions if other is not session)


@pytest.mark.parametrize(
    ("versions", "bfd"), [(("8.4.4", "8.4.4"), True), (("10.3", "10.3"), True), (("8.4.4", "10.3"), False)]
)
def test_bfd_of_an_unnumbered_session_needs_two_ends_that_begin_alike(
    inventory: Inventory, versions: tuple[str, str], bfd: bool
) -> None:
    """10.3 waits for BFD before it connects, 8.4.4 starts BFD once it is connected; sessions with addresses have it always."""
    for session in unnumbered(inventory, versions).device("r1.bgp").sessions:
        assert session.bfd is (bfd or not session.is_unnumbered)


def test_routers_tell_of_their_lans_and_with_bgp_of_nothing_else(intent: Intent) -> None:
    """RIP and OSPF carry the links as well; all routers of a POP know the same networks."""
    for pop, count in (("rip", 6), ("ospf", 6), ("bgp", 3)):
        devices = intent.in_pop(pop, "router")
        underlays = [device.underlay for device in devices if device.underlay is not None]
        assert len(underlays) == len(devices) == 3
        assert len({underlay.networks for underlay in underlays}) == 1
        assert sum(network.version == 4 for network in underlays[0].networks) == count
        assert set().union(*(underlay.announced for underlay in underlays)) == set(underlays[0].networks)


def test_intent_of_routers_survives_json(inventory: Inventory) -> None:
    """It is told to agents and plugins as JSON."""
    found = unnumbered(inventory)
    assert from_json(Intent, to_json(found)) == found


CHANGES = {
    "bird": [
        ("ospf", "cost 100;", "cost 50;", {}),
        ("ospf", "import filter from_routers_ipv4;", "import all;", {}),
        ("ospf", "area 7", "area 8", {f"ospf_v{n}:{i}": "restart" for n in (4, 6) for i in ("to2", "to3")}),
        (
            "ospf",
            "router id 172.17.100.1;",
            "router id 1.1.1.1;",
            {f"ospf_v{n}:{i}": "restart" for n in (4, 6) for i in ("to2", "to3")},
        ),
        ("rip", '    interface "to3";\n}', "}", {"rip_v4:to3": "close", "rip_v6:to3": "close"}),
        (
            "rip",
            '    interface "to3";\n}',
            '    interface "to3" { port 1520; };\n}',
            {"rip_v4:to3": "restart", "rip_v6:to3": "restart"},
        ),
        ("bgp", "as 65003;", "as 65004;", {"r3_to3_v4": "restart", "r3_to3_v6": "restart"}),
    ],
    "frr": [
        ("ospf", "cost 100", "cost 50", {}),
        ("ospf", "area 7", "area 8", {f"ospf_v{n}:{i}": "restart" for n in (4, 6) for i in ("to2", "to3")}),
        (
            "ospf",
            "ospf router-id 172.17.100.1",
            "ospf router-id 1.1.1.1",
            {f"ospf_v4:{i}": "restart" for i in ("to2", "to3")},
        ),
        ("rip", " network to3\n", "", {"rip_v4:to3": "close", "rip_v6:to3": "close"}),
        ("rip", " network to2\n", " network lan0\n network to2\n", {"rip_v4:lan0": "start", "rip_v6:lan0": "start"}),
        ("rip", " network to2\n", " network lan0\n network to2\n passive-interface lan0\n", {}),
        ("rip", " distribute-list prefix underlay_ipv4 out\n", "", {}),
        ("bgp", "remote-as 65003", "remote-as 65004", {"r3_to3_v4": "restart", "r3_to3_v6": "restart"}),
    ],
}


@pytest.mark.parametrize(
    ("daemon", "protocol", "find", "put", "expected"),
    [(daemon, *change) for daemon, changes in CHANGES.items() for change in changes],
)
def test_a_change_resets_the_neighbours_that_it_is_about(
    daemon: str, protocol: str, find: str, put: str, expected: dict[str, str]
) -> None:
    """Costs and filters change in place; timers, areas, router ids and interfaces do not."""
    text = (UNDERLAY_FOLDER / daemon / f"r1.{protocol}.conf").read_text()
    assert find in text
    found = language_of(daemon).foresee_resets(text, text.replace(find, put))
    assert {reset.session: reset.effect for reset in found} == expected


@BOTH
@pytest.mark.parametrize("protocol", ["rip", "ospf", "bgp"])
def test_a_first_configuration_starts_exactly_the_sessions_of_the_intent(
    intent: Intent, daemon: str, protocol: str
) -> None:
    """Plans, checks and status call a neighbour by one name."""
    text = (UNDERLAY_FOLDER / daemon / f"r1.{protocol}.conf").read_text()
    found = {reset.session: reset.effect for reset in language_of(daemon).foresee_resets("", text)}
    assert found == {session.name: "start" for session in intent.device(f"r1.{protocol}").sessions}


@pytest.mark.parametrize(("state", "settle_s"), [("up", NEIGHBOUR_SETTLE_S), ("start", SETTLE_S)])
def test_a_neighbour_that_may_be_lost_is_watched(state: str, settle_s: float) -> None:
    """As long as it takes to miss it: a neighbour that is up, where the change restarts it."""
    text = (UNDERLAY_FOLDER / "bird" / "r1.ospf.conf").read_text()
    path = "/etc/bird/bird.conf"
    held = DaemonFacts(
        "bird",
        "2.0.12",
        running=True,
        live_stamp="s",
        disk_stamp="s",
        protocols=(Protocol("ospf_v4:to2", "OSPF", state=state),),
    )
    facts = DeviceFacts("r1.ospf", "agent", "base", 1, held, files=(FileFact(path, "", 0o640, text),))
    changed = text.replace('interface "to2" {', 'interface "to2" {\n            priority 3;')
    plan = plan_device((FileItem(path, changed, mode=0o640, group="bird", daemon="bird"),), facts, check=Check())
    assert "ospf_v4:to2" in {reset.session for reset in plan.resets}
    assert plan.check.settle_s == settle_s


def test_routers_are_changed_one_after_the_other(intent: Intent) -> None:
    """Each in a batch of its own, POP by POP."""
    names = [device.name for device in intent.devices]
    assert batches(intent, names) == tuple((name,) for name in names)


def test_a_first_deploy_waits_for_routers_before_it(intent: Intent) -> None:
    """Those behind it in the roll-out may have nothing of it yet."""
    chosen = ["r1.rip", "r2.rip", "r3.rip"]
    assert [sorted(expected_peers(intent.device(name), set(chosen), chosen=chosen)) for name in chosen] == [
        [],
        ["r1.rip"],
        ["r1.rip", "r2.rip"],
    ]


def test_an_underlay_cannot_be_rehearsed(inventory: Inventory) -> None:
    """A POP with routers is refused before any device is asked: which, why, and what does play it."""
    with pytest.raises(UsageError, match=r"rip: .* found routers of an underlay \(r1.rip, r2.rip, r3.rip\)") as refused:
        pops_of(inventory, ("r1.rip",))
    assert "netorch lab up" in refused.value.hint


@pytest.mark.parametrize(("up", "state"), [(4, OK), (3, WARNING), (0, CRITICAL)])
def test_a_router_without_a_neighbour_is_critical(intent: Intent, up: int, state: int) -> None:
    """One that is missing costs redundancy; without any the router is cut off."""
    sessions = intent.device("r1.ospf").sessions
    protocols = tuple(Protocol(s.name, "OSPF", state="up" if at < up else "start") for at, s in enumerate(sessions))
    daemon = DaemonFacts("bird", "2.0.12", running=True, live_stamp="s", disk_stamp="s", protocols=protocols)
    facts = {"r1.ospf": DeviceFacts("r1.ospf", "agent", "base", 1, daemon)}
    assert assess(intent, facts, {}, ("r1.ospf",)).state == state


def test_routers_are_a_group(inventory: Inventory) -> None:
    """role:router means them."""
    assert select_devices(inventory, ["role:router"], limit=["pop:rip"]) == ("r1.rip", "r2.rip", "r3.rip")


@pytest.mark.parametrize(
    ("protocol", "up"),
    [
        (Protocol("ospf_v4:to2", "OSPF", state="up", info="Full/PtP"), True),
        (Protocol("ospf_v4:to2", "OSPF", state="start", info="Init/PtP"), False),
        (Protocol("r2_to2_v4", "BGP", state="up", bgp_state="Established"), True),
        (Protocol("r2_to2_v4", "BGP", state="start", bgp_state="Active"), False),
        (None, False),
    ],
)
def test_a_session_is_up(protocol: Protocol | None, up: bool) -> None:
    """BGP's by its own state, those of RIP and OSPF, which have none, by what the daemon makes of them."""
    assert is_up(protocol) is up


def test_a_lost_neighbour_is_named() -> None:
    """What the operator reads of a check that failed."""
    check = Check(up=("ospf_v4:to2", "rip_v4:to3"))
    now = {"ospf_v4:to2": Protocol("ospf_v4:to2", "OSPF", state="start")}
    assert findings(check, now, {}) == (
        "ospf_v4:to2: start, expected a neighbour that is up",
        "rip_v4:to3: nobody there, expected a neighbour that is up",
    )
