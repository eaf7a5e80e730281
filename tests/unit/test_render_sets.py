"""Prefix sets in BIRD configurations: each is told from another by a number, since BIRD does not see all differences itself."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_network

import pytest

from netorch.intent import derive_intent
from netorch.inventory import load_inventory
from netorch.io.template_files import read_templates
from netorch.model.capabilities import RELEASES, Capabilities
from netorch.model.intent import DeviceIntent, Steer
from netorch.render import TemplateSource, render_for
from netorch.render.bird.quoting import bird_bounds, bird_set_number
from netorch.render.plain import Bounds
from tests.golden.write import underlay_inventory
from tests.policy.table import FOLDER
from tests.unit.inventory_texts import example, load, texts

TEMPLATES = TemplateSource(read_templates())
BIRDS = [can for can in RELEASES if can.daemon == "bird"]
TESTED = re.compile(r"net !?~ (?:\[[^\]]*\]|\w+)")
NUMBERED = re.compile(r"net ~ (?:\[[^\]]*\]|\w+) && net\.len != \d{4,}\b")
STEER = Steer(ip_network("1.144.0.0/16"), "meadow", 3)


def devices() -> list[DeviceIntent]:
    """Those of the shipped inventory, the hosts with a steer, of one with all kinds of providers, and of one of underlays."""
    shipped, policy = load(example()), load_inventory(texts(FOLDER / "inventory"), folder="/inventory")
    found = [device for each in (shipped, policy, underlay_inventory()) for device in derive_intent(each).devices]
    return [replace(device, steers=(STEER,)) if device.role == "host" else device for device in found]


@pytest.mark.parametrize("can", BIRDS, ids=lambda can: can.release)
def test_every_test_of_a_set_has_its_number(can: Capabilities) -> None:
    """Whatever looks for a prefix in a set, by the set's name or where it is written."""
    for device in devices():
        if can.has_templates_for(device.role):
            text = render_for(can, device, templates=TEMPLATES)[0].text
            found = TESTED.findall(text)
            assert found
            assert len(NUMBERED.findall(text)) == len(found), device.name


def test_number_follows_from_the_members() -> None:
    """The same members have the same number, others another, and none is the length of a prefix."""
    sets = [[], ["192.0.2.0/24"], ["192.0.2.0/24+"], ["192.0.2.0/24", "192.0.2.0/25"], ["192.0.2.0/25"]]
    numbers = [bird_set_number(iter(members)) for members in sets]
    assert numbers[:2] == ["1000", "746859862"]
    assert len(set(numbers)) == len(sets)
    assert min(map(int, numbers)) > 128


def test_bounds_are_written_where_there_are_any() -> None:
    """A prefix whose own length alone is meant is written as it is."""
    network = ip_network("192.0.2.0/24")
    assert [bird_bounds(Bounds(network, *lengths)) for lengths in ((24, 24), (24, 26), (32, 32))] == [
        "192.0.2.0/24",
        "192.0.2.0/24{24,26}",
        "192.0.2.0/24{32,32}",
    ]
