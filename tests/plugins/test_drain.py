"""The steps of drain, undrain and drains on a made-up network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from netorch.api import (
    Deploy,
    Facts,
    Gather,
    GuardRefused,
    Overlay,
    OverlayEntry,
    Report,
    Session,
    UsageError,
    Wait,
)
from netorch.model.inventory import Pki
from netorch.testing import FakeNetwork, fake_facts
from tests.plugins.drain_network import PLUGIN, SWITCHES, Traffic, entry, run
from tests.plugins.example import INTENT, INVENTORY, NOW, context, protocol

ALL_SWITCHES = (*SWITCHES, "sw1.pop2")
ANY_KIND = "KIND is provider, circuit, switch, host or pop"


def test_drain_goes_through_its_stages() -> None:
    """Graceful shutdown, a wait, then closing; each change of the overlay is deployed to the POP's switches."""
    done = run("drain", "northtel", pop="pop1", reason="fibre works")
    kinds = [type(step).__name__ for step in done.steps if not isinstance(step, Report)]
    assert kinds == ["Gather", "Wait", "ChangeOverlay", "Deploy", "Wait", "Gather", "ChangeOverlay", "Deploy"]
    assert done.stages == ["graceful", "closed"]
    assert [step.devices for step in done.steps if isinstance(step, Deploy)] == [SWITCHES, SWITCHES]
    (held,) = done.network.overlay.entries
    assert (held.id, held.version, held.devices) == ("drain/provider/northtel@pop1", 2, SWITCHES)
    assert (held.author, held.reason, held.until, held.removed) == ("ann", "fibre works", None, False)


def test_drain_reports_each_port_and_its_rates() -> None:
    """Rates in bit/s before and after, and whether the port fell quiet."""
    done = run("drain", "northtel", pop="pop1")
    assert done.rows[0] == {
        "circuit": "northtel-pop1-a",
        "provider": "northtel",
        "pop": "pop1",
        "device": "sw1.pop1",
        "switch": "sw1.pop1",
        "interface": "swp1",
        "rate_before_bps": 8_000_000,
        "rate_after_bps": 1200,
        "quiet": True,
        "waited_s": 5.0,
        "curve_bps": [1200] * 5,
        "best_routes_before": 1000,
        "best_routes_after": 1000,
    }
    assert "northtel-pop1-a (sw1.pop1 swp1): quiet: 8 Mbit/s before, 1.2 kbit/s now" in done.text
    assert done.network.clock.monotonic() < 15


def test_drain_waits_no_longer_than_told_and_then_closes() -> None:
    """A provider that ignores the community keeps its port busy; when the time is up the sessions close all the same."""
    done = run("drain", "northtel", pop="pop1", traffic=Traffic(leaves=False), wait=20.0)
    assert done.stages == ["graceful", "graceful", "closed"]
    assert [row["quiet"] for row in done.rows] == [False, False]
    assert "not quiet when the time was up: 8 Mbit/s before, 8 Mbit/s now" in done.text
    assert 20 <= done.network.clock.monotonic() < 30


@pytest.mark.parametrize(("idle", "quiet"), [(250, True), (10_000, True), (10_500, False), (100_000, False)])
def test_port_is_quiet_below_one_percent_of_its_former_rate(idle: int, quiet: bool) -> None:
    """1 % of 1 MB/s, besides what keepalives and the like need."""
    done = run("drain", "meadow", pop="pop1", traffic=Traffic(idle=idle), wait=20.0)
    assert [row["quiet"] for row in done.rows] == [quiet]


@pytest.mark.parametrize(("busy", "idle", "quiet"), [(1000, 200, True), (1000, 400, False), (200, 200, True)])
def test_control_traffic_does_not_keep_a_port_noisy(busy: int, idle: int, quiet: bool) -> None:
    """Of little traffic 1 % is less than what an idle BGP session sends; that much is allowed for, and no more."""
    done = run("drain", "meadow", pop="pop1", traffic=Traffic(busy=busy, idle=idle), wait=20.0)
    assert [row["quiet"] for row in done.rows] == [quiet]


@pytest.mark.parametrize(("idle", "quiet"), [(700, True), (800, False)])
def test_what_the_mirrors_agent_asks_does_not_keep_a_port_noisy(idle: int, quiet: bool) -> None:
    """It probes both of a circuit's addresses all the time, drained or not; no more than that is allowed for."""
    with_agents = replace(INVENTORY, pki=Pki("/pki"))
    done = run("drain", "meadow", pop="pop1", traffic=Traffic(busy=1000, idle=idle), wait=20.0, inventory=with_agents)
    assert [row["quiet"] for row in done.rows] == [quiet]


