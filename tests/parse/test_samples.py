"""What every sample means, and what holds for all of them."""

from __future__ import annotations

import re
from typing import Any, Iterable, Iterator

import pytest

from netorch.data import data_files, data_text
from netorch.parse import parse_command
from tests.parse.line_machine import Section, read_blocks
from tests.parse.samples import Sample, load_samples, outcome

SAMPLES = load_samples()
READABLE = [sample for sample in SAMPLES if sample.error is None]
PROTOCOLS = [s for s in READABLE if s.command.startswith("show protocols all") and not s.coded]

# Whose sample is whose: a template without one is not tested.
TEMPLATE_OF = {
    "show protocols": "bird_show_protocols",
    "show route": "bird_show_route",
    "show route count": "bird_show_route_count",
    "show status": "bird_show_status",
    "show memory": "bird_show_memory",
    "show interfaces": "bird_show_interfaces",
    "show interfaces summary": "bird_show_interfaces_summary",
    "show bfd sessions": "bird_show_bfd_sessions",
    "show ospf neighbors ospf_v4": "bird_show_ospf_neighbors",
    "show rip neighbors rip_v4": "bird_show_rip_neighbors",
}


def name_of(sample: Sample) -> str:
    return sample.name


def members(value: Any) -> Iterator[Any]:
    """``value`` and everything in it."""
    yield value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        yield from members(child)


@pytest.mark.parametrize("sample", SAMPLES, ids=name_of)
def test_sample_means_what_its_json_says(sample: Sample) -> None:
    """Every sample yields exactly what people read in it, or exactly that error."""
    found = outcome(sample.command, sample.text)
    assert (found.get("result"), found.get("error")) == (sample.expected, sample.error)


@pytest.mark.parametrize("sample", READABLE, ids=name_of)
def test_absent_is_null_and_numbers_are_sane(sample: Sample) -> None:
    """No empty string, no negative number, no dashes; objects of one list have the same keys."""
    result = parse_command(sample.command, sample.text)
    for member in members(result):
        assert member not in ("", "---")
        if isinstance(member, (int, float)):
            assert member >= 0
        if isinstance(member, list):
            assert len({tuple(element) for element in member if isinstance(element, dict)}) <= 1


@pytest.mark.parametrize("sample", PROTOCOLS, ids=name_of)
def test_protocols_agree_with_a_second_reader(sample: Sample) -> None:
    """Every protocol and channel once and in order, with the values that a reader of another make finds."""
    blocks = read_blocks(sample.text)
    protocols = parse_command(sample.command, sample.text)
    assert [p["name"] for p in protocols] == [block[0]["name"] for block in blocks]
    for protocol, (head, *channels) in zip(protocols, blocks, strict=True):
        assert protocol["protocol"] == head["protocol"]
        agree(protocol, head, PROTOCOL_LINES)
        assert [c["family"] for c in protocol["channels"]] == [c["family"] for c in channels]
        for channel, section in zip(protocol["channels"], channels, strict=True):
            agree(channel, section, CHANNEL_LINES)
            counted = channel["updates"] or {}
            assert bool(counted) == ("Import updates" in section)
            for row, counts in counted.items():
                columns = re.split(r"\s{2,}", section["Route change stats"])
                values = section[row.replace("_", " ").capitalize()].split()
                assert counts == sums(zip(columns, values, strict=True))


def sums(cells: Iterable[tuple[str, str]]) -> dict[str, int | None]:
    """What the columns say; those of limits, which only BIRD 3 has, belong to the ignored ones."""
    found: dict[str, int | None] = dict.fromkeys(("received", "rejected", "filtered", "ignored", "accepted"))
    for column, text in cells:
        name = "ignored" if column.endswith("limit") else column
        if text != "---":
            found[name] = (found[name] or 0) + int(text)
    return found


PROTOCOL_LINES = {
    "description": "Description",
    "message": "Message",
    "router_id": "Router ID",
    "vrf": "VRF",
    "bgp_state": "BGP state",
    "neighbor_address": "Neighbor address",
    "neighbor_range": "Neighbor range",
    "neighbor_asn": "Neighbor AS",
    "local_asn": "Local AS",
    "neighbor_id": "Neighbor ID",
    "source_address": "Source address",
    "last_error": "Last error",
}
CHANNEL_LINES = {
    "state": "State",
    "table": "Table",
    "peer_table": "Peer table",
    "preference": "Preference",
    "base_table": "Base table",
    "igp_table_ipv4": "IGP IPv4 table",
    "import_state": "Import state",
    "export_state": "Export state",
}


