"""A provider is drained and brought back under traffic, and operators elsewhere keep it drained meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from netorch.io.clock import SystemClock
from netorch.lab import expected_prefixes, log_files, provider_interface
from netorch.model.types import Family
from tests.lab.deployed_pop import (
    HOSTS,
    PROVIDERS,
    SERVICE_PREFIX,
    SWITCHES,
    circuits,
    mark,
    neighbors,
)
from tests.lab.drained_pop import Moment, assert_whole, moment, share_addresses, through, usual_ways
from tests.lab.numbered_streams import NumberedStreams
from tests.lab.operator_shell import Said, cron_environment
from tests.lab.quick_lab import QuickLab, quick_example, quick_lab, wait_until_exact
from tests.unit.inventory_texts import edited
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

DRAINED = "northtel"
REASON = 'fibre works; "tonight"'
MESSAGE = "fibre works; 'tonight'"
FAMILIES = pytest.mark.parametrize("family", list(Family), ids=lambda family: family.value)


@dataclass
class Story:
    """What was said and seen, in the order of events."""

    lab_project: QuickLab
    streams: NumberedStreams
    before: Moment
    received: dict[str, str] = field(default_factory=dict)
    graceful: Moment = field(default_factory=Moment)
    drain: Said = field(default_factory=lambda: Said((), -1, "", ""))
    drained: Moment = field(default_factory=Moment)
    provider_said: dict[str, str] = field(default_factory=dict)
    packet_rates: dict[str, float] = field(default_factory=dict)
    again: Said = field(default_factory=lambda: Said((), -1, "", ""))
    drains: Any = None
    elsewhere: list[Said] = field(default_factory=list)
    run: Said = field(default_factory=lambda: Said((), -1, "", ""))
    since: list[dict[str, str]] = field(default_factory=list)
    undrain: Said = field(default_factory=lambda: Said((), -1, "", ""))
    plan: Said = field(default_factory=lambda: Said((), -1, "", ""))
    after: Moment = field(default_factory=Moment)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    # Of one rank, so that the length of paths decides, and some prefixes of all providers leave by the drained one.
    files = edited(quick_example(), "providers.yml", ("relation: peer", "relation: transit"))
    with quick_lab(tmp_path_factory.mktemp("drain"), files, name="drain") as up:
        up.deploy("pop1")
        wait_until_exact(up.lab)
        yield up


@pytest.fixture(scope="module")
def story(quick: QuickLab, tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("story")
    share_addresses(quick.lab, HOSTS)
    with NumberedStreams(quick.lab, usual_ways(quick.lab, HOSTS, provider=DRAINED)) as streams:
        told = Story(quick, streams, _moment(quick))
        streams.begins("drain")
        _drain(told)
        streams.begins("drained")
        _drain_again_and_elsewhere(told, folder)
        streams.begins("undrain")
        told.undrain = quick.project("undrain", DRAINED, "--pop", "pop1")
        told.plan = quick.project("plan", "pop1", "--detailed-exitcode", code=None)
        wait_until(lambda: _moment(quick) == told.before, timeout_s=20, what="everything is as before")
        told.after = _moment(quick)
    return told


def _drain(told: Story) -> None:
    lab, project = told.lab_project.lab, told.lab_project.project
    arguments = ("provider", DRAINED, "--pop", "pop1", "--reason", REASON, "--wait", "60s")
    with project.running("drain", *arguments, "-o", "json") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "are below 1 % of the former rate" in line:
                break
        # The ports must be quiet for seconds before anything is closed: time to look.
        told.received = {
            f"circuit{circuit.id}_{family.number}": lab.run(
                DRAINED, "birdc", "show", "route", "all", "protocol", f"circuit{circuit.id}_{family.number}"
            )
            for circuit in circuits(lab.inventory, DRAINED)
            for family in Family
        }
        told.graceful = _moment(told.lab_project)
        assert process.poll() is None, "the drain ended before it was looked at"
        told.drain = project.finish(process, timeout_s=90)
    told.provider_said = {name: lab.run(DRAINED, "birdc", "show", "protocols", "all", name) for name in told.received}


def _drain_again_and_elsewhere(told: Story, folder: Path) -> None:
    quick = told.lab_project
    project = quick.project
    wait_until(
        lambda: not through(_moment(quick), DRAINED, quick.lab.inventory),
        timeout_s=20,
        what="no host sends to the provider",
    )
    told.drained = _moment(quick)
    clock = SystemClock()
    counted, since_s = _packets(quick), clock.monotonic()
    told.since.append(_since(quick))
    told.again = project("drain", DRAINED, "--pop", "pop1")
    told.drains = project("drains", "-o", "json").document
    second = project.copy(folder / "second")
    home = {**cron_environment(), "HOME": str(folder), "LOGNAME": "somebody"}
    told.elsewhere = [
        second("plan", "pop1", "--detailed-exitcode", code=None, environment=home),
        second("deploy", "pop1", "--yes", environment=home),
    ]
    told.run = project("run", "pop1", environment=cron_environment())
    told.since.append(_since(quick))
    now, lasted_s = _packets(quick), clock.monotonic() - since_s
    told.packet_rates = {name: (now[name] - counted[name]) / lasted_s for name in now}


def _moment(quick: QuickLab) -> Moment:
    return moment(quick.lab, proto="bird")


def _packets(quick: QuickLab) -> dict[str, int]:
    """Packets that the drained provider's ports have carried, either way."""
    ports = [provider_interface(circuit) for circuit in circuits(quick.lab.inventory, DRAINED)]
    script = 'cat /sys/class/net/"$1"/statistics/[rt]x_packets'
    return {p: sum(map(int, quick.lab.run(DRAINED, "sh", "-c", script, "-", p).split())) for p in ports}