def test_keep_session_stops_before_closing() -> None:
    """The sessions stay open as the last choice, and doing it again is no change."""
    done = run("drain", "northtel", pop="pop1", keep_session=True)
    assert done.stages == ["graceful"]
    assert done.network.overlay.entries[0].data["keep_session"] is True
    again = run("drain", "northtel", pop="pop1", keep_session=True, held=done.network.overlay)
    assert [type(step) for step in again.steps] == [Gather, Report]


def test_drain_for_a_time_says_until_when() -> None:
    """The end is kept with the drain, in seconds since the epoch."""
    options: dict[str, Any] = {"pop": "pop1", "for": 7200.0}
    done = run("drain", "northtel", **options)
    assert done.network.overlay.entries[0].until == NOW + 7200


def test_drain_without_a_pop_means_every_pop() -> None:
    """One entry for each POP that has circuits of the provider, kept by that POP's switches."""
    done = run("drain", "northtel")
    kept = {held.id: held.devices for held in done.network.overlay.entries}
    assert kept == {
        "drain/provider/northtel@pop1": SWITCHES,
        "drain/provider/northtel@pop2": ("sw1.pop2",),
    }


def test_already_drained_changes_nothing() -> None:
    """The second run says so and deploys nothing."""
    done = run("drain", "northtel", pop="pop1", held=Overlay((entry("northtel", "closed"),)))
    assert [type(step) for step in done.steps] == [Gather, Report]
    assert done.steps[-1] == Report(text="provider northtel in pop1: already drained", changed=False)


def test_interrupted_drain_is_taken_up_again() -> None:
    """A controller that died in between leaves a graceful drain; the next one finishes it."""
    done = run("drain", "northtel", pop="pop1", held=Overlay((entry("northtel", "graceful", version=7),)))
    assert done.stages == ["graceful", "closed"]
    assert done.network.overlay.entries[0].version == 9


def test_drain_after_an_undrain_is_newer_than_its_tombstone() -> None:
    """A device that still holds the tombstone must not win."""
    done = run("drain", "northtel", pop="pop1", held=Overlay((entry("northtel", "closed", version=4, removed=True),)))
    assert done.network.overlay.entries[0].version == 6


SOUTHNET_AND_MEADOW = frozenset({"southnet_3_v4", "southnet_3_v6", "meadow_4_v4", "meadow_4_v6"})


@pytest.mark.parametrize(
    ("traffic", "held", "families"),
    [
        (Traffic(dead=SOUTHNET_AND_MEADOW), (), "IPv4 and IPv6"),
        (Traffic(dead=frozenset({"southnet_3_v6", "meadow_4_v6"})), (), "IPv6"),
        (Traffic(silent=frozenset(SWITCHES)), (), "IPv4 and IPv6"),
        (Traffic(), (entry("southnet", "graceful"), entry("meadow", "closed")), "IPv4 and IPv6"),
    ],
)
def test_last_provider_is_not_drained(traffic: Traffic, held: tuple[OverlayEntry, ...], families: str) -> None:
    """No other provider session Established and undrained, in either family: refused before anything changes."""
    with pytest.raises(GuardRefused, match=f"no other provider session Established for {families}$") as refusal:
        run("drain", "northtel", pop="pop1", traffic=traffic, held=Overlay(held))
    assert (refusal.value.exit_code, refusal.value.where) == (7, "pop1")
    assert "--allow-last" in refusal.value.hint


def test_last_provider_is_drained_when_told_so() -> None:
    """--allow-last overrides the guard."""
    done = run("drain", "northtel", pop="pop1", traffic=Traffic(dead=SOUTHNET_AND_MEADOW), allow_last=True)
    assert done.stages == ["graceful", "closed"]


def test_one_of_two_circuits_is_not_the_last_provider() -> None:
    """The provider's other circuit carries on."""
    done = run("drain", "circuit", "northtel-pop1-a", traffic=Traffic(dead=SOUTHNET_AND_MEADOW))
    assert done.stages == ["graceful", "closed"]


def test_dead_provider_may_be_drained_while_another_lives() -> None:
    """Closing what is down anyway takes no family away."""
    dead = frozenset({"meadow_4_v4", "meadow_4_v6", "southnet_3_v6", "northtel_1_v6", "northtel_2_v6"})
    assert run("drain", "meadow", pop="pop1", traffic=Traffic(dead=dead)).stages == ["graceful", "closed"]