def agree(found: dict[str, Any], section: Section, lines: dict[str, str]) -> None:
    """Each field of ``lines`` has the text of its line, and is null without one."""
    expected = {field: escaped(section[line]) if line in section else None for field, line in lines.items()}
    assert {field: None if found[field] is None else str(found[field]) for field in lines} == expected


def escaped(text: str) -> str:
    """Characters that some take for line breaks stand as escapes in the result."""
    return text.replace("\u2028", "\\u2028").replace("\x85", "\\x85")


def test_samples_show_every_state() -> None:
    """The states that operators meet are all among the samples, so that none is parsed by luck."""
    protocols = [p for s in PROTOCOLS for p in parse_command(s.command, s.text)]
    channels = [c for p in protocols for c in p["channels"]]
    bgp_states = {p["bgp_state"] for p in protocols}
    assert bgp_states == {
        None, "Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established", "Passive", "Down"
    }  # fmt: skip
    assert {p["state"] for p in protocols} == {"up", "start", "down"}
    assert {c["state"] for c in channels} >= {"UP", "START", "DOWN", None}
    assert {c["import_limit_action"] for c in channels} == {None, "block", "restart", "disable"}
    assert {c["import_limit_hit"] for c in channels} == {None, True, False}
    errors = {p["last_error"].split(":")[0] for p in protocols if p["last_error"]}
    assert errors == {"Received", "BGP Error", "Socket", "Error", "Automatic shutdown"}
    assert any(p["message"] for p in protocols if p["state"] == "down")
    assert any(p["message"] for p in protocols if p["last_error"] == "Received: Administrative shutdown")
    assert any(str(p["neighbor_address"]).startswith("fe80::") for p in protocols)
    assert any(len(p["channels"]) == 3 for p in protocols)
    assert any("-" in p["name"] for p in protocols)


@pytest.mark.parametrize("daemon", ["bird_2.0.12", "bird_2.17.5", "bird_3.1.7", "frr_8.4.4", "frr_10.3"])
def test_every_version_was_seen_in_every_state(daemon: str) -> None:
    """What one version was seen in, every other was, too: sessions in all states, limits that were hit, stale routes."""
    protocols = [
        protocol
        for sample in READABLE
        if sample.raw.parent.name == daemon and ("protocols all" in sample.command or "neighbors" in sample.command)
        for protocol in parse_command(sample.command, sample.text)
    ]
    states = {p["bgp_state"] for p in protocols} - {None}
    assert states == {"Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established", "Passive", "Down"}
    assert {p["state"] for p in protocols} == {"up", "start", "down"}
    assert {c["import_limit_hit"] for p in protocols for c in p["channels"]} == {None, True, False}
    assert {True, False} <= {p["neighbor_graceful_restart"] for p in protocols}
    assert any(p["message"] for p in protocols)


def test_every_template_ends_each_state_with_error() -> None:
    """An unknown line is never skipped: each state's last rule refuses it."""
    for path in data_files("templates/textfsm"):
        states = re.split(r"\n(?=\w+\n  \^)", data_text(path))[1:]
        assert states, path
        for state in states:
            rules = [line for line in state.split("\n") if line.startswith("  ^")]
            assert rules[-1] == "  ^. -> Error", f"{path}: {state.splitlines()[0]}"


@pytest.mark.parametrize(
    "daemon", sorted({s.raw.parent.name for s in SAMPLES if s.raw.parent.name.startswith("bird_")})
)
def test_every_version_has_a_sample_of_every_command(daemon: str) -> None:
    """No version of BIRD is read by luck: each template has met each version's output."""
    commands = {s.command for s in READABLE if s.raw.parent.name == daemon}
    assert commands >= {*TEMPLATE_OF, "show protocols all", "show route all table master6"}


def test_every_template_has_a_sample() -> None:
    """Each template reads at least one sample, and there is none that nobody asks for."""
    commands = {re.sub(r" (all|one)\b.*", "", s.command) for s in READABLE}
    read = {template for command, template in TEMPLATE_OF.items() if command in commands}
    assert {path.rsplit("/", 1)[1] for path in data_files("templates/textfsm")} == {f"{name}.textfsm" for name in read}
