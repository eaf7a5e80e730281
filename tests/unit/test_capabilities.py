"""What versions of the daemons can, and a device whose version is not the inventory's."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from netorch.errors import DeviceError
from netorch.model.capabilities import RELEASES, capabilities_of, is_release, parse_version
from netorch.model.facts import DeviceFacts
from netorch.model.intent import DeviceIntent
from netorch.plan.versions import refuse_other_version
from netorch.render.daemons import DIALECTS
from netorch.testing import fake_facts, small_intent

HOST = "h1.pop1"
SAMPLES = Path(__file__).parents[1] / "parse" / "samples"


def on(version: str | None) -> tuple[DeviceIntent, DeviceFacts]:
    """A host that is to run BIRD 2.0.12, and runs ``version``."""
    facts = fake_facts(HOST)
    return small_intent().device(HOST), replace(facts, daemon=replace(facts.daemon, version=version))


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("2.0.12", (2, 0, 12)),
        ("8.4.4-1.1~deb12u1", (8, 4, 4)),
        ("3.1", (3, 1)),
        ("10.3rc1", (10, 3)),
        ("", ()),
        ("x", ()),
    ],
)
def test_version_is_what_numbers_it_begins_with(text: str, version: tuple[int, ...]) -> None:
    """What a distribution adds is no part of it."""
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("version", "release", "is_one"),
    [
        ("2.17.5", "2.17", True),
        ("2.17", "2.17", True),
        ("2.1", "2.17", False),
        ("2.0.1", "2.0.12", False),
        ("x", "x", False),
    ],
)
def test_release_stands_for_the_versions_that_begin_with_it(version: str, release: str, is_one: bool) -> None:
    """Number by number, never digit by digit."""
    assert is_release(version, release) is is_one


def test_releases_do_not_overlap() -> None:
    """Whichever comes first in the table, a version has one answer."""
    pairs = [(one, other) for one in RELEASES for other in RELEASES if one is not other and one.daemon == other.daemon]
    assert pairs
    assert not [pair for pair in pairs if is_release(pair[0].release, pair[1].release)]


@pytest.mark.parametrize("folder", sorted(SAMPLES.glob("bird_*")), ids=lambda folder: folder.name)
def test_output_is_as_the_table_says(folder: Path) -> None:
    """What a release prints was taken from that release."""
    can = capabilities_of("bird", folder.name.removeprefix("bird_"))
    assert can is not None
    printed = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.raw")))
    heads = {re.sub(r"RX limit", "rx_limit", line) for line in re.findall(r"Route change stats: (.*)", printed)}
    assert max(len(head.split()) for head in heads) == can.statistics_columns
    assert ("BGP.as_path" in printed, "bgp_path" in printed) == (not can.internal_attributes, can.internal_attributes)


def test_whatever_has_templates_can_be_written() -> None:
    """A release that the inventory accepts is of a daemon that rendering knows."""
    assert {known.daemon for known in RELEASES if known.has_templates} <= DIALECTS.keys()


@pytest.mark.parametrize("version", ["2.0.12", "2.0.12-7"])
def test_device_with_the_inventorys_version_is_planned(version: str) -> None:
    """Nothing is raised."""
    refuse_other_version(*on(version))


@pytest.mark.parametrize(
    ("version", "finding", "way_out"),
    [
        ("2.0.7", "expected bird 2.0.12, as the inventory says, found 2.0.7", "no templates for bird 2.0.7"),
        ("2.17.5", "expected bird 2.0.12, as the inventory says, found 2.17.5", f"write version: '2.17' for {HOST}"),
        ("3.1.7", "expected bird 2.0.12, as the inventory says, found 3.1.7", "no templates for bird 3.1.7 on a host"),
        (
            None,
            "expected bird 2.0.12, found none that tells its release",
            "not installed, or `bird --version` gives no answer",
        ),
    ],
)
def test_device_with_another_version_is_left_alone(version: str | None, finding: str, way_out: str) -> None:
    """The error says where, what was found, what was expected, and the way out: the device's, or the inventory's."""
    with pytest.raises(DeviceError) as caught:
        refuse_other_version(*on(version))
    assert (caught.value.where, caught.value.message) == (HOST, finding)
    assert way_out in caught.value.hint
