"""The plugin steer: what it makes of hosts, when its entries end, what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from netorch.api import (
    CountRoutes,
    Deploy,
    DeviceIntent,
    Facts,
    GuardRefused,
    Intent,
    MeasureTraffic,
    NetorchError,
    Overlay,
    OverlayEntry,
    Report,
    RoutesInside,
    Session,
    Step,
    UsageError,
)
from netorch.loader import bundled_plugins
from netorch.testing import FakeNetwork, fake_facts
from tests.plugins.example import INTENT, NOW, context, link, protocol

PLUGIN = next(plugin for plugin in bundled_plugins() if plugin.name == "steer")
PREFIX = "1.144.0.0/16"
HOSTS = ("h1.pop1", "h2.pop1", "h3.pop1")
SWITCHES = ("sw1.pop1", "sw2.pop1")


def entry(prefix: str = PREFIX, via: str = "southnet", **fields: Any) -> OverlayEntry:
    """A steer as the overlay of pop1 holds it."""
    known = {"version": 1, "author": "bob", "created": NOW - 60, "devices": SWITCHES, **fields}
    data = {"prefix": prefix, "via": via, "pop": "pop1"}
    return OverlayEntry(id=f"steer/{prefix}@pop1", plugin="steer", data=data, **known)


class Network:
    """The example, whose switches carry ``rate`` bytes per second on each port; hosts send ``moved`` bit/s to any prefix, and
    ``there`` more through southnet; they have ``routes`` inside it."""

    def __init__(
        self,
        *,
        rate: int = 0,
        moved: float = 0.0,
        there: float = 0.0,
        routes: int = 1,
        down: str = "",
        drained: str = "",
        away: str = "",
    ) -> None:
        self.away = away
        self.there, self.new = there, ""
        self.behind: tuple[str, ...] = ()
        self.rate, self.moved, self.routes, self.down, self.drained = rate, moved, routes, down, drained
        self.fake = FakeNetwork(self._report, measure=self._measure)

    def _report(self, seconds: float, overlay: Overlay) -> Facts:
        return {
            device.name: replace(
                fake_facts(
                    device.name,
                    links=[link(i.name, octets=int(self.rate * seconds)) for i in device.interfaces],
                    protocols=[
                        protocol(s, state="Active" if s.peer == self.down else "Established") for s in device.sessions
                    ],
                ),
                links_at_s=seconds,
                overlay=() if device.name in self.behind else overlay.kept_by(device.name),
                generation=0 if device.pop == self.new else 1,
            )
            for device in INTENT.devices
            if device.name != self.away
        }

    def _measure(self, step: CountRoutes | MeasureTraffic) -> dict[str, Any]:
        if isinstance(step, MeasureTraffic):
            rates = {"": self.moved / len(step.hosts), "southnet": self.there / len(step.hosts)}
            return dict.fromkeys(step.hosts, rates)
        return dict.fromkeys(step.hosts, RoutesInside(self.routes, {"southnet": self.routes, "meadow": 0}))

    def run(self, verb: str, overlay: Any = None, **arguments: Any) -> tuple[Step, ...]:
        """The steps of a command."""
        held = overlay or Overlay()
        self.fake.overlay = held
        before = context(PLUGIN, intent=_drained(INTENT, self.drained), overlay=held)
        return self.fake.run(PLUGIN, verb, before, **arguments)


def _drained(intent: Intent, provider: str) -> Intent:
    def closed(device: DeviceIntent, session: Session) -> Session:
        return replace(session, enabled=False) if session.peer == provider else session

    return intent.with_sessions(closed)


def test_hosts_of_the_pop_are_steered() -> None:
    """Hosts of that POP get the prefix and the provider's id; switches, other POPs and other sessions stay as they are."""
    amended = PLUGIN.amend(INTENT, Overlay((entry(),)))
    steered = {device.name: device.steers for device in amended.devices if device.steers}
    assert tuple(steered) == HOSTS
    assert {(str(s.prefix), s.provider, s.provider_id) for found in steered.values() for s in found} == {
        (PREFIX, "southnet", 2)
    }
    assert INTENT.with_devices(lambda device: replace(device, steers=())) == amended.with_devices(
        lambda device: replace(device, steers=())
    )


@pytest.mark.parametrize("data", [{}, {"prefix": "x", "via": "southnet", "pop": "pop1"}, {"prefix": PREFIX, "pop": 7}])
def test_entries_of_other_versions_are_left_alone(data: dict[str, Any]) -> None:
    """What this version does not understand changes nothing."""
    assert PLUGIN.amend(INTENT, Overlay((replace(entry(), data=data),))) == INTENT


def test_provider_that_has_gone_is_left_out() -> None:
    """A steer to a provider that the inventory has no more changes nothing."""
    assert PLUGIN.amend(INTENT, Overlay((entry(via="gone"),))) == INTENT


