"""A circuit, a switch and a host are drained and brought back under 1,000 packets a second in each direction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from netorch.lab import INTERNET_NODE
from netorch.model.types import Family
from tests.lab.deployed_pop import HOSTS, service
from tests.lab.drained_pop import (
    Moment,
    assert_whole,
    moment,
    moving_destination,
    ports_of,
    quick_files,
    share_addresses,
    usual_ways,
)
from tests.lab.labs import Lab
from tests.lab.numbered_streams import NumberedStreams, Stream, Way
from tests.lab.operator_shell import Said
from tests.lab.quick_lab import QuickLab, quick_example, quick_lab, wait_until_exact
from tests.lab.route_news import RouteNews, route_news
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

POP, PROVIDER, CIRCUIT, SWITCH, HOST = "pop1", "northtel", "northtel-pop1-a", "sw1.pop1", "h1.pop1"
OTHER = "northtel-pop1-b"
OWN = "own"
"""The stream to the drained host's own address."""

AFTER = 500
"""How many packets of each stream are looked at while something is drained."""


@dataclass
class Play:
    """One drain and its end: what was said, how many packets of each stream had been sent when it was drained (``first``) and
    when that was looked at (``last``), how many the switch's ports took meanwhile, and what was there after the undrain."""

    drain: Said
    first: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    carried: int = 0
    after: Moment = field(default_factory=Moment)


