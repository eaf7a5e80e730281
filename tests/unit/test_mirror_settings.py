"""The agents' settings: what deploy writes is read; anything else is refused whole, with its place."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.agent.mirror.settings import SettingsError, parse_feed, parse_mirror
from netorch.model.types import Mac

FEED: dict[str, Any] = {
    "version": 1,
    "switch": "sw1.pop1",
    "port": 7110,
    "listen": ["10.1.1.1", "fd00:1:1::1"],
    "next_hops": [
        {"address": "203.0.113.1", "interface": "br0", "provider": "northtel", "circuit": 1, "macs": []},
        {
            "address": "2001:DB8::1",
            "interface": "br0",
            "provider": "northtel",
            "circuit": 1,
            "macs": ["02-AA-00-00-00-01"],
        },
    ],
    "hosts": {"h1.pop1": ["203.0.113.1"]},
}
MIRROR: dict[str, Any] = {
    "version": 1,
    "host": "h1.pop1",
    "hold_down": {"changes": 6, "period_s": 10, "hold_s": 30},
    "feeds": [
        {
            "switch": "sw1.pop1",
            "addresses": ["10.1.1.1"],
            "port": 7110,
            "interface": "eth0",
            "next_hops": [
                {"address": "203.0.113.1", "local": "10.1.1.11", "provider": "northtel", "circuit": 1, "macs": []}
            ],
        }
    ],
}


def test_feed_settings_are_read() -> None:
    """Addresses and MACs come out in one form, whatever they were written in."""
    settings = parse_feed(json.dumps(FEED).encode())
    assert (settings.switch, settings.port, settings.listen) == ("sw1.pop1", 7110, ("10.1.1.1", "fd00:1:1::1"))
    assert [hop.address for hop in settings.next_hops] == ["203.0.113.1", "2001:db8::1"]
    assert settings.next_hops[1].macs == {Mac("02:aa:00:00:00:01")}
    assert settings.hosts == {"h1.pop1": {"203.0.113.1"}}


def test_mirror_settings_are_read() -> None:
    """Feeds with their next hops, and the hold-down."""
    settings = parse_mirror(json.dumps(MIRROR).encode())
    (feed,) = settings.feeds
    assert (settings.host, feed.switch, feed.interface) == ("h1.pop1", "sw1.pop1", "eth0")
    assert (settings.hold_down.changes, settings.hold_down.period_s, settings.hold_down.hold_s) == (6, 10.0, 30.0)
    assert [(hop.address, hop.local) for hop in feed.next_hops] == [("203.0.113.1", "10.1.1.11")]


def put(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change of one member."""

    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        document[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put("version", value=2), "version: found 2, expected 1"),
        (put("version", value=True), "version: found true"),
        (put("switch", value=""), "switch: found an empty text"),
        (put("port", value=70000), "port: found 70000"),
        (put("port", value="7110"), 'port: found "7110", expected a whole number'),
        (put("listen", value=["here"]), 'listen: found "here", expected an IP address'),
        (put("next_hops", 0, "address", value="224.0.0.1"), "next_hops[0].address: found 224.0.0.1"),
        (put("next_hops", 0, "interface", value="../etc"), "next_hops[0].interface"),
        (put("next_hops", 0, "macs", value=["aa"]), 'next_hops[0].macs: found "aa", expected a MAC'),
        (put("next_hops", 1, "address", value="203.0.113.1"), "found 203.0.113.1 twice"),
        (put("next_hops", 1, value=7), "next_hops[1]: found 7, expected an object"),
        (put("hosts", "h1.pop1", value=["203.0.113.9"]), "hosts.h1.pop1: found 203.0.113.9"),
        (put("probe_s", value=0), "probe_s: found 0, expected a number from 0.1"),
        (put("metrics", value="here"), 'metrics: found "here", expected an absolute path'),
    ],
)
def test_wrong_feed_settings_are_refused(change: Callable[[dict[str, Any]], None], words: str) -> None:
    """Where, what was found, what was expected."""
    document = copy.deepcopy(FEED)
    change(document)
    with pytest.raises(SettingsError) as error:
        parse_feed(json.dumps(document).encode())
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put("feeds", 0, "addresses", value=[]), "feeds[0].addresses: found none"),
        (put("feeds", 0, "next_hops", 0, "local", value="fd00::1"), "expected the family of 203.0.113.1"),
        (put("feeds", value=[MIRROR["feeds"][0]] * 2), "feeds: switch: found sw1.pop1 twice"),
        (put("feeds", value=[MIRROR["feeds"][0], {**MIRROR["feeds"][0], "switch": "sw2"}]), "twice"),
        (put("hold_down", "changes", value=-1), "hold_down.changes: found -1"),
        (put("hold_down", value=[]), "hold_down: found [], expected an object"),
    ],
)
def test_wrong_mirror_settings_are_refused(change: Callable[[dict[str, Any]], None], words: str) -> None:
    """Where, what was found, what was expected."""
    document = copy.deepcopy(MIRROR)
    change(document)
    with pytest.raises(SettingsError) as error:
        parse_mirror(json.dumps(document).encode())
    assert words in str(error.value)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
members = st.sampled_from([*FEED, *MIRROR])


@given(members, values)
def test_any_value_is_taken_or_refused(member: str, value: Any) -> None:
    """No value of any member raises anything but SettingsError."""
    for parse, good in ((parse_feed, FEED), (parse_mirror, MIRROR)):
        try:
            parse(json.dumps({**good, member: value}).encode())
        except SettingsError:
            continue


@given(st.binary(max_size=100))
def test_garbage_is_refused(data: bytes) -> None:
    """What is no settings file is refused, not half used."""
    for parse in (parse_feed, parse_mirror):
        with pytest.raises(SettingsError):
            parse(data)