def test_entries_end_at_their_time() -> None:
    """A tombstone from that moment on, the same whoever looks and whenever."""
    held = Overlay((entry(until=NOW), entry("1.145.0.0/16")))
    assert PLUGIN.lapse(held, NOW - 1) == ()
    (stone,) = PLUGIN.lapse(held, NOW)
    assert (stone.removed, stone.version, stone.created, stone.until) == (True, 2, NOW, None)
    assert PLUGIN.lapse(held, NOW + 999) == (stone,)


def test_hosts_are_deployed_before_switches() -> None:
    """Switches keep the entry, and get it once the hosts have taken it."""
    network, options = Network(), {"for": 60.0}
    steps = network.run("steer", prefix=PREFIX, via="southnet", reason="why", **options)
    assert [step.devices for step in steps if isinstance(step, Deploy)] == [HOSTS, SWITCHES]
    (held,) = network.fake.overlay.active("steer")
    assert (held.devices, held.until, held.reason) == (SWITCHES, NOW + 60, "why")


def test_steering_again_takes_the_place() -> None:
    """A prefix is steered to one provider at a time: the entry's next version."""
    network = Network()
    network.run("steer", Overlay((entry(via="northtel"),)), prefix=PREFIX, via="southnet")
    (held,) = network.fake.overlay.active("steer")
    assert (held.version, held.data["via"]) == (2, "southnet")


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (Network(routes=0), "no host has a route of southnet"),
        (Network(down="southnet"), "southnet is down"),
        (Network(drained="southnet"), "southnet is drained"),
        (Network(moved=90e9), "with the 90 Gbit/s to 1.144.0.0/16 that is 90 % of 100 Gbit/s (limit 80 %)"),
        (Network(moved=50e9, rate=10_000_000_000), "southnet sends 40 Gbit/s now"),
    ],
)
def test_guards(network: Network, words: str) -> None:
    """What would do nothing, or fill the circuits, is refused before anything changes."""
    with pytest.raises(GuardRefused) as refused:
        network.run("steer", prefix=PREFIX, via="southnet")
    assert words in str(refused.value)
    assert network.fake.overlay.active("steer") == ()


def test_what_goes_there_already_counts_once() -> None:
    """50 of southnet's 100 Gbit/s are in use, 40 of them by the prefix itself: the 20 that come are no danger, the 35 are."""
    busy = 12_500_000_000
    Network(rate=busy, moved=20e9, there=40e9).run("steer", prefix=PREFIX, via="southnet")
    with pytest.raises(
        GuardRefused, match=r"with the 35 Gbit/s to 1\.144\.0\.0/16 that is 85 % .*\(40 Gbit/s more go there"
    ):
        Network(rate=busy, moved=35e9, there=40e9).run("steer", prefix=PREFIX, via="southnet")


def test_one_circuit_may_have_to_take_all_of_it() -> None:
    """Northtel's two circuits have room for it between them, and neither of them alone: that is said, with the figure."""
    steps = Network(rate=5_000_000_000, moved=80e9).run(
        "steer", prefix=PREFIX, via="northtel", pop="pop1", allow_absent=True
    )
    words = "should all of it take northtel-pop1-a, that circuit would be 100 % full"
    said = [step for step in steps if isinstance(step, Report)]
    assert words in said[0].text
    row = said[-1].rows[0]
    assert (row["fullest_circuit"], row["fullest_percent"], row["coming_bps"]) == ("northtel-pop1-a", 100.0, 80e9)


@pytest.mark.parametrize(
    ("network", "flag"), [(Network(routes=0), "allow_absent"), (Network(moved=90e9), "allow_capacity")]
)
def test_overrides(network: Network, flag: str) -> None:
    """Each guard has its own override."""
    network.run("steer", prefix=PREFIX, via="southnet", **{flag: True})
    assert len(network.fake.overlay.active("steer")) == 1


def test_every_pop_where_the_provider_is() -> None:
    """Without --pop a steer holds wherever the provider has circuits of that family."""
    network = Network()
    network.run("steer", prefix=PREFIX, via="northtel", allow_absent=True)
    assert {held.data["pop"] for held in network.fake.overlay.active("steer")} == {"pop1", "pop2"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prefix": "1.144.0.0/25", "via": "southnet"}, "routes longer than /24"),
        ({"prefix": "2001:db8:9::/64", "via": "southnet"}, "routes longer than /48"),
        ({"prefix": "::/0", "via": "southnet"}, "expected a part of the Internet"),
        ({"prefix": "192.0.2.0/24", "via": "southnet"}, "is part of the own prefix"),
        ({"prefix": "x", "via": "southnet"}, "expected a prefix"),
        ({"prefix": PREFIX, "via": None}, "--via is missing"),
        ({"prefix": PREFIX, "via": "nobody"}, "no provider 'nobody'"),
        ({"prefix": PREFIX, "via": "southnet", "pop": "pop2"}, "no provider 'southnet' with an IPv4 circuit in pop2"),
        ({"prefix": PREFIX, "via": "southnet", "for": 59.0}, "expected 60s or more"),
    ],
)
def test_usage(arguments: dict[str, Any], words: str) -> None:
    """What cannot be meant is a usage error that says what is expected."""
    with pytest.raises(UsageError) as refused:
        Network().run("steer", **arguments)
    assert words in str(refused.value)