@dataclass
class Story:
    """Everything that was done while ``streams`` ran, and ``own`` beside them to a host that was the last choice already."""

    streams: NumberedStreams
    own: NumberedStreams
    news: RouteNews
    before: Moment
    plays: dict[str, Play] = field(default_factory=dict)
    listed: list[list[str]] = field(default_factory=list)
    lost_own: dict[str, list[int]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    files = quick_files(quick_example())
    del files["pops/pop2.yml"]
    with quick_lab(tmp_path_factory.mktemp("lossless"), files, name="lossless") as up:
        up.deploy(POP)
        wait_until_exact(up.lab)
        share_addresses(up.lab, HOSTS)
        yield up


@pytest.fixture(scope="module")
def story(quick: QuickLab, tmp_path_factory: pytest.TempPathFactory) -> Story:
    lab = quick.lab
    devices = [device.name for device in lab.inventory.devices if device.pop == POP]
    with (
        NumberedStreams(lab, usual_ways(lab, HOSTS, provider=PROVIDER)) as streams,
        route_news(lab, devices, tmp_path_factory.mktemp("news")) as news,
    ):
        told = Story(streams, NumberedStreams(lab, _ways_to(lab, HOST), first_port=5000), news, moment(lab))
        _drain(quick, told, "circuit", CIRCUIT)
        _look(quick, told, "circuit")
        _undrain(quick, told, "circuit", CIRCUIT)

        _drain(quick, told, "switch", SWITCH)
        _look(quick, told, "switch")
        allowed = ("--keep-session", "--wait", "0s", "--allow-last", "--allow-capacity")
        quick.project("drain", "circuit", OTHER, *allowed)
        told.listed.append(_listed(quick))
        quick.project("undrain", "switch", SWITCH)
        told.listed.append(_listed(quick))
        _undrain(quick, told, "switch", OTHER)

        _drain(quick, told, "host", HOST, "--keep-session")
        with told.own:
            told.lost_own = told.own.losses_so_far()
            quick.project("drain", "host", HOST, "--wait", "0s")
            _look(quick, told, "host")
            _undrain(quick, told, "host", HOST)
    return told


def _ways_to(lab: Lab, host: str) -> list[Way]:
    outside = {family: moving_destination(lab.inventory, family, PROVIDER) for family in Family}
    own = {family: service(lab.inventory, host, family) for family in Family}
    return [Way(f"{OWN} {f.value}", INTERNET_NODE, outside[f], (host,), own[f]) for f in Family]


def _drain(quick: QuickLab, told: Story, kind: str, name: str, *options: str) -> None:
    told.streams.begins(f"drain {kind}")
    drain = quick.project("drain", kind, name, *options, "--wait", "60s", "-o", "json", timeout_s=180)
    told.plays[kind] = Play(drain)


def _look(quick: QuickLab, told: Story, kind: str) -> None:
    """While it is drained, some more packets are sent."""
    play, running = told.plays[kind], told.streams.streams.items()
    every = {**told.streams.streams, **told.own.streams}
    play.first = {stream: one.sent for stream, one in every.items()}
    counted = _carried(quick)
    wait_until(lambda: all(one.sent >= play.first[key] + AFTER for key, one in running), what="more packets are sent")
    play.carried = _carried(quick) - counted
    play.last = {stream: one.sent for stream, one in every.items()}


def _undrain(quick: QuickLab, told: Story, kind: str, name: str) -> None:
    """The last of what was drained for this play comes back, and all is as before within a while."""
    told.streams.begins(f"undrain {kind}")
    quick.project("undrain", name, timeout_s=180)
    with suppress(AssertionError):  # a test tells what is different
        wait_until(lambda: moment(quick.lab) == told.before, timeout_s=30, what="all is as before")
    told.plays[kind].after = moment(quick.lab)


def _listed(quick: QuickLab) -> list[str]:
    return [f"{row['name']} {row['stage']}" for row in quick.project("drains", "-o", "json").document[0]["rows"]]


def _carried(quick: QuickLab) -> int:
    """Packets that the switch's ports have taken."""
    script = "cat /sys/class/net/swp*/statistics/rx_packets"
    return sum(map(int, quick.lab.run(SWITCH, "sh", "-c", script).split()))


def sent_meanwhile(play: Play, stream: Stream) -> range:
    """The numbers that were sent while it was drained and looked at."""
    return range(play.first[stream.way.name], play.last[stream.way.name])


def test_no_packet_is_lost(story: Story) -> None:
    """In and out and from host to host, IPv4 and IPv6, through every drain and undrain: each came."""
    assert_whole(story.streams)


def test_no_route_is_away_while_it_changes(story: Story) -> None:
    """The kernels of switches and hosts tell of none that was deleted and came again at once."""
    assert story.news.instants() == []


@pytest.mark.parametrize("kind", ["circuit", "switch", "host"])
def test_what_was_there_is_there_again(story: Story, kind: str) -> None:
    """Every configuration, byte for byte, every kernel table of every host, and the way in from the Internet."""
    after = story.plays[kind].after
    assert after.configurations == story.before.configurations
    assert after.tables == story.before.tables
    assert after.ways_in == story.before.ways_in


@pytest.mark.parametrize(
    ("kind", "port"), [("circuit", f"{SWITCH} swp1"), ("switch", f"{SWITCH} swp1"), ("host", f"{HOST} eth0")]
)
def test_traffic_has_left_before_it_is_closed(story: Story, kind: str, port: str) -> None:
    """The port carried over a megabit a second, and fell quiet; the report has the curve."""
    row = ports_of(story.plays[kind].drain)[port]
    assert row["rate_before_bps"] > 0.5e6  # type: ignore[operator]
    assert row["quiet"] is True
    assert len(row["curve_bps"]) >= 2  # type: ignore[arg-type]


def test_nothing_passes_a_drained_switch(story: Story) -> None:
    """Its ports took next to nothing while six streams went on: sessions, BFD, neighbours."""
    play = story.plays["switch"]
    sent = sum(play.last[name] - play.first[name] for name in story.streams.streams)
    assert play.carried < sent / 10


def test_a_drained_host_gets_nothing_for_all(story: Story) -> None:
    """It had its part of what is sent to the shared addresses; while it is drained the other hosts take all of it."""
    play = story.plays["host"]
    for family in Family:
        stream = story.streams[f"in {family.value}"]
        assert stream.taken_by(HOST, range(play.first[stream.way.name] // 2)) > 0
        assert stream.taken_by(HOST, sent_meanwhile(play, stream)) == 0


def test_a_flow_to_the_hosts_own_address_goes_on_until_the_last_step(story: Story) -> None:
    """As the last choice it loses nothing; closed, it gets nothing; undrained, it has it again."""
    play = story.plays["host"]
    assert story.lost_own == {}
    for stream in story.own.streams.values():
        assert stream.taken_by(HOST, sent_meanwhile(play, stream)) == 0
        assert stream.taken_by(HOST, range(stream.sent - 1, stream.sent)) == 1


def test_ending_one_of_two_drains_leaves_the_other(story: Story) -> None:
    """A circuit is drained beside the switch, which comes back alone."""
    assert story.listed == [["northtel-pop1-b graceful", "sw1.pop1 closed"], ["northtel-pop1-b graceful"]]
