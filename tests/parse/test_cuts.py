"""An answer that was cut is never taken for a short one."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netorch.errors import NetorchError
from netorch.parse import parse_command
from tests.parse.samples import Sample, load_samples

READABLE = [sample for sample in load_samples() if sample.error is None]
CODED = [sample for sample in READABLE if sample.coded]
PLAIN = [sample for sample in READABLE if not sample.coded and sample.name.startswith("bird_")]
FINAL = re.compile(r"(?:bird> \r\x1b\[K)*(?!0001)\d{4} ")
# Plain text cannot tell how many attributes, next hops or addresses follow: the last element may then lack some of them.
OPEN_ENDED = {"next_hops", "addresses", "bgp", "attributes"}


def name_of(sample: Sample) -> str:
    return sample.name


def line_cuts(text: str) -> list[int]:
    """The offsets behind each line but the last."""
    return [offset + 1 for offset, character in enumerate(text[:-1]) if character == "\n"]


def read(sample: Sample, length: int) -> Any:
    """The result of the first ``length`` characters, None where they are refused."""
    try:
        return parse_command(sample.command, sample.text[:length])
    except NetorchError:
        return None


@pytest.mark.parametrize("sample", CODED, ids=name_of)
def test_coded_reply_cut_behind_any_line_is_refused(sample: Sample) -> None:
    """With reply codes a cut behind any line is an error; only what follows the final code may be missing."""
    whole = parse_command(sample.command, sample.text)
    results = [read(sample, cut) for cut in line_cuts(sample.text)]
    assert [result for result in results if result is not None and result != whole] == []
    final = next(n for n, line in enumerate(sample.text.split("\n")) if FINAL.match(line))
    assert results[:final] == [None] * final


@pytest.mark.parametrize("sample", CODED, ids=name_of)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_coded_reply_cut_at_any_character_is_refused(sample: Sample, data: st.DataObject) -> None:
    """With reply codes a cut inside any line is an error, too."""
    length = data.draw(st.integers(0, len(sample.text) - 1))
    assert read(sample, length) in (None, parse_command(sample.command, sample.text))


def is_prefix(part: Any, whole: Any) -> bool:
    """Whether ``part`` begins ``whole``, apart from what the last element may lack."""
    if not isinstance(whole, list):
        return bool(part == whole)
    if len(part) > len(whole):
        return False
    pairs = [(short, full) for short, full in zip(part, whole, strict=False) if short != full]
    if not pairs:
        return True
    short, full = pairs[0]
    return short is part[-1] and all(short[key] == full[key] for key in full if key not in OPEN_ENDED)


@pytest.mark.parametrize("sample", PLAIN, ids=name_of)
def test_plain_output_cut_behind_a_line_is_refused_or_a_prefix(sample: Sample) -> None:
    """Plain text cut behind a line raises, or yields the first elements of the whole, each of them right."""
    whole = parse_command(sample.command, sample.text)
    for cut in line_cuts(sample.text):
        part = read(sample, cut)
        assert part is None or is_prefix(part, whole), sample.text[:cut][-200:]


@pytest.mark.parametrize("sample", [s for s in PLAIN if s.command.startswith("show protocols all")], ids=name_of)
def test_protocols_cut_inside_a_block_are_refused(sample: Sample) -> None:
    """The long form is accepted at the ends of blocks only, and then has exactly the blocks that are there."""
    whole = parse_command(sample.command, sample.text)
    for cut in line_cuts(sample.text):
        text = sample.text[:cut]
        blocks = text.count("\n\n")
        complete = text.endswith("\n\n") or text.count("\n") <= 2
        assert read(sample, cut) == (whole[:blocks] if complete else None), text[-200:]


@pytest.mark.parametrize("sample", PLAIN, ids=name_of)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_plain_output_cut_inside_a_line_is_refused(sample: Sample, data: st.DataObject) -> None:
    """A text that does not end with a line break was cut."""
    length = data.draw(st.integers(0, len(sample.text) - 1).filter(lambda at: sample.text[at - 1 : at] != "\n"))
    assert read(sample, length) is None


@pytest.mark.parametrize("sample", PLAIN, ids=name_of)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_output_with_a_hole_never_crashes(sample: Sample, data: st.DataObject) -> None:
    """Lines lost in the middle end in an error of netorch or in fewer elements, never in a traceback."""
    lines = sample.text.split("\n")
    start = data.draw(st.integers(0, len(lines)))
    end = data.draw(st.integers(start, len(lines)))
    text = "\n".join(lines[:start] + lines[end:])
    try:
        result = parse_command(sample.command, text)
    except NetorchError:
        return
    whole = parse_command(sample.command, sample.text)
    assert not isinstance(whole, list) or len(result) <= len(whole)