def _since(quick: QuickLab) -> dict[str, str]:
    """Since when each protocol of both switches is in its state."""
    return {
        f"{switch} {line.split()[0]}": line
        for switch in SWITCHES
        for line in quick.lab.run(switch, "birdc", "show", "protocols").splitlines()[2:]
        if line.strip()
    }


# ---- while it is drained -----------------------------------------------------------------------------------------


def test_no_packet_was_lost(story: Story) -> None:
    """From before the drain until after the undrain, 1,000 packets a second in each direction, in both families."""
    assert_whole(story.streams)


def test_provider_saw_the_community(story: Story) -> None:
    """Every session of the provider received the service prefix with GRACEFUL_SHUTDOWN (RFC 8326), still up."""
    assert len(story.received) == 4
    for name, text in story.received.items():
        assert SERVICE_PREFIX[Family.IPV6 if name.endswith("_6") else Family.IPV4] in text
        (line,) = (line for line in text.splitlines() if "BGP.community" in line)
        assert "(65535,0)" in line


@FAMILIES
def test_hosts_moved_before_the_sessions_closed(story: Story, family: Family) -> None:
    """At the graceful stage no main table used the provider where another one had the prefix; its own table still did."""
    inventory = story.lab_project.lab.inventory
    drained = neighbors(inventory, DRAINED, family)
    others = frozenset().union(*(expected_prefixes(inventory, p, family)[0] for p in PROVIDERS if p != DRAINED))
    for host in HOSTS:
        table = story.graceful.tables[host, family, "main"]
        assert [prefix for prefix, hops in table.items() if prefix in others and hops & drained] == []
        only = [prefix for prefix, hops in table.items() if hops == drained]
        assert len(only) == 12, "what only it announces is still reached"
        number = mark(inventory, DRAINED)
        assert story.graceful.tables[host, family, number] == story.before.tables[host, family, number]


@FAMILIES
def test_inbound_moved_before_the_sessions_closed(story: Story, family: Family) -> None:
    """The Internet came in by the drained provider before, and by another one at the graceful stage and after."""
    assert story.before.ways_in[family] == DRAINED
    assert story.graceful.ways_in[family] != DRAINED
    assert story.drained.ways_in[family] != DRAINED


