"""Drains of switches, hosts and whole POPs; POP by POP; for who ignores the community; and by the clock."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from netorch.api import (
    ChangeOverlay,
    Deploy,
    DeviceIntent,
    GuardRefused,
    Intent,
    NetorchError,
    Overlay,
    PluginError,
    PrefixExport,
    Report,
    Session,
    Wait,
)
from netorch.app.history import make_rollback
from netorch.intent import derive_intent
from netorch.loader import load_plugins
from netorch.model.inventory import PluginSettings
from tests.plugins.drain_network import PLUGIN, SWITCHES, Traffic, entry, run
from tests.plugins.example import INTENT, NOW
from tests.unit.agents import Agent, controller_of
from tests.unit.inventory_texts import example, load

GRACEFUL_SHUTDOWN = (65535, 0)
H1 = "h1.pop1"
HOST_KEEPERS = (*SWITCHES, H1)


def amended(*entries: Any) -> Intent:
    """The example under these drains."""
    return PLUGIN.amend(INTENT, Overlay(entries))


def provider_sessions(intent: Intent, pop: str) -> list[Session]:
    """Those of all switches of a POP."""
    return [s for device in intent.in_pop(pop, "switch") for s in device.sessions if s.kind == "provider"]


# ---- what they make of the network -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "stage", "expected"),
    [
        ("host", H1, "graceful", {H1: "last"}),
        ("host", H1, "closed", {H1: "nothing"}),
        ("switch", "sw1.pop1", "graceful", {"sw1.pop1": "last"}),
        ("switch", "sw1.pop1", "closed", {"sw1.pop1": "last"}),
        ("pop", "pop1", "closed", {}),
        ("provider", "northtel", "closed", {}),
    ],
)
def test_what_the_fabric_is_told(kind: str, name: str, stage: str, expected: dict[str, str]) -> None:
    """A drained host is the last choice, then silent; a drained switch the last choice of its hosts; nobody else changes."""
    intent = amended(entry(name, stage, kind=kind))
    assert {d.name: d.fabric_export for d in intent.devices if d.fabric_export != "usual"} == expected


def test_a_drained_host_keeps_its_sessions_and_addresses() -> None:
    """What it sends goes on leaving: nothing else of it changes, and nothing of any switch."""
    intent = amended(entry(H1, "closed", kind="host"))
    assert intent.with_devices(lambda device: replace(device, fabric_export="usual")) == INTENT


def test_a_drained_pop_lets_out_by_its_usual_ways() -> None:
    """Every provider is asked to stay away, and no local preference changes, unless a provider of it is drained as well."""
    pop = entry("pop2", "graceful", kind="pop", pop="pop2")
    found = provider_sessions(amended(pop), "pop2")
    before = {s.name: s.import_policy for s in provider_sessions(INTENT, "pop2")}
    assert all(s.export_policy and s.export_policy.communities == (GRACEFUL_SHUTDOWN,) for s in found)
    assert {s.name: s.import_policy for s in found} == before
    both = provider_sessions(amended(pop, entry("meadow", "graceful", pop="pop2")), "pop2")
    assert {s.peer for s in both if s.import_policy and s.import_policy.local_preference == 0} == {"meadow"}


def test_a_longer_path_adds_to_what_is_there() -> None:
    """The sessions' own prepends stay."""

    def prepended(_: Any, session: Session) -> Session:
        policy = session.export_policy
        return session if policy is None else replace(session, export_policy=replace(policy, prepend=2))

    held = entry("northtel", "graceful")
    held = replace(held, data={**held.data, "prepend": 4})
    found = provider_sessions(PLUGIN.amend(INTENT.with_sessions(prepended), Overlay((held,))), "pop1")
    assert {(s.peer, s.export_policy.prepend) for s in found if s.export_policy} == {
        ("northtel", 6),
        ("southnet", 2),
        ("meadow", 2),
    }


# ---- steps -------------------------------------------------------------------------------------------------------


