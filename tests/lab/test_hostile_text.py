"""Hostile texts through the real deploy: they come out as text or are refused, and no protocol comes or goes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from netorch.model.types import Family
from tests.lab.deployed_pop import bgp_states
from tests.lab.hostile_circuits import (
    DESCRIBED,
    FILE,
    FIRST_ID,
    NAMED,
    STRINGS,
    SWITCH,
    aliases,
    batched,
    inventory,
    is_accepted,
    label,
    session,
    shown_by_bird,
)
from tests.lab.hostile_texts import unmarked, visible
from tests.lab.operator_shell import Said, cron_environment
from tests.lab.quick_lab import QuickLab, bird_file, protocol_names, quick_lab
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

CIRCUITS = 44

REASONS = {
    'x"; } protocol static evil { ipv4; route 0.0.0.0/0 blackhole; }\nprotocol static worse { ipv4; }': (
        "x'; } protocol static evil { ipv4; route 0.0.0.0/0 blackhole; } protocol static worse { ipv4; }"
    ),
    "@secret:env:HOME@ @stamp@ \\ {{ device }} $(reboot)`reboot` */ \x1b[2J\u202e" + "ü" * 200: (
        "@secret:env:HOME@ @stamp@ \\ {{ device }} $(reboot)`reboot` */ [2J " + "ü" * 200
    )
    .encode()[:128]
    .decode(errors="ignore"),
}
"""Reason to what the neighbour is told: one line, double quotes single, at most 128 bytes (RFC 8203)."""


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    with quick_lab(tmp_path_factory.mktemp("hostile"), inventory(CIRCUITS), name="hostile") as up:
        up.deploy("pop2")
        yield up


def rewrite(quick: QuickLab, descriptions: list[str], names: list[str]) -> None:
    """Other texts in the operator's inventory."""
    (quick.project.folder / "inventory" / FILE).write_text(inventory(CIRCUITS, descriptions, names)[FILE])


def test_there_are_a_hundred_of_either_kind() -> None:
    """Over a hundred strings go through the deploy as descriptions, and over a hundred are refused as names."""
    assert sum(is_accepted(DESCRIBED, text) for text in STRINGS) >= 100
    assert sum(not is_accepted(NAMED, text) for text in STRINGS) >= 100


def test_descriptions_come_out_as_text(quick: QuickLab) -> None:
    """Every description that the inventory takes is the text of BIRD's description and of the port's alias, word by word."""
    before = protocol_names(quick.lab, SWITCH)
    states = bgp_states(quick.lab, SWITCH)
    accepted = [text for text in STRINGS if is_accepted(DESCRIBED, text)]
    for batch in batched(accepted, CIRCUITS):
        rewrite(quick, batch, [])
        quick.project("deploy", SWITCH, "--yes", "--reason", batch[0])
        wanted = {number: label(number, text) for number, text in enumerate(batch)}
        found, shown = aliases(quick.lab), shown_by_bird(quick.lab)
        assert {number: found[f"p{number}"] for number in wanted} == wanted
        sessions = {number: session(number) for number in wanted}
        assert {number: shown[session] for number, session in sessions.items()} == {
            # netorch's own marks must not be taken for such in a configuration: a space breaks them.
            number: unmarked(text)
            for number, text in wanted.items()
        }
        assert protocol_names(quick.lab, SWITCH) == before
        assert bgp_states(quick.lab, SWITCH) == states


def test_descriptions_that_cannot_be_text_are_refused(quick: QuickLab) -> None:
    """The rest is refused all at once, each with its place in the file; nothing reaches the device."""
    refused = [text for text in STRINGS if not is_accepted(DESCRIBED, text)]
    assert len(refused) <= CIRCUITS, "they fit into one inventory"
    before = bird_file(quick.lab, SWITCH)
    rewrite(quick, refused, [])
    said = quick.project("deploy", SWITCH, "--yes", code=1)
    for number in range(len(refused)):
        assert f"circuits[{number}].description: expected a text" in said.err
    assert bird_file(quick.lab, SWITCH) == before


def test_names_that_are_no_names_are_refused(quick: QuickLab) -> None:
    """A hundred names are findings with file, line and column; none reaches a configuration."""
    names = [text for text in STRINGS if not is_accepted(NAMED, text)]
    for batch in batched(names, CIRCUITS):
        rewrite(quick, [], batch)
        said: Said = quick.project("validate", "--format", "json", code=1)
        found = [json.dumps(finding) for finding in said.document["problems"]]
        for number in range(len(batch)):
            assert any(f"circuits[{number}].name" in finding for finding in found), batch[number]
    quick.project("deploy", SWITCH, "--yes", code=1)


def test_names_that_look_like_words_of_other_languages(quick: QuickLab) -> None:
    """Names such as ``protocol``, ``via``, ``null`` or ``0x1f`` are names: deployed, in labels, and to be drained by."""
    before = protocol_names(quick.lab, SWITCH)
    names = [text for text in STRINGS if is_accepted(NAMED, text)]
    assert {"protocol", "dev", "null"} <= set(names)
    rewrite(quick, [], names)
    quick.project("deploy", SWITCH, "--yes")
    assert protocol_names(quick.lab, SWITCH) == before
    found = aliases(quick.lab)
    for number, name in enumerate(names):
        assert found[f"p{number}"].endswith(f"circuit {FIRST_ID + number} ({name})")
    said = quick.project("drain", "circuit", "protocol", "--check")
    assert "drain/circuit/protocol@pop2" in said.out


def test_reasons_reach_the_neighbour_as_text(quick: QuickLab) -> None:
    """The provider shows each reason as one line of its own; authors and reasons are listed as one line each."""
    lab, project = quick.lab, quick.project
    rewrite(quick, [], [])
    project("deploy", SWITCH, "--yes")
    before = protocol_names(lab, SWITCH)
    author = {**cron_environment(), "LOGNAME": 'ann"; } protocol'}
    for number, (reason, told) in enumerate(REASONS.items()):
        project("drain", f"line-{number}", "--reason", reason, "--wait", "0s", environment=author)
        circuit = next(c for c in lab.inventory.circuits if c.name == f"line-{number}")
        text = lab.run(
            circuit.provider, "birdc", "show", "protocols", "all", f"circuit{circuit.id}_{Family.IPV4.number}"
        )
        (line,) = (line for line in text.splitlines() if line.strip().startswith("Message:"))
        assert line.split(":", 1)[1].strip() == told.strip()
        assert protocol_names(lab, SWITCH) == before
    rows = project("drains", "-o", "json").document[0]["rows"]
    assert [row["reason"] for row in rows] == [visible(reason) for reason in REASONS]
    assert all(row["author"].startswith('ann"; } protocol@') for row in rows)
    assert not set("\x1b\u202e") & set(project("drains").out), "what somebody typed steers no terminal"
    wait_until(
        lambda: list(bgp_states(lab, SWITCH).values()).count("Established") > CIRCUITS - 3,
        timeout_s=20,
        what="others stay",
    )
