"""Two POPs announce the same prefixes: one is drained as a whole, then a provider in both, which comes back by the clock."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from netorch.lab import INTERNET_NODE
from netorch.model.types import Family
from tests.lab.deployed_pop import behind_all, bgp_states
from tests.lab.drained_pop import SHARED, Moment, assert_whole, moment, quick_files, share_addresses
from tests.lab.numbered_streams import NumberedStreams, Way
from tests.lab.operator_shell import Said, cron_environment
from tests.lab.quick_lab import QuickLab, only_pop2, quick_lab
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

POPS, PROVIDER = ("pop1", "pop2"), "northtel"
SWITCHES = tuple(f"sw1.{pop}" for pop in POPS)
HOSTS = tuple(f"{host}.{pop}" for pop in POPS for host in ("h1", "h2"))
AFTER = 500


def files() -> dict[str, str]:
    """POP1 is made like POP2, with addresses of its own and narrow circuits; POP2 announces its prefixes as well as its own."""
    second = only_pop2()["pops/pop2.yml"]
    first = second.replace("capacity: 10G", "capacity: 1M")
    for find, put in _OF_POP1:
        first = re.sub(find, put, first)
    both = "  - {prefix: 192.0.2.0/24, originators: [h1, h2]}\n  - {prefix: '2001:db8:1::/48', originators: [h1, h2]}\n"
    return quick_files({**only_pop2(), "pops/pop1.yml": first, "pops/pop2.yml": second + both})


_OF_POP1 = (
    (r"pop2", "pop1"),
    (r"198\.18\.2\.", "198.18.1."),
    (r"10\.2\.1\.", "10.1.1."),
    (r"fd00:2:1:", "fd00:1:1:"),
    (r"198\.51\.100\.", "192.0.2."),
    (r"2001:db8:2:", "2001:db8:1:"),
    (r"id: 5", "id: 1"),
    (r"id: 6", "id: 4"),
    (r"203\.0\.113\.1(\d)", r"203.0.113.5\1"),
    (r"203\.0\.113\.2(\d)", r"203.0.113.6\1"),
    (r"db8:c:5:", "db8:c:1:"),
    (r"db8:c:6:", "db8:c:4:"),
)


@dataclass
class Story:
    """What was said and seen, in the order of events."""

    streams: NumberedStreams
    before: Moment
    refused: Said
    overloaded: Said
    drained: dict[str, range] = field(default_factory=dict)
    after_pop: Moment = field(default_factory=Moment)
    everywhere: Said = field(default_factory=lambda: Said((), -1, "", ""))
    elsewhere: list[Said] = field(default_factory=list)
    closed: dict[str, set[str]] = field(default_factory=dict)
    listed: list[dict[str, object]] = field(default_factory=list)
    runs: list[Said] = field(default_factory=list)
    after: Moment = field(default_factory=Moment)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    with quick_lab(tmp_path_factory.mktemp("pops"), files(), name="pops") as up:
        up.deploy(*POPS)
        for switch in SWITCHES:
            wait_until(lambda: set(bgp_states(up.lab, switch).values()) == {"Established"}, what=f"{switch} is up")  # noqa: B023
        share_addresses(up.lab, HOSTS)
        yield up


@pytest.fixture(scope="module")
def story(quick: QuickLab, tmp_path_factory: pytest.TempPathFactory) -> Story:
    project, lab = quick.project, quick.lab
    outside = {family: behind_all(lab.inventory, family) for family in Family}
    ways = [Way(f"in {family.value}", INTERNET_NODE, outside[family], HOSTS, SHARED[family]) for family in Family]
    with NumberedStreams(lab, ways) as streams:
        before = moment(lab)
        refused = project("drain", "pop", "pop2", code=7)
        overloaded = project("drain", PROVIDER, "--pop", "pop1", code=7)
        told = Story(streams, before, refused, overloaded)
        streams.begins("drain and undrain POP")
        _drain_pop(quick, told)
        streams.begins("drain provider")
        _drain_everywhere(quick, told, tmp_path_factory.mktemp("elsewhere"))
        streams.begins("lapse")
        _lapse(quick, told)
    return told


def _drain_pop(quick: QuickLab, told: Story) -> None:
    quick.project("drain", "pop1", "--wait", "60s", timeout_s=180)
    running = told.streams.streams.items()
    first = {key: one.sent for key, one in running}
    wait_until(lambda: all(one.sent >= first[key] + AFTER for key, one in running), what="more packets are sent")
    told.drained = {key: range(first[key], one.sent) for key, one in running}
    quick.project("undrain", "pop1", timeout_s=180)
    told.after_pop = _as_before(quick, told)


def _drain_everywhere(quick: QuickLab, told: Story, folder: Path) -> None:
    project = quick.project
    told.everywhere = project("drain", PROVIDER, "--wait", "60s", "--allow-capacity", timeout_s=240)
    told.closed = {switch: _northtel(quick, switch) for switch in SWITCHES}
    second = project.copy(folder / "second")
    home = {**cron_environment(), "HOME": str(folder), "LOGNAME": "somebody"}
    told.elsewhere = [second("deploy", *POPS, "--yes", environment=home), second("run", environment=home)]


def _lapse(quick: QuickLab, told: Story) -> None:
    quick.project("drain", PROVIDER, "--for", "1s")

    def is_over() -> bool:
        told.listed = quick.project("drains", "-o", "json").document[0]["rows"]
        return all(row["expired"] for row in told.listed)

    wait_until(is_over, what="the time of both drains is over", timeout_s=30)
    told.runs = [quick.project("run", environment=cron_environment(), timeout_s=180)]
    told.after = _as_before(quick, told)
    told.runs.append(quick.project("run", environment=cron_environment()))


def _as_before(quick: QuickLab, told: Story) -> Moment:
    with suppress(AssertionError):  # a test tells what is different
        wait_until(lambda: moment(quick.lab) == told.before, timeout_s=60, what="all is as before")
    return moment(quick.lab)


def _northtel(quick: QuickLab, switch: str) -> set[str]:
    return {state for name, state in bgp_states(quick.lab, switch).items() if name.startswith(PROVIDER)}


def test_no_packet_is_lost(story: Story) -> None:
    """To what both POPs announce, while one of them and then a provider of both is drained and comes back."""
    assert_whole(story.streams)


def test_a_drained_pop_gets_nothing(story: Story) -> None:
    """What is sent to the shared prefixes goes to the other POP's hosts."""
    for name, numbers in story.drained.items():
        stream = story.streams[name]
        first = [host for host in HOSTS if host.endswith("pop1")]
        assert sum(stream.taken_by(host, range(numbers.start)) for host in first) > 0
        assert sum(stream.taken_by(host, numbers) for host in first) == 0