def test_pops_that_were_never_deployed_are_left_out() -> None:
    """Their hosts have nothing to steer yet: that is said, and others are steered; alone it is an error that names the fix."""
    network = Network()
    network.new = "pop2"
    steps = network.run("steer", prefix=PREFIX, via="northtel", allow_absent=True)
    assert {held.data["pop"] for held in network.fake.overlay.active("steer")} == {"pop1"}
    said = [step.text for step in steps if isinstance(step, Report)]
    assert said[0] == "pop2: left out, since no host there was ever deployed"
    with pytest.raises(NetorchError, match="pop2: no host was ever deployed") as refused:
        network.run("steer", prefix=PREFIX, via="northtel", pop="pop2", allow_absent=True)
    assert refused.value.hint == "netorch deploy pop2, then steer"


def test_unsteer_leaves_a_tombstone() -> None:
    """The end is kept, so that a switch that missed it does not bring the steer back; twice is no mistake."""
    network = Network()
    network.run("unsteer", Overlay((entry(),)), prefix=PREFIX)
    assert (network.fake.overlay.entries[0].removed, network.fake.overlay.entries[0].version) == (True, 2)
    *before, said = network.run("unsteer", network.fake.overlay, prefix=PREFIX)
    assert not any(isinstance(step, Deploy) for step in before)
    assert isinstance(said, Report)
    assert said.text == f"{PREFIX}: not steered"


def test_unsteer_that_was_interrupted_is_brought_to_its_end() -> None:
    """A switch that has not heard of the end is told, and named."""
    network = Network()
    network.behind = ("sw2.pop1",)
    *before, said = network.run("unsteer", Overlay((entry(removed=True, version=2),)), prefix=PREFIX)
    assert [step.devices for step in before if isinstance(step, Deploy)] == [SWITCHES]
    assert isinstance(said, Report)
    assert (said.text, said.changed) == (f"{PREFIX}: not steered; now on sw2.pop1 as well", True)


def test_unsteer_in_a_pop_that_is_not_there() -> None:
    """A slip of the pen is told as such, not as a prefix that nobody steers."""
    with pytest.raises(UsageError, match="no POP 'popx'"):
        Network().run("unsteer", Overlay((entry(),)), prefix=PREFIX, pop="popx")


@pytest.mark.parametrize(
    ("network", "state"),
    [
        (Network(), "ok"),
        (Network(routes=0), "no route"),
        (Network(down="southnet"), "down"),
        (Network(drained="southnet"), "drained"),
        (Network(away="sw2.pop1"), "ok"),
        (Network(away="sw2.pop1", routes=0), None),
        (Network(away="sw1.pop1", down="southnet"), "down"),
    ],
)
def test_steers_tell_what_has_become_of_them(network: Network, state: str | None) -> None:
    """In force, or fallen back and why, in the words of ``netorch ping``."""
    said = network.run("steers", Overlay((entry(),)))[-1]
    assert isinstance(said, Report)
    assert [(row["prefix"], row["via"], row["state"]) for row in said.rows] == [(PREFIX, "southnet", state)]


def test_a_provider_that_is_no_more_there_has_no_route() -> None:
    """It is not drained: nobody said so."""
    (row,) = Network().run("steers", Overlay((entry(via="oldnet"),)))[-1].rows  # type: ignore[union-attr]
    assert row["state"] == "no route"


def test_a_switch_that_is_away_keeps_nobody_from_steering() -> None:
    """What comes is known from the hosts' routes; who has none is refused."""
    said = Network(away="sw2.pop1").run("steer", prefix=PREFIX, via="southnet")[-1]
    assert isinstance(said, Report)
    assert "steered in pop1" in said.text
    with pytest.raises(GuardRefused, match="no host has a route of southnet"):
        Network(away="sw2.pop1", routes=0).run("steer", prefix=PREFIX, via="southnet")


def test_the_capacity_of_a_provider_that_is_drained_counts() -> None:
    """--allow-absent is no leave to fill its circuits once it is back."""
    with pytest.raises(GuardRefused, match=r"refused \(capacity\)"):
        Network(drained="southnet", moved=90e9).run("steer", prefix=PREFIX, via="southnet", allow_absent=True)


@pytest.mark.parametrize("value", [0, 101, True, "80"])
def test_settings_are_checked(value: object) -> None:
    """The limit is a percentage."""
    (wrong,) = PLUGIN.mistakes({"max_load_percent": value})
    assert wrong.path == ("max_load_percent",)
