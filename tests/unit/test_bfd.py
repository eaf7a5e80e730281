"""BFD from the inventory to the daemon's configuration."""

from __future__ import annotations

import re

import pytest

from netorch.intent import derive_intent
from netorch.model.conventions import CONFIGURATIONS
from netorch.model.facts import DaemonFacts, DeviceFacts, FileFact
from netorch.model.intent import Intent
from netorch.model.sessions import BfdTimers
from netorch.plan.other_ends import lone_ends, other_releases
from netorch.render import render_device
from tests.unit.inventory_texts import edited, example, load
from tests.unit.planned import TEMPLATES, configuration

TIMERS = "\nbfd:\n  fabric: {interval_ms: 50, multiplier: 3}\n  providers: {interval_ms: 200, multiplier: 4}\n"


def files() -> dict[str, str]:
    """The example with BFD on its first circuit, and timers of its own."""
    found = edited(example(), "pops/pop1.yml", ("    capacity: 100G\n", "    bfd: true\n    capacity: 100G\n"))
    return {**found, "network.yml": found["network.yml"] + TIMERS}


def blocks(device: str) -> dict[str, str]:
    """The protocols of a device's configuration, by name, blanks made one."""
    text = configuration(derive_intent(load(files())).device(device)).text
    found = re.findall(r"^protocol (\w+(?: \w+)?) \{\n(.*?)^\}", text, flags=re.MULTILINE | re.DOTALL)
    return {name.split()[-1]: " ".join(body.split()) for name, body in found}


def test_fabric_has_its_timers_on_both_ends() -> None:
    """Switch and host send and expect packets as often."""
    wanted = "{ interval 50 ms; multiplier 3; }"
    assert blocks("sw1.pop1")["bfd"] == f'accept direct; interface "br0" {wanted};'
    assert blocks("h1.pop1")["bfd"] == f'accept direct; interface "eth0" {wanted}; interface "eth1" {wanted};'


def test_provider_has_its_own_timers() -> None:
    """Only the circuit that says so runs BFD, in both families, with the providers' timers."""
    found = blocks("sw1.pop1")
    for family in ("v4", "v6"):
        assert "bfd { interval 200 ms; multiplier 4; };" in found[f"northtel_1_{family}"]
        assert "bfd" not in found[f"meadow_4_{family}"]


def test_defaults_are_those_of_before() -> None:
    """Without the key it is 300 ms and 5 packets within the POP, and nothing with providers."""
    sessions = derive_intent(load(example())).device("sw1.pop1").sessions
    assert {session.bfd_timers for session in sessions} == {BfdTimers(300, 5)}
    assert {session.kind for session in sessions if session.bfd} == {"host"}


def mixed(switch: str, host: str) -> dict[str, str]:
    """The example with FRR on its first switch and its first host, in these releases."""
    found = example()
    for name, version in (("sw1", switch), ("h1", host)):
        line = f"  - name: {name}\n"
        chosen = f"{line}    daemon: frr\n    version: '{version}'\n"
        found = edited(found, "pops/pop1.yml", (line, chosen))
    return found


def frr_conf(intent: Intent, device: str) -> str:
    """The main configuration of a device with FRR."""
    return next(file.text for file in render_device(intent.device(device), TEMPLATES) if file.path.endswith("frr.conf"))


@pytest.mark.parametrize(
    ("switch", "host", "beginners"),
    [
        ("8.4.4", "10.3", {"sw1.pop1"}),
        ("10.3", "8.4.4", {"h1.pop1"}),
        ("8.4.4", "8.4.4", set()),
        ("10.3", "10.3", set()),
    ],
)
def test_frr_8_begins_bfd_for_a_neighbour_that_waits(switch: str, host: str, beginners: set[str]) -> None:
    """Only the end whose BFD would wait for BGP names its neighbour in BFD's own section, and only one that waits for BFD."""
    intent = derive_intent(load(mixed(switch, host)))
    found = {
        name: re.findall(
            r"^ peer (\S+) interface (\S+)\n  profile timers_300_5$",
            frr_conf(intent, name),
            re.MULTILINE,
        )
        for name in ("sw1.pop1", "h1.pop1")
    }
    assert {name for name, peers in found.items() if peers} == beginners
    for name, peers in found.items():
        neighbours = [str(s.neighbor) for s in intent.device(name).sessions if s.peer in {"sw1.pop1", "h1.pop1"}]
        assert [address for address, _ in peers] == (sorted(neighbours) if name in beginners else [])


def test_every_session_of_the_fabric_has_bfd() -> None:
    """Whichever releases are at its ends: none has a hold time of seconds in its place."""
    text = frr_conf(derive_intent(load(mixed("8.4.4", "10.3"))), "sw1.pop1")
    assert "timers 3 9" not in text
    assert len(re.findall(r"^ neighbor \S+ bfd$", text, re.MULTILINE)) == 6


@pytest.mark.parametrize(
    ("says_it", "chosen", "told"),
    [
        (False, {"h1.pop1"}, {"h1.pop1"}),
        (False, {"h1.pop1", "sw1.pop1"}, set()),
        (False, {"h2.pop1"}, set()),
        (True, {"h1.pop1"}, set()),
    ],
)
def test_a_host_that_waits_is_not_changed_alone(says_it: bool, chosen: set[str], told: set[str]) -> None:
    """A plan of it says so while its switch, by the file there, does not begin BFD; deployed together they need no remark."""
    intent = derive_intent(load(mixed("8.4.4", "10.3")))
    text = frr_conf(intent, "sw1.pop1")
    text = (
        text
        if says_it
        else re.sub(r"^ peer \S+ interface \S+\n  profile \S+\n exit\n !\n", "", text, flags=re.MULTILINE)
    )
    daemon = DaemonFacts("frr", "8.4.4", running=True, live_stamp="s", disk_stamp="s")
    file = FileFact(CONFIGURATIONS["frr"], "", 0o640, text)
    found = lone_ends(intent, {"sw1.pop1": DeviceFacts("sw1.pop1", "agent", "base", 1, daemon, files=(file,))}, chosen)
    assert set(found) == told
    assert all("deploy sw1.pop1 as well" in words for words in found.values())


@pytest.mark.parametrize(
    ("written", "runs", "chosen", "told"),
    [
        ("8.4.4", "10.3", {"sw1.pop1"}, {"sw1.pop1"}),
        ("10.3", "8.4.4", {"sw1.pop1"}, {"sw1.pop1"}),
        ("8.4.4", "8.4.4-1.1", {"sw1.pop1"}, set()),
        ("8.4.4", "10.3", {"sw2.pop1"}, set()),
    ],
)
def test_a_neighbour_of_another_release_than_written_is_told(
    written: str, runs: str, chosen: set[str], told: set[str]
) -> None:
    """Where what a switch's file says of BFD depends on it: a host was upgraded, or taken back, behind the inventory."""
    intent = derive_intent(load(mixed("8.4.4", written)))
    host = DeviceFacts(
        "h1.pop1", "agent", "base", 1, DaemonFacts("frr", runs, running=True, live_stamp=None, disk_stamp=None)
    )
    found = other_releases(intent, {"h1.pop1": host}, chosen)
    assert set(found) == told
    assert all(f"h1.pop1 runs frr {runs}, for the inventory it is {written}" in words for words in found.values())
