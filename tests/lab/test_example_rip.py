"""inventory/examples/two-routers-rip, as its README has it typed."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.lab import forged_rip
from tests.lab.example_terminal import NETORCH, Terminal, terminal
from tests.lab.operator_shell import Said
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

R1 = f"sudo {NETORCH} lab exec r1.site1"
RIGHT = "172.16.20.10"
ONE_PING = f"sudo {NETORCH} lab exec left ping -c 1 -W 1 right"


@dataclass(frozen=True)
class Story:
    """The example after its deploy, and what came before."""

    terminal: Terminal
    before: Said
    deploy: Said


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Booted, tried, deployed; RIP has spoken."""
    with terminal("two-routers-rip", tmp_path_factory.mktemp("rip")) as typed:
        typed.type(f"sudo {typed.netorch} lab up")
        before = typed.type(ONE_PING, code=None)
        deploy = typed.type(f"{typed.netorch} deploy site1 --yes", code=None)
        if deploy.code == 0:
            wait_until(lambda: typed.ping("left", RIGHT), what="RIP speaks")
        yield Story(typed, before, deploy)


def test_stations_are_apart_before_rip_speaks(story: Story) -> None:
    """Until the deploy a station gets as far as its own router, which knows no way."""
    assert story.before.code == 1
    assert "From 172.16.10.1 " in story.before.out
    assert "Net Unreachable" in story.before.out


def test_stations_reach_each_other_once_rip_speaks(story: Story) -> None:
    """After the deploy the ping is answered, over both routers."""
    assert story.deploy.code == 0, story.deploy.out + story.deploy.err
    said = story.terminal.type(f"sudo {NETORCH} lab exec left ping -c 3 right")
    assert "3 received" in said.out
    assert "ttl=62" in said.out


def test_vtysh_shows_the_routes_of_rip(story: Story) -> None:
    """RIP's table has the network behind the other router, two hops away, and zebra took it over."""
    table = story.terminal.type(f"{R1} vtysh -c 'show ip rip'").out
    assert re.search(r"^R\(n\) 172\.16\.20\.0/24 +172\.16\.0\.2 +2 172\.16\.0\.2", table, re.MULTILINE), table
    routes = story.terminal.type(f"{R1} vtysh -c 'show ip route rip'").out
    assert re.findall(r"^R>\* (\S+) \[120/2\] via (\S+), eth0", routes, re.MULTILINE) == [
        ("172.16.20.0/24", "172.16.0.2")
    ]
    assert "172.16.20.0/24 via 172.16.0.2 dev eth0 proto rip" in story.terminal.type(f"{R1} ip route").out


def test_second_deploy_applies_nothing(story: Story) -> None:
    """What was deployed is what is wanted: no change is pending, and RIP's daemon is the same process after another deploy."""
    typed = story.terminal
    typed.type(f"{typed.netorch} plan site1 --detailed-exitcode")
    ripd = typed.lab_exec("r1.site1", "pidof", "ripd").out
    typed.type(f"{typed.netorch} deploy site1 --yes")
    assert typed.lab_exec("r1.site1", "pidof", "ripd").out == ripd


def tell(typed: Terminal, source: str, *, counted: tuple[str, ...]) -> None:
    """The station at r1's LAN says from the address ``source`` that the network of the other one is behind it; r1 has dealt with
    that when one of its counters ``counted`` (of nstat) says so."""

    def count() -> int:
        found = json.loads(typed.inside("r1.site1", "nstat", "-asjz").out)["kernel"]
        return sum(found[name] for name in counted)

    before = count()
    said = typed.inside("left", sys.executable, forged_rip.__file__, "eth0", source, "172.16.10.1", "172.16.20.0/24")
    assert said.code == 0, said.err
    wait_until(lambda: count() >= before + forged_rip.COUNT, what="r1 has got it")


def test_a_station_cannot_speak_for_the_neighbour(story: Story) -> None:
    """What comes from the LAN with the other router's address is dropped: RIP's metric stays that of the other router."""
    typed = story.terminal
    typed.inside("left", "ip", "address", "add", "172.16.0.2/32", "dev", "eth0")
    tell(typed, "172.16.0.2", counted=("TcpExtIPReversePathFilter",))
    typed.inside("left", "ip", "address", "del", "172.16.0.2/32", "dev", "eth0")
    table = typed.type(f"{R1} vtysh -c 'show ip rip'").out
    assert re.search(r"^R\(n\) 172\.16\.20\.0/24 +172\.16\.0\.2 +2 172\.16\.0\.2", table, re.MULTILINE), table


def test_routes_go_with_the_line(story: Story) -> None:
    """Without the line between the routers neither of them has a route of RIP's left, and the ping is not answered."""
    typed = story.terminal
    typed.type(f"{R1} ip link set dev eth0 down")
    for router in ("r1.site1", "r2.site1"):
        wait_until(lambda r=router: not typed.inside(r, "ip", "route", "show", "proto", "rip").out, what="routes go")  # type: ignore[misc]
    typed.type(ONE_PING, code=1)
    typed.type(f"{R1} ip link set dev eth0 up")


def test_a_station_is_not_believed(story: Story) -> None:
    """What a station says itself is nothing to RIP, even where nobody else speaks of that network."""
    typed = story.terminal
    typed.inside("r1.site1", "ip", "link", "set", "dev", "eth0", "down")
    wait_until(lambda: not typed.inside("r1.site1", "ip", "route", "show", "proto", "rip").out, what="routes go")
    tell(typed, "172.16.10.10", counted=("UdpInDatagrams",))
    assert " 172.16.10.10 " not in typed.type(f"{R1} vtysh -c 'show ip rip'").out
    assert typed.inside("r1.site1", "ip", "route", "show", "proto", "rip").out == ""


def test_nothing_is_left_when_it_is_down(story: Story) -> None:
    """No namespace, no interface, no key; the audit log alone stays."""
    typed = story.terminal
    typed.type(f"sudo {typed.netorch} lab down")
    assert typed.run("ip", "netns").out == ""
    assert typed.run("ls", "/sys/class/net").out == "lo\n"
    assert [path.name for path in (typed.folder / "inventory/examples/.lab").iterdir()] == ["audit.jsonl"]