def test_a_host_is_drained_and_comes_back_in_steps() -> None:
    """The switches keep the drain, the host is changed after them; its uplinks are watched; back the same way."""
    done = run("drain", H1)
    assert done.stages == ["graceful", "closed"]
    assert [step.devices for step in done.steps if isinstance(step, Deploy)] == [HOST_KEEPERS, HOST_KEEPERS]
    (held,) = done.network.overlay.entries
    assert (held.id, held.devices) == ("drain/host/h1.pop1@pop1", SWITCHES)
    assert [(row["device"], row["interface"], row["quiet"]) for row in done.rows] == [
        (H1, "eth0", True),
        (H1, "eth1", True),
    ]
    assert {row["circuit"] for row in done.rows} == {None}
    assert "flows to 192.0.2.11, 2001:db8:1::11 itself go on until the last step" in done.text
    assert done.text.endswith("host h1.pop1 in pop1: drained, it announces nothing any more")
    back = run("undrain", "host", H1, held=done.network.overlay)
    assert back.stages == ["graceful", "ended"]
    assert {(row["device"], row["peer"]) for row in back.rows} == {(switch, H1) for switch in SWITCHES}


def test_of_a_host_only_what_comes_in_counts() -> None:
    """Its own flows go on, and keep nobody waiting."""
    traffic = Traffic()
    done = run("drain", H1, traffic=traffic)
    assert {row["rate_before_bps"] for row in done.rows} == {traffic.busy * 8 // 2}


def test_a_switch_is_quiet_when_its_hosts_have_left_it() -> None:
    """Ports to hosts are watched as well as the circuits', since hosts reach each other through it."""
    done = run("drain", "sw1", pop="pop1", allow_capacity=True)
    assert [row["interface"] for row in done.rows] == ["swp1", "swp2", "swp11", "swp12", "swp13"]
    assert all(row["quiet"] for row in done.rows)


def test_pops_are_drained_one_after_the_other() -> None:
    """A provider without --pop: POP1 is closed before POP2 is told anything; the last report has the ports of both."""
    done = run("drain", "northtel", allow_capacity=True)
    told = [(e.data["pop"], e.data["stage"]) for s in done.steps if isinstance(s, ChangeOverlay) for e in s.entries]
    assert told == [("pop1", "graceful"), ("pop1", "closed"), ("pop2", "graceful"), ("pop2", "closed")]
    assert [row["circuit"] for row in done.rows] == ["northtel-pop1-a", "northtel-pop1-b", "northtel-pop2"]


def test_a_guard_stops_between_pops() -> None:
    """What left POP1 is too much for POP2, as is seen when its turn has come: refused, and what is done is named."""
    pop2 = example()["pops/pop2.yml"].replace("capacity: 10G", "capacity: 10M")
    inventory = load({**example(), "pops/pop2.yml": pop2})

    class Growing(Traffic):
        """Two Mbit/s until POP1 is drained, eighty after that."""

        def __call__(self, seconds: float, overlay: Overlay) -> Any:
            self.busy = 250_000 if not overlay.entries else 10_000_000
            return super().__call__(seconds, overlay)

    traffic = Growing(intent=derive_intent(inventory))
    with pytest.raises(GuardRefused, match=r"leaves 10 Mbit/s for the .* go in now .*; it is drained in pop1$"):
        run("drain", "northtel", traffic=traffic, inventory=inventory)


def test_who_ignores_the_community_is_told_a_longer_path() -> None:
    """After half of the time; a neighbour that takes that leaves, and the wait is over."""
    done = run("drain", "circuit", "northtel-pop1-a", traffic=Traffic(deaf=frozenset({"northtel-pop1-a"})), wait=20.0)
    changes = [e.data.get("prepend", 0) for s in done.steps if isinstance(s, ChangeOverlay) for e in s.entries]
    assert changes == [0, 4, 4]
    assert "northtel-pop1-a: still sent to; our AS number is put in front 4 more times" in done.text
    assert [row["quiet"] for row in done.rows] == [True]


def test_a_short_wait_is_enough_for_who_leaves_at_once() -> None:
    """What was seen in its first half counts in its second: six seconds are more than the five that a port must be quiet."""
    done = run("drain", "circuit", "northtel-pop1-a", wait=6.0)
    assert [row["quiet"] for row in done.rows] == [True]
    assert done.stages == ["graceful", "closed"]


def test_who_hears_the_community_is_told_no_longer_path() -> None:
    """Only who goes on sending is."""
    done = run("drain", "circuit", "northtel-pop1-a", wait=20.0)
    assert done.stages == ["graceful", "closed"]


def test_people_see_the_curve() -> None:
    """While it is waited for, each port's rate in bit/s at every look, and what it was before."""
    done = run("drain", "meadow", pop="pop1")
    wait = [step for step in done.steps if isinstance(step, Wait)][-1]
    traffic = Traffic()
    history = tuple((float(at), traffic(float(at), Overlay())) for at in range(4))
    (curve,) = wait.curves(history)
    assert (curve.name, curve.values, curve.former) == ("meadow-pop1", (8_000_000,) * 3, 8_000_000)


# ---- by the clock ------------------------------------------------------------------------------------------------


def test_a_drain_ends_in_two_steps_when_its_time_has_come() -> None:
    """Closed, it opens as the last choice; then it ends. Whoever looks whenever finds the same entries."""
    held = entry("northtel", "closed", until=NOW)
    assert PLUGIN.lapse(Overlay((held,)), NOW - 1) == ()
    (opened,) = PLUGIN.lapse(Overlay((held,)), NOW)
    assert PLUGIN.lapse(Overlay((held,)), NOW + 999) == (opened,)
    assert (opened.version, opened.removed, opened.data["stage"], opened.data["returning"]) == (
        3,
        False,
        "graceful",
        True,
    )
    (over,) = PLUGIN.lapse(Overlay((opened,)), NOW + 60)
    assert (over.version, over.removed, over.created) == (4, True, NOW)
    assert PLUGIN.lapse(Overlay((over,)), NOW + 61) == ()


def test_an_undrain_of_what_is_past_its_time_opens_before_it_ends() -> None:
    """Nobody may have carried out the first step yet; and the clock does not end what the command is about to."""
    held = Overlay((entry("northtel", "closed", until=NOW - 1),))
    seen = Overlay(PLUGIN.lapse(held, NOW))
    done = run("undrain", "northtel", held=seen)
    assert done.stages == ["graceful", "ended"]
    (opening, _) = [e for s in done.steps if isinstance(s, ChangeOverlay) for e in s.entries]
    assert opening.until is None


def test_a_drain_of_what_is_past_its_time_is_a_new_one() -> None:
    """With its own end, and from the beginning."""
    held = Overlay(PLUGIN.lapse(Overlay((entry("northtel", "closed", until=NOW - 1),)), NOW))
    options: dict[str, Any] = {"pop": "pop1", "for": 60.0}
    done = run("drain", "northtel", held=held, **options)
    assert done.stages == ["graceful", "closed"]
    (kept,) = done.network.overlay.entries
    assert (kept.until, "returning" in kept.data) == (NOW + 60, False)


def test_the_wait_leaves_half_of_the_time() -> None:
    """A drain must not end before it is done."""
    options: dict[str, Any] = {"pop": "pop1", "for": 60.0}
    done = run("drain", "northtel", traffic=Traffic(leaves=False), **options)
    assert sum(step.timeout_s for step in done.steps[3:] if isinstance(step, Wait)) == 30.0


def test_another_end_and_reason_for_what_is_drained() -> None:
    """No session is touched; both are kept, the one that is not given as it was."""
    held = Overlay((entry("northtel", "closed", reason="works"),))
    options: dict[str, Any] = {"pop": "pop1", "for": 60.0}
    done = run("drain", "northtel", held=held, **options)
    assert [type(step) for step in done.steps] == [ChangeOverlay, Deploy, Report]
    (kept,) = done.network.overlay.entries
    assert (kept.version, kept.until, kept.reason, kept.data["stage"]) == (3, NOW + 60, "works", "closed")
    assert done.text == "provider northtel in pop1: already drained; now until 2023-11-14T22:14:20Z"


# ---- what is refused ---------------------------------------------------------------------------------------------


def anycast() -> dict[str, str]:
    """The example, whose second POP announces the prefixes of the first as well."""
    more = "  - {prefix: 192.0.2.0/24, originators: [h1]}\n  - {prefix: '2001:db8:1::/48', originators: [h2]}\n"
    return {**example(), "pops/pop2.yml": example()["pops/pop2.yml"] + more}


def test_the_last_originator_is_refused() -> None:
    """Two of three hosts are drained already: the third would take the prefixes off the Internet."""
    held = Overlay((entry("h2.pop1", "closed", kind="host"), entry("h3.pop1", "graceful", kind="host")))
    with pytest.raises(GuardRefused, match=r"nobody in pop1 to originate 192\.0\.2\.0/24, 2001:db8:1::/48") as refused:
        run("drain", H1, held=held)
    assert (refused.value.exit_code, "--allow-last" in refused.value.hint) == (7, True)
    assert run("drain", H1, held=held, allow_last=True).stages[-1] == "closed"


def withheld_from(provider: str, prefix: str) -> Intent:
    """The example, with ``prefix`` kept from a provider."""
    kept = PrefixExport(ip_network(prefix), withheld=True)

    def keep(_: DeviceIntent, session: Session) -> Session:
        policy = session.export_policy if session.peer == provider else None
        return session if policy is None else replace(session, export_policy=policy.with_prefix(kept))

    return INTENT.with_sessions(keep)


def test_who_alone_hears_a_prefix_is_not_drained() -> None:
    """The others have sessions and hear our other prefixes: what nobody would hear any more is named."""
    intent = withheld_from("southnet", "192.0.2.0/24")
    held = Overlay((entry("meadow", "closed"),))
    with pytest.raises(
        GuardRefused, match=r"no provider in pop1 that hears 192\.0\.2\.0/24: from the others"
    ) as refused:
        run("drain", "northtel", pop="pop1", held=held, intent=intent)
    assert (refused.value.exit_code, "--allow-last" in refused.value.hint) == (7, True)
    assert run("drain", "northtel", pop="pop1", held=held, intent=intent, allow_last=True).stages[-1] == "closed"


def test_the_last_switch_of_a_host_is_refused() -> None:
    """The other switch's sessions with it are down."""
    dead = frozenset({"h2_v4", "h2_v6"})

    class Half(Traffic):
        """SW2 has lost a host."""

        def __call__(self, seconds: float, overlay: Overlay) -> Any:
            facts = dict(super().__call__(seconds, overlay))
            held = facts["sw2.pop1"]
            protocols = [replace(p, bgp_state="Idle") if p.name in dead else p for p in held.daemon.protocols]
            facts["sw2.pop1"] = replace(held, daemon=replace(held.daemon, protocols=tuple(protocols)))
            return facts

    with pytest.raises(GuardRefused, match=r"leaves h2\.pop1 without a session with another switch"):
        run("drain", "sw1.pop1", traffic=Half(), allow_capacity=True)


def test_the_last_pop_of_a_prefix_is_refused() -> None:
    """POP1's prefixes are announced by nobody else."""
    with pytest.raises(GuardRefused, match=r"pop1 is the last POP that announces 192\.0\.2\.0/24, 2001:db8:1::/48"):
        run("drain", "pop", "pop1")


def test_a_pop_whose_prefixes_another_announces_is_drained() -> None:
    """All of its circuits at once, and no others."""
    inventory = load(anycast())
    done = run(
        "drain", "pop1", traffic=Traffic(intent=derive_intent(inventory)), inventory=inventory, allow_capacity=True
    )
    assert done.stages == ["graceful", "closed"]
    assert [row["circuit"] for row in done.rows] == [
        "northtel-pop1-a",
        "northtel-pop1-b",
        "southnet-pop1",
        "meadow-pop1",
    ]


@pytest.mark.parametrize(
    "gone", [entry("h1.pop2", "closed", kind="host", pop="pop2"), entry("pop2", "graceful", kind="pop", pop="pop2")]
)
def test_a_pop_counts_for_what_it_announces_today(gone: Any) -> None:
    """The other POP's originator of IPv4 is drained, or all of it is."""
    inventory = load(anycast())
    traffic = Traffic(intent=derive_intent(inventory))
    with pytest.raises(GuardRefused, match=r"last POP that announces 192\.0\.2\.0/24"):
        run("drain", "pop1", held=Overlay((gone,)), traffic=traffic, inventory=inventory, allow_capacity=True)


def test_capacity_of_a_pop_is_that_of_all_that_announce_the_same() -> None:
    """20 of 360 Gbit/s are left."""
    inventory = load(anycast())
    with pytest.raises(GuardRefused, match=r"leaves 6 % of the circuits' capacity \(limit 25 %\)"):
        run("drain", "pop1", traffic=Traffic(intent=derive_intent(inventory)), inventory=inventory)


def test_what_stays_must_carry_what_is_carried_now() -> None:
    """90 % of what is left, or what the setting says; --allow-capacity overrides it."""
    texts = example()
    small = {**texts, "pops/pop2.yml": texts["pops/pop2.yml"].replace("capacity: 10G", "capacity: 10M")}
    inventory = load(small)
    busy = Traffic(busy=1_200_000, intent=derive_intent(inventory))  # 4.8 Mbit/s each way on each of two circuits
    with pytest.raises(
        GuardRefused, match=r"leaves 10 Mbit/s for the 9\.6 Mbit/s that go in now \(limit 90 %"
    ) as refused:
        run("drain", "meadow", pop="pop2", traffic=busy, inventory=inventory)
    assert (refused.value.where, "--allow-capacity" in refused.value.hint) == ("pop2", True)
    assert (
        run("drain", "meadow", pop="pop2", traffic=busy, inventory=inventory, allow_capacity=True).stages[-1]
        == "closed"
    )
    less = Traffic(busy=1_000_000, intent=derive_intent(inventory))
    assert run("drain", "meadow", pop="pop2", traffic=less, inventory=inventory).stages[-1] == "closed"


def test_a_host_that_is_away_is_not_begun() -> None:
    """What it announces is its own to say."""
    with pytest.raises(NetorchError, match=r"host h1\.pop1 in pop1: it cannot be reached"):
        run("drain", H1, traffic=Traffic(silent=frozenset({H1})))


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("quiet_percent", -1, "expected a number from 0 to 50, found -1"),
        ("load_percent", "full", "expected a number from 1 to 100, found 'full'"),
        ("prepend", 1.5, "expected a whole number from 0 to 10, found 1.5"),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting: str, value: object, message: str) -> None:
    """No command begins with them."""
    with pytest.raises(PluginError, match=rf"drain: settings\.{setting}: {message}"):
        load_plugins([PluginSettings("drain", {setting: value})])


def test_a_rollback_does_not_undo_it_in_passing() -> None:
    """An old configuration of a host tells the switches as ever: refused while it is drained."""
    held = replace(entry(H1, "closed", kind="host"), devices=("sw1.pop1",))
    agents = {"sw1.pop1": Agent(overlay=(held,)), H1: Agent(generation_now=2)}
    found = make_rollback(controller_of(agents.__getitem__, PLUGIN), (H1,), to=None, allow_overlay=False)
    assert "drains or announcements in force change what it tells the fabric" in str(found.failures[H1])
    assert found.failures[H1].exit_code == GuardRefused.exit_code
    assert make_rollback(controller_of(agents.__getitem__, PLUGIN), (H1,), to=None, allow_overlay=True).failures == {}
