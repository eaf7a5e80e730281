"""Rows of the templates: the same as TextFSM's own, and one thread does not disturb the other."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from textfsm import TextFSM

from netorch.data import data_text
from netorch.parse import parse_command, read_reply
from netorch.parse.textfsm_rows import elements, parse_rows
from tests.parse.samples import Sample, load_samples

READABLE = [
    sample
    for sample in load_samples()
    if sample.name.startswith("bird_")
    and sample.error is None
    and not sample.command.startswith("eval")
    and sample.expected != []
]


def template_of(sample: Sample) -> str:
    words = [word for word in ("protocols", "route", "count", "status", "memory", "interfaces", "summary", "bfd sessions",
                               "ospf neighbors", "rip neighbors")
             if word in sample.command]  # fmt: skip
    return f"bird_show_{'_'.join(words).replace(' ', '_')}"


@pytest.mark.parametrize("sample", READABLE, ids=lambda sample: sample.name)
def test_rows_are_those_of_textfsm_itself(sample: Sample) -> None:
    """Records are kept in another way than TextFSM does it, but they say the same."""
    reply = read_reply(sample.text)
    plain = TextFSM(io.StringIO(data_text(f"templates/textfsm/{template_of(sample)}.textfsm")))
    expected = plain.ParseTextToDicts("\n".join(reply.lines) + "\n")
    rows = parse_rows(template_of(sample), reply)
    assert len(rows) == len(expected) > 0
    for row, full in zip(rows, expected, strict=True):
        found: dict[str, Any] = {
            name: list(elements(row, name)) if isinstance(value, list) else row.get(name, "")
            for name, value in full.items()
        }
        assert found == full


def test_threads_do_not_disturb_each_other() -> None:
    """Many devices are read at once; each thread has machines of its own."""
    samples = [s for s in READABLE if s.command.startswith("show protocols")] * 4
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda sample: parse_command(sample.command, sample.text), samples))
    assert together == [parse_command(sample.command, sample.text) for sample in samples]


def test_a_failed_run_leaves_nothing_behind() -> None:
    """After an error the next text is read as if nothing had been."""
    sample = next(s for s in READABLE if s.name.endswith("/route_all"))
    with pytest.raises(Exception, match="unexpected line"):
        parse_command(sample.command, sample.text + "?\n")
    assert parse_command(sample.command, "BIRD 2.0.12 ready.\n") == []
    assert len(parse_command(sample.command, sample.text)) == len(sample.expected)