def test_port_was_busy_and_fell_quiet(story: Story) -> None:
    """The rows say what the ports carried before, as much of the streams as a busy machine sends, and next to nothing after."""
    rows = {row["circuit"]: row for row in story.drain.document[-1]["rows"]}
    assert rows.keys() == {"northtel-pop1-a", "northtel-pop1-b"}
    assert sum(row["rate_before_bps"] for row in rows.values()) > 1e5
    for row in rows.values():
        assert row["rate_after_bps"] <= 0.01 * row["rate_before_bps"] + 2000
        assert row["quiet"] is True


def test_nothing_flows_after_the_close(story: Story) -> None:
    """While the streams went on, the provider's ports carried its attempts to connect, and far less than any stream."""
    for port, rate in story.packet_rates.items():
        assert rate < 25, f"{port}: {rate:.0f} packets/s"


def test_sessions_close_with_the_reason(story: Story) -> None:
    """The provider's BIRD shows an administrative shutdown with the reason as its message (RFC 9003)."""
    assert story.drain.code == 0
    for name, text in story.provider_said.items():
        assert "Established" not in text, name
        assert f"Message:        {MESSAGE}" in text
    lab = story.lab_project.lab
    log = next(path for path in log_files(DRAINED, lab.settings) if path.name == "bird.log").read_text()
    for name in story.provider_said:
        assert f"{name}: Received: Administrative shutdown" in log


def test_no_host_uses_it_after_the_close(story: Story) -> None:
    """No main table has a next hop of the provider, and its own tables are empty."""
    assert through(story.drained, DRAINED, story.lab_project.lab.inventory) == []
    number = mark(story.lab_project.lab.inventory, DRAINED)
    assert all(not hops for (_, _, table), hops in story.drained.tables.items() if table == number)


def test_draining_again_changes_nothing(story: Story) -> None:
    """The second drain says that it is drained already."""
    assert story.again.out == "provider northtel in pop1: already drained\n"


def test_drains_tells_who_and_why(story: Story) -> None:
    """``drains -o json`` has one row, with its stage, author and reason."""
    (row,) = story.drains[0]["rows"]
    assert (row["kind"], row["name"], row["pop"], row["stage"]) == ("provider", DRAINED, "pop1", "closed")
    assert row["reason"] == REASON
    assert "@" in row["author"]
    assert row["until"] is None


def test_a_second_checkout_keeps_it_drained(story: Story) -> None:
    """From another folder and another HOME the plan is empty, and deploy changes nothing."""
    plan, deploy = story.elsewhere
    assert plan.code == 0, plan.out + plan.err
    assert "nothing to do" in plan.out
    assert deploy.out.splitlines()[-1] == "5 unchanged"


def test_cron_keeps_it_drained(story: Story) -> None:
    """``netorch run`` is silent, and no protocol of any switch changed its state meanwhile."""
    assert (story.run.code, story.run.out, story.run.err) == (0, "", "")
    assert story.since[0] == story.since[1]


# ---- after the undrain -------------------------------------------------------------------------------------------


def test_plan_is_empty_after_undrain(story: Story) -> None:
    """Nothing is left to do."""
    assert story.undrain.code == 0
    assert story.plan.code == 0, story.plan.out


def test_configurations_are_as_before(story: Story) -> None:
    """Every device's configuration is, byte for byte, the one from before the drain."""
    assert story.after.configurations == story.before.configurations


def test_kernel_tables_are_as_before(story: Story) -> None:
    """Every table of every host has the routes from before the drain, and some of them by the provider."""
    assert story.after.tables == story.before.tables
    assert through(story.after, DRAINED, story.lab_project.lab.inventory)


def test_inbound_is_as_before(story: Story) -> None:
    """The Internet comes in as it did."""
    assert story.after.ways_in == story.before.ways_in
