"""The picture of a POP: what is drawn can be read, by anybody, at a small POP and at a big one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from netorch.io.pop_dot import pop_dot
from netorch.io.pop_svg import pop_svg
from netorch.io.svg import width_of
from netorch.model.picture import (
    DOWN,
    DRAINED,
    PARTLY,
    STATES,
    UNKNOWN,
    UP,
    CircuitLine,
    DeviceBox,
    Flow,
    HostBox,
    PopPicture,
    ProviderBox,
    RouterLink,
)

SVG = "{http://www.w3.org/2000/svg}"
FLOW = Flow(82.6e9, 34.6e9, 82.6, 34.6, 100e9)
SWITCHES, HOSTS, CIRCUITS = 8, 40, 20
HOSTILE = 'x"]; </text><script>\n\\" evil \u202e & more'


def circuit(number: int, state: str = UP) -> CircuitLine:
    return CircuitLine(
        f"southnet-fra-{number}", f"sw{number % SWITCHES + 1}", state, (("v4", state), ("v6", state)), FLOW
    )


def provider(name: str, *circuits: CircuitLine, state: str = UP) -> ProviderBox:
    return ProviderBox(name, 64496, "transit", state, FLOW, circuits)


def host(number: int, state: str = UP) -> HostBox:
    links = tuple((f"sw{switch}", state) for switch in range(1, SWITCHES + 1))
    return HostBox(f"host{number}", "in sync", True, "bird 2.0.12", links=links, mirror=(40, 40))


def big() -> PopPicture:
    """Eight switches, forty hosts, twenty circuits of five providers."""
    per = CIRCUITS // 5
    providers = (provider(f"provider-{p}", *(circuit(p * per + c) for c in range(per))) for p in range(5))
    return PopPicture(
        name="frankfurt1",
        description="Cage 17",
        moment="2026-03-01T09:00:00Z",
        interval_s=1.0,
        providers=tuple(providers),
        switches=tuple(DeviceBox(f"sw{n + 1}", "in sync", True, "frr 10.3", False, (46, 46)) for n in range(SWITCHES)),
        hosts=tuple(host(number) for number in range(HOSTS)),
    )


def one(state: str) -> PopPicture:
    """A POP of one circuit and one host, both in ``state``."""
    links = (("sw1", state),)
    return replace(
        big(),
        providers=(provider("northtel", replace(circuit(0, state), switch="sw1"), state=state),),
        switches=big().switches[:1],
        hosts=(replace(host(1), links=links),),
    )


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]


def words(svg: str) -> Iterator[tuple[str, float, float, str]]:
    """Level words, where they begin and end, and the height that they stand at."""
    for element in ET.fromstring(svg).iter(f"{SVG}text"):
        if "x" in element.attrib:
            text, size = element.text or "", float(element.attrib["font-size"])
            long = width_of(text, size, bold="font-weight" in element.attrib)
            left = float(element.attrib["x"]) - {"end": long, "middle": long / 2}.get(element.attrib["text-anchor"], 0)
            yield text, left, left + long, element.attrib["y"]


def test_everything_is_named_in_a_big_pop() -> None:
    """Every provider, circuit, switch and host is there by its whole name; rates and shares of every circuit are told."""
    shown = texts(pop_svg(big()))
    names = {f"provider-{n}" for n in range(5)} | {f"southnet-fra-{n}" for n in range(CIRCUITS)}
    names |= {f"sw{n + 1}" for n in range(SWITCHES)} | {f"host{n}" for n in range(HOSTS)}
    assert names <= set(shown)
    assert shown.count("82.6 Gbit/s 83 %") == CIRCUITS
    assert shown.count("40/40") == HOSTS


def test_nothing_sticks_out() -> None:
    """Words begin and end within the picture."""
    root = ET.fromstring(pop_svg(big()))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    out = [text for text, left, right, y in words(pop_svg(big())) if left < 0 or right > width or float(y) > height]
    assert out == []


@pytest.mark.parametrize("state", STATES)
def test_words_have_their_place(state: str) -> None:
    """In a circuit with sessions, tag and capacity beside its name, nothing lies upon another."""
    lines: dict[str, list[tuple[float, float, str]]] = {}
    for text, left, right, y in words(pop_svg(one(state))):
        lines.setdefault(y, []).append((left, right, text))
    for line in lines.values():
        line.sort()
        assert [(b, a) for b, a in pairwise(line) if b[1] > a[0] + 1] == []


def test_states_are_told_without_colour() -> None:
    """With every colour taken out no two states look alike."""
    bare = {re.sub(r"#[0-9A-F]{6}|up|partly up|down|drained|unknown", "", pop_svg(one(state))) for state in STATES}
    assert len(bare) == len(STATES)


@pytest.mark.parametrize("state", [PARTLY, DOWN, DRAINED, UNKNOWN])
def test_circuit_that_is_not_up_says_so(state: str) -> None:
    """The word stands at the provider and at the circuit, and once in the legend."""
    assert texts(pop_svg(one(state))).count(state) == 3
    assert f"{state}: " in pop_dot(one(state))


def test_the_name_of_a_drained_circuit_is_whole() -> None:
    """A provider's circuits are told apart by the end of their names: rather no capacity than half a name."""
    named = [replace(circuit(number, DRAINED), name=f"northtel-pop1-{letter}") for number, letter in enumerate("ab")]
    drawn = pop_svg(replace(big(), providers=(provider("northtel", *named, state=DRAINED),)))
    assert [name for name in texts(drawn) if name.startswith("northtel-")] == ["northtel-pop1-a", "northtel-pop1-b"]


