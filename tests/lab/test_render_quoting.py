"""Hostile strings in a configuration that a real BIRD runs: none of them changes the set of protocols."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netorch.errors import RenderError
from netorch.intent import derive_intent
from netorch.io.template_files import read_templates
from netorch.model.intent import DeviceIntent
from netorch.render import TemplateSource, render_device, seal
from netorch.render.bird.quoting import bird_text
from tests.lab.hostile_texts import INJECTIONS, hostile_sessions, read_back
from tests.lab.lone_bird import LoneBird, lone_bird
from tests.unit.inventory_texts import example, load

pytestmark = pytest.mark.lab

COUNT = 100
OWN_PROTOCOLS = {"device1", "bfd1", "kernel_ipv4", "kernel_ipv6"}


@pytest.fixture(scope="module")
def bird(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneBird]:
    with lone_bird(tmp_path_factory.mktemp("quoting")) as alone:
        yield alone


def hostile_switch(strings: list[str]) -> DeviceIntent:
    """A switch with a provider session per string, which is in its name, its description and its shutdown message."""
    switch = derive_intent(load(example())).device("sw1.pop1")
    sessions = hostile_sessions(switch, strings, kind="provider")
    fabric = (session for session in switch.sessions if session.kind == "host")
    return replace(switch, name=strings[0], pop=strings[1], sessions=(*sessions, *fabric))


def check(bird: LoneBird, strings: list[str], templates: TemplateSource) -> None:
    device = hostile_switch(strings)
    (file,) = render_device(device, templates)
    bird.load(seal(file.text, lambda reference: pytest.fail(f"asked for {reference}"), daemon="bird"))
    found = bird.protocols()
    assert set(found) == OWN_PROTOCOLS | {session.name for session in device.sessions}
    for session in device.sessions:
        assert (found[session.name].description or "") == read_back(bird_text(session.description)[1:-1])


def test_known_attacks_come_out_as_text(bird: LoneBird) -> None:
    """A hundred hostile names, descriptions and messages: the protocols are the intended ones, with them as text."""
    strings = [f"{text}{number}" if number >= len(INJECTIONS) else text for number, text in enumerate(INJECTIONS * 3)][
        :COUNT
    ]
    assert len(strings) == COUNT
    check(bird, strings, TemplateSource(read_templates()))


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(strings=st.lists(st.text(max_size=400), min_size=COUNT, max_size=COUNT))
def test_any_text_comes_out_as_text(bird: LoneBird, strings: list[str]) -> None:
    """A hundred arbitrary strings at a time do no more than the known ones."""
    check(bird, strings, TemplateSource(read_templates()))


@pytest.mark.parametrize("text", INJECTIONS)
def test_hostile_interface_is_exact_or_refused(bird: LoneBird, text: str) -> None:
    """Where a string must be exact, what cannot be written is refused; the rest adds no protocol."""
    device = derive_intent(load(example())).device("h1.pop1")
    sessions = tuple(replace(session, interface=text) for session in device.sessions)
    templates = TemplateSource(read_templates())
    try:
        (file,) = render_device(replace(device, sessions=sessions), templates)
    except RenderError:
        return
    bird.load(seal(file.text, str, daemon="bird"))
    (plain,) = render_device(device, templates)
    expected = set(re.findall(r"^protocol \w+ (\w+) \{", plain.text, re.MULTILINE)) - {"device", "bfd"}
    assert set(bird.protocols()) == expected | {"device1", "bfd1"}