@pytest.mark.parametrize("words", [("provider",), ("circuit",), ("switch",), ("host",), ("pop",), ()])
def test_kind_alone_lists_what_it_could_mean(words: tuple[str, ...]) -> None:
    """Rows to choose from, with what is drained already."""
    done = run("drain", *words, held=Overlay((entry("northtel", "closed"),)))
    assert {row["kind"] for row in done.rows} == set(words or ("provider", "circuit", "switch", "host", "pop"))
    drained = [row for row in done.rows if row["drain"]]
    assert [(row["name"], row["pop"], row["sessions"]) for row in drained] == (
        [("northtel", "pop1", 4)] if words in ((), ("provider",)) else []
    )


@pytest.mark.parametrize(
    ("words", "options", "message", "hint"),
    [
        (("nothtel",), {}, "no provider, circuit, switch, host or pop 'nothtel'", "did you mean 'northtel'?"),
        (("provider", "southnet"), {"pop": "pop2"}, "no provider 'southnet' in pop2", "there are northtel, meadow"),
        (("northtel",), {"pop": "popx"}, "no POP 'popx'", "did you mean 'pop2'?"),
        (("router", "r1.pop1"), {}, "'router' is no kind that can be drained", ANY_KIND),
        (("host", "h1"), {}, "several hosts are called 'h1'", "name one of h1.pop1, h1.pop2"),
        (("switch", "sw1"), {}, "several switches are called 'sw1'", "name one of sw1.pop1, sw1.pop2"),
        (("provider", "a", "b"), {}, "expected [KIND] NAME, found 'provider a b'", ANY_KIND),
        (("northtel",), {"for": -1.0}, "--for -1s: expected a duration above zero", "--for 2h"),
        (
            ("northtel",),
            {"for": 59.0},
            "--for 59s: expected 60s or more: it would end before the traffic has left",
            "--for 2h",
        ),
    ],
)
def test_wrong_name_is_a_usage_error(words: tuple[str, ...], options: Any, message: str, hint: str) -> None:
    """What was found, what is expected, and the nearest name."""
    with pytest.raises(UsageError) as mistake:
        run("drain", *words, **options)
    assert (mistake.value.message, mistake.value.hint) == (message, hint)


def test_switch_may_be_named_without_its_pop() -> None:
    """--pop says which one."""
    done = run("drain", "sw1", pop="pop1")
    assert done.network.overlay.entries[0].id == "drain/switch/sw1.pop1@pop1"


def test_undrain_goes_back_the_same_way() -> None:
    """The sessions open as the last choice, settle, and only then carry traffic again; a tombstone remains."""
    done = run("undrain", "northtel", held=Overlay((entry("northtel", "closed", version=2),)))
    kinds = [type(step).__name__ for step in done.steps if not isinstance(step, Report)]
    assert kinds == ["ChangeOverlay", "Deploy", "Wait", "ChangeOverlay", "Deploy"]
    assert done.stages == ["graceful", "ended"]
    (held,) = done.network.overlay.entries
    assert (held.version, held.removed) == (4, True)
    assert PLUGIN.amend(INTENT, done.network.overlay) == INTENT
    assert "4 sessions are back" in done.text
    assert done.rows[0] == {
        "device": "sw1.pop1",
        "session": "northtel_1_v4",
        "provider": "northtel",
        "peer": "northtel",
        "family": "ipv4",
        "bgp_state": "Established",
        "routes_imported": 1000,
    }


def test_undrain_of_open_sessions_needs_no_wait() -> None:
    """A drain that kept its sessions only has to be taken away."""
    done = run("undrain", "northtel", held=Overlay((entry("northtel", "graceful", keep_session=True),)))
    assert done.stages == ["ended"]
    assert not any(isinstance(step, Wait) for step in done.steps)


def test_undrain_ends_even_if_a_session_does_not_come_back() -> None:
    """The operator's word holds; what is missing is named."""
    traffic = Traffic(dead=frozenset({"northtel_1_v6"}))
    done = run("undrain", "northtel", traffic=traffic, held=Overlay((entry("northtel", "closed"),)), wait=10.0)
    assert done.stages == ["graceful", "ended"]
    assert "not settled when the time was up: sw1.pop1 northtel_1_v6 not Established" in done.text