def test_the_last_pop_of_a_prefix_is_refused(story: Story) -> None:
    """Nobody else has POP2's own prefix."""
    assert "pop2 is the last POP that announces 198.51.100.0/24, 2001:db8:2::/48" in story.refused.err
    assert "--allow-last" in story.refused.err


def test_what_stays_would_be_too_full(story: Story) -> None:
    """Two megabits a second are measured, one is left: refused before anything changes, and the override is named."""
    assert re.search(
        r"leaves 1 Mbit/s for the [\d.]+ Mbit/s that go in now \(limit 90 % of what is left\)", story.overloaded.err
    )
    assert "--allow-capacity" in story.overloaded.err


def test_a_provider_is_drained_pop_by_pop(story: Story) -> None:
    """The first POP is closed before the second is begun."""
    said = story.everywhere.out
    assert said.index("provider northtel in pop1: drained") < said.index("provider northtel in pop2: announced")
    assert all("Established" not in states for states in story.closed.values()), story.closed


def test_other_checkouts_keep_it(story: Story) -> None:
    """A deploy and cron's run from another folder and HOME change nothing."""
    deploy, run = story.elsewhere
    assert deploy.out.splitlines()[-1] == "6 unchanged"
    assert (run.code, run.out, run.err) == (0, "", "")


def test_cron_brings_back_what_is_past_its_time(story: Story) -> None:
    """Until then the list tells them as devices have them. One run opens the sessions, waits for them and ends the drains; the
    next one is silent."""
    assert {row["stage"] for row in story.listed} == {"closed"}
    first, second = story.runs
    assert first.code == 0
    assert "open again" in first.out
    assert (second.code, second.out, second.err) == (0, "", "")


@pytest.mark.parametrize("what", ["pop", "provider"])
def test_what_was_there_is_there_again(story: Story, what: str) -> None:
    """Every configuration, byte for byte, every kernel table of every host, and the way in from the Internet."""
    after = story.after_pop if what == "pop" else story.after
    assert after.configurations == story.before.configurations
    assert after.tables == story.before.tables
    assert after.ways_in == story.before.ways_in
