"""Strings that others choose (descriptions, shutdown messages, host names) stay strings."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from netorch.errors import NetorchError, ParseError
from netorch.parse import parse_command, parse_protocols
from tests.parse.samples import Sample, load_samples

ONE = next(sample for sample in load_samples() if sample.name.endswith("/protocols_all_one"))
DESCRIPTION = "Transit One, 10G; circuit #1001 -- 'primary'"
HOST_NAME = "edge1.transit.example"
LINE_BREAKS = "\x0b\x0c\r\x1c\x1d\x1e\x85\u2028\u2029"

# BIRD refuses line feeds in strings and turns those of a neighbour into spaces.
hostile = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=80) | st.sampled_from(
    [f"x{separator}{line}" for separator in LINE_BREAKS for line in (
        "  BGP state:          Established", "evil       BGP        ---        up     10:00:00.000  Established",
        "  Channel ipv4", "0000 ", "    Neighbor AS:      1", "",
    )]
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(text=hostile)
@example(text="x\u2028\u2028evil2     Static     ---        up     10:00:00.000  ")
@example(text="0000 ")
@example(text="bird> ")
def test_description_changes_nothing_but_the_description(text: str) -> None:
    """Whatever a description says, the other values and the set of protocols are the same."""
    (usual,) = parse_protocols(ONE.text)
    (found,) = parse_protocols(ONE.text.replace(DESCRIPTION, text))
    escaped = "".join(repr(c)[1:-1] if c in LINE_BREAKS and c != "\r" else "\\x0d" if c == "\r" else c for c in text)
    assert (found.description or "").strip() in (escaped.strip(), escaped.removesuffix("\\x0d").strip())
    assert {**vars(found), "description": None} == {**vars(usual), "description": None}


@settings(deadline=None, max_examples=300)
@given(text=hostile)
def test_neighbours_host_name_changes_nothing(text: str) -> None:
    """A neighbour chooses its host name."""
    assert parse_protocols(ONE.text.replace(HOST_NAME, text)) == parse_protocols(ONE.text)


@settings(deadline=None, max_examples=300)
@given(
    text=st.text(
        st.sampled_from("B0123- \n\tNameProtabcil:[]()%.{}\r>?") | st.characters(exclude_categories=["Cs"]),
        max_size=300,
    )
)
@example(text="BIRD 2.0.12 ready.\nName       Proto      Table      State  Since         Info\n\n")
@example(text="0001 BIRD 2.0.12 ready.\n0000 \n")
def test_any_text_is_read_or_refused(text: str) -> None:
    """Garbage ends in an error of netorch or in no protocols, never in another exception."""
    try:
        parse_protocols(text)
    except ParseError:
        return


@pytest.mark.parametrize("sample", [s for s in load_samples() if s.error is None], ids=lambda sample: sample.name)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_damaged_output_is_read_or_refused(sample: Sample, data: st.DataObject) -> None:
    """A character lost, added or changed ends in an error of netorch or in a result, never in another exception."""
    at = data.draw(st.integers(0, len(sample.text) - 1))
    length = data.draw(st.integers(0, 2))
    put = data.draw(st.sampled_from(["", "x", "-", " ", "\n", "\t", "9", ".", ":", "/", "(", "%", "\u0663"]))
    try:
        parse_command(sample.command, sample.text[:at] + put + sample.text[at + length :])
    except NetorchError:
        return