def test_undrain_waits_until_all_prefixes_have_arrived() -> None:
    """A count that still grows is not the full table."""

    def growing(seconds: float, overlay: Overlay) -> Facts:
        def grown(session: Session) -> int:
            return min(int(seconds) * 100, 2000)

        return {
            device.name: fake_facts(device.name, protocols=[protocol(s, imported=grown(s)) for s in device.sessions])
            for device in PLUGIN.amend(INTENT, overlay).devices
        }

    held = Overlay((entry("northtel", "closed"),))
    network = FakeNetwork(growing, overlay=held)
    network.run(PLUGIN, "undrain", context(PLUGIN, overlay=held), name=("northtel",))
    assert network.clock.monotonic() == 23


def test_undrain_does_not_wait_for_what_another_drain_keeps_closed() -> None:
    """The provider comes back, its one circuit stays drained."""
    held = Overlay((entry("northtel-pop1-a", "closed", kind="circuit"), entry("northtel", "closed")))
    done = run("undrain", "provider", "northtel", held=held)
    assert {row["session"] for row in done.rows} == {"northtel_2_v4", "northtel_2_v6"}
    assert done.network.overlay.active("drain") == (held.entries[0],)


@pytest.mark.parametrize("held", [Overlay(), Overlay((entry("northtel", "closed", removed=True),))])
def test_undrain_of_what_is_not_drained_changes_nothing(held: Overlay) -> None:
    """It says so, and succeeds."""
    done = run("undrain", "northtel", held=held)
    assert not any(isinstance(step, Deploy) for step in done.steps)
    words = "provider northtel in pop1; provider northtel in pop2: not drained"
    assert done.steps[-1] == Report(text=words, changed=False)


def test_drain_of_something_that_left_the_inventory_can_be_ended() -> None:
    """Its name is known from the overlay."""
    done = run("undrain", "oldnet", held=Overlay((entry("oldnet", "closed"),)))
    assert done.stages == ["graceful", "ended"]


def test_drains_lists_what_is_in_force() -> None:
    """Who, since when, until when in UTC, and whether that has passed."""
    held = Overlay((entry("meadow", "graceful", removed=True), entry("northtel", "closed", until=NOW - 1, reason="x")))
    (report,) = FakeNetwork(Traffic(), overlay=held).run(PLUGIN, "drains", context(PLUGIN, overlay=held))
    assert report == Report(
        text="1 drained, 1 of them past their time",
        rows=(
            {
                "kind": "provider",
                "name": "northtel",
                "pop": "pop1",
                "stage": "closed",
                "keep_session": False,
                "author": "bob",
                "since": "2023-11-14T21:13:20Z",
                "until": "2023-11-14T22:13:19Z",
                "expired": True,
                "reason": "x",
                "behind": [],
            },
        ),
        changed=False,
        columns=("kind", "name", "pop", "stage", "author", "since", "until", "reason"),
        optional=("since", "kind"),
    )


def test_drain_below_the_capacity_floor_is_refused() -> None:
    """What stays in service must be a part of the POP's capacity that the inventory names; --allow-capacity overrides it."""
    held = Overlay((entry("southnet", "closed"),))
    with pytest.raises(GuardRefused, match=r"leaves 12 % of the circuits' capacity \(limit 25 %\)") as raised:
        run("drain", "northtel", pop="pop1", held=held)
    assert "--allow-capacity" in raised.value.hint
    assert run("drain", "northtel", pop="pop1", held=held, allow_capacity=True).stages[-1] == "closed"


@pytest.mark.parametrize(
    ("held", "silent", "said"),
    [
        ((), ALL_SWITCHES, "what is drained is not known: sw1.pop1, sw2.pop1, sw1.pop2 could not be asked"),
        ((), SWITCHES, "nothing is drained, as far as is known: sw1.pop1, sw2.pop1 could not be asked"),
        (("northtel",), SWITCHES, "1 drained, as far as is known: sw1.pop1, sw2.pop1 could not be asked"),
    ],
)
def test_drains_of_switches_that_are_silent_are_not_known(
    held: tuple[str, ...], silent: tuple[str, ...], said: str
) -> None:
    """What nobody could be asked about is not told to be nothing."""
    overlay = Overlay(tuple(entry(name, "closed") for name in held))
    start = replace(context(PLUGIN, overlay=overlay), unread=silent)
    (report,) = FakeNetwork(Traffic(), overlay=overlay).run(PLUGIN, "drains", start)
    assert isinstance(report, Report)
    assert report.text == said
