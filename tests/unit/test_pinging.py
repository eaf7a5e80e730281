"""What ``netorch ping`` says of packets: figures, sparklines, states of ways and of providers."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from threading import Event

import pytest

from netorch.app.gather import World
from netorch.app.ping_figures import Sample, figures, sparkline
from netorch.app.ping_tracks import ProviderState, Track
from netorch.app.pinging import PingJob, Pings, prepare, send_pings
from netorch.app.provider_states import provider_states
from netorch.errors import UsageError
from netorch.model.facts import DeviceFacts
from netorch.model.overlay import Overlay, OverlayEntry
from netorch.model.request import PingBatch
from netorch.model.state import Protocol
from netorch.model.types import Family
from netorch.testing import fake_facts, small_intent
from tests.unit.agents import Agent, controller_of

DESTINATION = ip_address("198.51.100.1")


def samples(*rtts: float | None) -> list[Sample]:
    return [Sample(float(second), rtt) for second, rtt in enumerate(rtts)]


def track(*rtts: float | None) -> Track:
    found = Track("pop1", "h1.pop1", "northtel", 1001, DESTINATION)
    for sample in samples(*rtts):
        found.add(sample)
    return found


def test_quantiles_are_values_that_were_seen() -> None:
    """Nearest rank: of two echoes the median is the quicker one, of ten p90 is the second slowest."""
    two = figures(samples(20.0, 10.0))
    assert (two.min_ms, two.median_ms, two.p90_ms, two.p99_ms) == (10.0, 10.0, 20.0, 20.0)
    ten = figures(samples(*map(float, range(1, 11))))
    assert (ten.median_ms, ten.p90_ms, ten.p99_ms) == (5.0, 9.0, 10.0)


def test_lost_echoes_count_as_sent_and_have_no_time() -> None:
    """Loss is in percent of what was sent; without an answer every time is null."""
    some = track(None, 7.0, None, 9.0).document()
    assert (some["sent"], some["received"], some["loss_percent"], some["min_ms"]) == (4, 2, 50.0, 7.0)
    none = track(None, None).document()
    assert (none["received"], none["loss_percent"], none["min_ms"], none["p99_ms"]) == (0, 100.0, None, None)
    assert none["state"] == "no answer"


def test_jitter_is_the_mean_step_between_answers_in_the_order_sent() -> None:
    """Packets that became known out of order are put in order; what was lost in between makes no step of its own."""
    late = [Sample(2.0, 14.0), Sample(0.0, 10.0), Sample(1.0, None), Sample(3.0, 13.0)]
    assert figures(late).jitter_ms == pytest.approx((4.0 + 1.0) / 2)
    assert figures(samples(10.0, None)).jitter_ms is None


def test_a_sparkline_shows_steps_and_losses_but_no_noise() -> None:
    """A steady time is flat, a step is seen, and what was lost is a cross; never wider than there is place."""
    assert sparkline(samples(10.0, 10.1, 10.0), 10) == "▁▁▁"
    assert sparkline(samples(10.0, 10.0, None, 50.0, 50.0), 10) == "▁▁×██"  # noqa: RUF001
    assert sparkline(samples(*[10.0] * 50, *[50.0] * 50), 4) == "▁▁██"
    assert sparkline([], 4) == ""


def test_nothing_sent_is_no_loss() -> None:
    """A way without a route has no loss, and says so in its state."""
    way = track()
    way.reason = "no route through this provider"
    document = way.document()
    assert (document["state"], document["sent"], document["loss_percent"]) == ("no route", 0, None)


def test_a_drain_comes_before_what_the_host_saw() -> None:
    """Of a drained provider it is told who drained it, not that there is no route."""
    way = track()
    way.reason, way.provider_state = "Network is unreachable", ProviderState("drained", "by ann")
    assert (way.state(), way.document()["note"]) == ("drained", "by ann")


def test_spells_follow_each_other() -> None:
    """A state lasts until the next one begins."""
    way = track(10.0)
    way.mark_spell(1.0, since_s=0.0)
    way.mark_spell(2.0, since_s=2.0)
    way.provider_state = ProviderState("drained")
    way.mark_spell(3.5, since_s=3.0)
    assert [(spell.start_s, spell.end_s, spell.state) for spell in way.spells] == [
        (0.0, 3.0, "ok"),
        (3.0, 3.5, "drained"),
    ]


# ---- providers ---------------------------------------------------------------------------------------------------


def world(overlay: Overlay = Overlay(), *, bgp_state: str = "Established", closed: bool = False) -> World:  # noqa: B008
    """The small network; its provider sessions as given, closed or not."""
    intent = small_intent()
    if closed:
        intent = intent.with_sessions(lambda device, one: replace(one, enabled=one.kind != "provider"))
    names = [one.name for one in intent.device("sw1.pop1").sessions]
    protocols = [Protocol(name, "BGP", "---", "up", bgp_state=bgp_state) for name in names]
    facts: dict[str, DeviceFacts] = {"sw1.pop1": fake_facts("sw1.pop1", protocols=protocols)}
    return World(facts, {}, overlay, intent)


def test_a_closed_session_is_a_drain_with_its_author() -> None:
    """Closed sessions are told as drained, with the words of the drain that closed them."""
    entry = OverlayEntry(
        "drain/provider/northtel@pop1",
        1,
        "drain",
        ("sw1.pop1",),
        "ann",
        1_700_000_000.0,
        "fibre works",
        data={"name": "northtel"},
    )
    state = provider_states(world(Overlay((entry,)), closed=True))["pop1", "northtel", Family.IPV4]
    assert state == ProviderState("drained", "by ann since 2023-11-14T22:13:20Z: fibre works", 1_700_000_000.0)


def test_a_provider_without_a_session_is_down() -> None:
    """Down by family, with what the sessions say; up where one is Established."""
    states = provider_states(world(bgp_state="Active"))
    down = states["pop1", "northtel", Family.IPV6]
    assert down.state == "down"
    assert "northtel" in down.note
    assert "Active" in down.note
    assert provider_states(world())["pop1", "northtel", Family.IPV4] == ProviderState()


# ---- a whole measurement -----------------------------------------------------------------------------------------


def pinged(*batches: PingBatch) -> Pings:
    """What the one host of the small network tells; its switch has no sessions."""
    controller = controller_of(lambda name: Agent(batches=batches))
    job = PingJob((DESTINATION,), count=2, interval_s=0.1)
    pings = prepare(controller, job, ["h1.pop1"])
    send_pings(controller, job, pings, stop=Event())
    return pings


def test_batches_become_tracks() -> None:
    """Samples and reasons go to the provider that they belong to."""
    first = PingBatch(0.0, changes=((1, 0.0, "no route through this provider"),))
    northtel, meadow = pinged(first, PingBatch(250.0, samples=((0, 0.0, 10.0), (0, 100.0, None)))).all
    assert (northtel.provider, northtel.sent, northtel.received) == ("northtel", 2, 1)
    assert (meadow.provider, meadow.sent, meadow.reason) == ("meadow", 0, "no route through this provider")


def test_too_many_packets_are_refused() -> None:
    """A measurement is no load test: the limit and the way out are named."""
    with pytest.raises(UsageError, match="4000 packets per second") as caught:
        prepare(controller_of(lambda name: Agent()), PingJob((DESTINATION, DESTINATION), 1, 0.001), ["h1.pop1"])
    assert "--interval" in caught.value.hint
