"""A switch and a host that run FRR are drained and brought back under 1,000 packets a second in each direction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from netorch.model.types import Family
from tests.lab.deployed_pop import HOSTS, POP
from tests.lab.drained_pop import (
    Moment,
    assert_whole,
    moment,
    ports_of,
    quick_files,
    share_addresses,
    usual_ways,
)
from tests.lab.frr_node import canonical
from tests.lab.matrix.pop import Release, all_up, example_of
from tests.lab.matrix.tables import wait_until_exact
from tests.lab.numbered_streams import NumberedStreams
from tests.lab.operator_shell import Said
from tests.lab.quick_lab import QuickLab, quick_lab
from tests.lab.route_news import RouteNews, route_news
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

SWITCH, HOST = "sw1.pop1", "h1.pop1"
RELEASES = {"sw1": Release("frr", "8.4.4"), "h1": Release("frr", "10.3")}
DRAINED = {"switch": SWITCH, "host": HOST}
AFTER = 500


@dataclass
class Story:
    """What was there before, during and after each drain, what was said, and which packets were sent while drained."""

    streams: NumberedStreams
    news: RouteNews
    before: Moment
    drains: dict[str, Said] = field(default_factory=dict)
    after: dict[str, Moment] = field(default_factory=dict)
    drained: dict[str, range] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    running: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    with quick_lab(tmp_path_factory.mktemp("frrdrain"), quick_files(example_of(RELEASES)), name="frrdrain") as up:
        up.deploy(POP)
        wait_until(lambda: all_up(up), timeout_s=60, what="every session is up")
        wait_until_exact(up.lab)
        share_addresses(up.lab, HOSTS)
        yield up


@pytest.fixture(scope="module")
def story(quick: QuickLab, tmp_path_factory: pytest.TempPathFactory) -> Story:
    devices = [device.name for device in quick.lab.inventory.devices if device.pop == POP]
    with (
        NumberedStreams(quick.lab, usual_ways(quick.lab, HOSTS, provider="northtel")) as streams,
        route_news(quick.lab, devices, tmp_path_factory.mktemp("news")) as news,
    ):
        told = Story(streams, news, moment(quick.lab))
        for kind, name in DRAINED.items():
            streams.begins(f"drain {kind}")
            told.drains[kind] = quick.project("drain", kind, name, "--wait", "60s", "-o", "json", timeout_s=180)
            streams.begins(f"{kind} is drained")
            first = {key: one.sent for key, one in streams.streams.items()}
            wait_until(lambda: all(s.sent >= first[key] + AFTER for key, s in streams.streams.items()), what="packets")  # noqa: B023
            told.files[kind] = quick.lab.run(name, "cat", "/etc/frr/frr.conf")
            told.running[kind] = quick.lab.run(name, "vtysh", "-c", "show running-config")
            told.drained = {key: range(first[key], one.sent) for key, one in streams.streams.items()}
            streams.begins(f"undrain {kind}")
            quick.project("undrain", kind, name, timeout_s=180)
            with suppress(AssertionError):  # a test tells what is different
                wait_until(lambda: moment(quick.lab) == told.before, timeout_s=60, what="all is as before")
            told.after[kind] = moment(quick.lab)
    return told


def test_no_packet_is_lost(story: Story) -> None:
    """In and out and from host to host, IPv4 and IPv6, through both drains and undrains: each came."""
    assert_whole(story.streams)


def test_no_route_is_away_while_it_changes(story: Story) -> None:
    """FRR deletes IPv6 routes and adds them again unless it is told not to: every packet between the two is lost."""
    assert story.news.instants() == []


@pytest.mark.parametrize("kind", list(DRAINED))
def test_what_was_there_is_there_again(story: Story, kind: str) -> None:
    """Every configuration, byte for byte, on disk and as FRR runs it, every kernel table of every host, and the way in from the
    Internet."""
    assert story.after[kind].configurations == story.before.configurations
    assert story.after[kind].tables == story.before.tables
    assert story.after[kind].ways_in == story.before.ways_in


@pytest.mark.parametrize("kind", list(DRAINED))
def test_a_drained_device_shows_its_file(story: Story, kind: str) -> None:
    """Line for line in FRR's own order; but for BFD, whose profiles 8.4.4 shows in no order."""
    written, shown = canonical(story.files[kind]), canonical(story.running[kind])
    assert {**shown, "bfd": []} == {**written, "bfd": []}


@pytest.mark.parametrize("kind", list(DRAINED))
def test_traffic_has_left_before_it_is_closed(story: Story, kind: str) -> None:
    """Ports carried the streams, as much of them as a busy machine sends, and each fell quiet."""
    rows = ports_of(story.drains[kind]).values()
    assert sum(row["rate_before_bps"] for row in rows) > 1e5  # type: ignore[misc]
    assert [row["quiet"] for row in rows] == [True] * len(rows)


def test_a_drained_host_gets_nothing_for_all(story: Story) -> None:
    """The other hosts take all of what is sent to the shared addresses."""
    for family in Family:
        stream = story.streams[f"in {family.value}"]
        numbers = story.drained[stream.way.name]
        assert stream.taken_by(HOST, range(numbers.start)) > 0
        assert stream.taken_by(HOST, numbers) == 0