def test_stale_mirror_is_told_at_its_host() -> None:
    """How many next hops are good, that others are stale, and in words which."""
    stale = replace(host(1), mirror=(7, 8), stale=("northtel 203.0.113.1: host has another MAC",), links=(("sw1", UP),))
    picture = replace(one(UP), hosts=(stale,), troubles=("h1: mirror: northtel 203.0.113.1: host has another MAC",))
    shown = texts(pop_svg(picture))
    assert {"7/8 stale", "h1: mirror: northtel 203.0.113.1: host has another MAC"} <= set(shown)
    assert "1 thing to look at" in shown
    assert "stale: northtel 203.0.113.1" in pop_dot(picture)


def test_what_people_typed_is_no_markup() -> None:
    """Names and reasons with quotes, angle brackets, line ends and direction marks stay words, in both languages."""
    picture = replace(big(), description=HOSTILE, troubles=(HOSTILE,), in_force=(HOSTILE,))
    shown = texts(pop_svg(picture))
    assert any("<script>" in text for text in shown)
    assert "\u202e" not in "".join(shown)
    assert list(ET.fromstring(pop_svg(picture)).iter(f"{SVG}script")) == []
    assert len(pop_dot(picture).splitlines()) == len(pop_dot(big()).splitlines())


def test_more_trouble_than_fits_is_counted() -> None:
    """A long list is cut, and says how much more there is and where."""
    picture = replace(big(), troubles=tuple(f"host{n}: unreachable" for n in range(40)))
    assert "and 27 more: netorch status frankfurt1" in texts(pop_svg(picture))


def test_routers_are_drawn_with_their_links() -> None:
    """Those with most neighbours stand above the others; a link that is down says so."""
    routers = tuple(DeviceBox(name, "in sync", True, "bird 2.0.12") for name in ("leaf1", "leaf2", "spine1"))
    links = (RouterLink("leaf1", "spine1", UP, "bgp"), RouterLink("leaf2", "spine1", DOWN, "bgp"))
    picture = replace(big(), providers=(), switches=(), hosts=(), routers=routers, links=links)
    places = {
        element.text: float(element.attrib["y"]) for element in ET.fromstring(pop_svg(picture)).iter(f"{SVG}text")
    }
    assert places["spine1"] < places["leaf1"] == places["leaf2"]
    assert pop_svg(picture) != pop_svg(replace(picture, links=(links[0], replace(links[1], state=UP))))
    assert '"router leaf2" -- "router spine1" [label="bgp\\ndown"' in pop_dot(picture)


def test_dot_has_an_edge_for_each_connection() -> None:
    """One for each circuit, and one for each host and switch."""
    assert len(re.findall(" -- ", pop_dot(big()))) == CIRCUITS + HOSTS * SWITCHES
