"""Hostile strings in a configuration that a real FRR runs: none of them is more than text, nor is changed on its way."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest

from netorch.errors import RenderError
from netorch.intent import derive_intent
from netorch.io.template_files import read_templates
from netorch.model.capabilities import capabilities_of
from netorch.model.intent import DeviceIntent
from netorch.model.sessions import SecretRef
from netorch.render import TemplateSource, render_for, seal
from tests.lab.frr_node import FrrNode, canonical, frr_node
from tests.lab.hostile_texts import INJECTIONS, generate, hostile_sessions
from tests.unit.inventory_texts import example, load

pytestmark = pytest.mark.lab

COUNT = 60
TEMPLATES = TemplateSource(read_templates())
# Every character that a password may have; a password that looks like a word of FRR's, and one that begins a comment.
PASSWORDS = (
    "".join(map(chr, range(33, 80))).replace('"', ""),
    "".join(map(chr, range(80, 127))).replace("|", ""),
    "8",
    "!x#",
)

FRR_WORDS = (
    "\n no neighbor 203.0.113.10\n",
    "x\nexit\nno router bgp 64500\n",
    "neighbor 203.0.113.12 remote-as 64496",
    "a neighbor 203.0.113.12 peer-group x route-map y in",
    "interface eth0 vrf red bfd ebgp-multihop 255 bgp bestpath as-path multipath-relax",
    "a | include b",
    "a|b || c",
    "2001:DB8::0001 and 2001:db8:0:0::/64 and 2001:db8::1/64 and ::ffff:192.0.2.1",
    "! exit",
    "# exit",
    "exit",
    "end",
    "exit-address-family",
    "?",
    "a ? b",
    "[other_v4] text",
    "message message",
    "rtt 5",
    "x" * 254 + " 2001:DB8::1",
    "ü" * 200,
    "a\u00a0b\u2003c\u3000d",
)


@pytest.fixture(scope="module", params=["8.4.4", "10.3"])
def node(request: pytest.FixtureRequest) -> Iterator[FrrNode]:
    name = f"quoting-{request.param}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        with frr_node(name, request.param) as alone:
            alone.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
            alone.start(rendered(hostile_switch([""] * COUNT, name), alone))
            yield alone
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)


def rendered(device: DeviceIntent, node: FrrNode) -> str:
    can = capabilities_of("frr", node.version)
    assert can is not None
    text = render_for(can, device, templates=TEMPLATES)[0].text
    return seal(text, lambda reference: PASSWORDS[int(reference.rpartition(":")[2])], daemon="frr")


def hostile_switch(strings: list[str], name: str) -> DeviceIntent:
    """A switch with a session per string, which is in its description and its shutdown message. They are sessions with hosts,
    whose route maps are short: FRR 8.4.4 takes a minute to load those of so many providers."""
    switch = derive_intent(load(example())).device("sw1.pop1")
    sessions = enumerate(hostile_sessions(switch, strings, kind="host"))
    known = (replace(one, password=SecretRef("env", str(number % len(PASSWORDS)))) for number, one in sessions)
    return replace(switch, name=name, pop=strings[-1], sessions=tuple(known))


def check(node: FrrNode, strings: list[str]) -> None:
    """Load ``strings`` in place of what runs; FRR then says exactly what was rendered, and finds nothing to change."""
    text = rendered(hostile_switch(strings, node.netns), node)
    assert node.check(text) == ""
    node.reload(text)
    assert node.running() == canonical(text)
    assert node.differences().strip() == ""


def test_known_attacks_come_out_as_text(node: FrrNode) -> None:
    """Hostile descriptions and messages: the sessions are the intended ones, with them as text."""
    check(node, [*FRR_WORDS, *INJECTIONS][:COUNT])


def test_attacks_in_place_of_others_come_out_as_text(node: FrrNode) -> None:
    """What runs is replaced by other hostile text, which frr-reload must not take for configuration either."""
    check(node, [*INJECTIONS, *FRR_WORDS][:COUNT])


def test_odd_texts_come_out_as_text(node: FrrNode) -> None:
    """Texts put together by chance do no more than the known ones."""
    check(node, generate(random.Random(4), COUNT))


@pytest.mark.parametrize("text", [*FRR_WORDS, *INJECTIONS])
def test_hostile_interface_is_refused(text: str) -> None:
    """Where a string must be exact, what is not one word of FRR's is refused."""
    device = derive_intent(load(example())).device("h1.pop1")
    hops = tuple(replace(hop, interface=text) for hop in device.next_hops)
    can = capabilities_of("frr", "8.4.4")
    assert can is not None
    words = text.split()
    if words == [text] and text in ("exit", "end", "exit-address-family"):
        return  # a word, and a possible name
    with pytest.raises(RenderError):
        render_for(can, replace(device, next_hops=hops), templates=TEMPLATES)
