"""Commands as operators type them, and errors as they read them."""

from __future__ import annotations

import pytest

from netorch.errors import ParseError, UsageError
from netorch.parse import SUPPORTED, parse_command
from netorch.parse.framing import ReplyError
from tests.parse.samples import Sample, load_samples

BY_NAME = {s.raw.name.removesuffix(".raw"): s for s in load_samples() if s.name.startswith("bird_2.0.12/")}
ALL: Sample = BY_NAME["protocols_all"]


@pytest.mark.parametrize("command", ["show ospf", "", "show", "show symbols", "configure", "show bfd"])
def test_unknown_command_names_those_that_are_known(command: str) -> None:
    """The error says what netorch can read."""
    with pytest.raises(UsageError) as raised:
        parse_command(command, ALL.text)
    assert all(known in raised.value.hint for known in SUPPORTED)


@pytest.mark.parametrize(
    "command", ["sh prot all", "birdc show protocols all", "birdc -v show protocols all", "s p all"]
)
def test_abbreviations_and_the_client_itself_are_understood(command: str) -> None:
    """What birdc understands, and what people paste."""
    assert parse_command(command, ALL.text) == parse_command("show protocols all", ALL.text)


def test_unexpected_line_is_shown_with_its_number() -> None:
    """The line that no rule knows can be found in the file."""
    lines = ALL.text.split("\n")
    at = lines.index("  BGP state:          Established")
    lines[at] = "  BGP mood:           Splendid"
    with pytest.raises(ParseError, match="found '  BGP mood:           Splendid'") as raised:
        parse_command("show protocols all", "\n".join(lines))
    assert raised.value.where == f"line {at + 1}"


def test_short_form_is_not_taken_for_the_long_one() -> None:
    """The two forms of a command look alike at first; each is refused where the other is expected."""
    with pytest.raises(ParseError, match="blocks end"):
        parse_command("show protocols all", BY_NAME["protocols"].text)
    with pytest.raises(ParseError, match="found details"):
        parse_command("show protocols", ALL.text)
    with pytest.raises(ParseError, match="its type is missing"):
        parse_command("show route all", BY_NAME["route_tables"].text)


def test_unknown_counters_are_not_guessed() -> None:
    """Other versions count other things: columns are known by their names, not by their places."""
    swapped = ALL.text.replace("received   rejected", "rejected   received")
    found = parse_command("show protocols all", swapped)[-1]["channels"][0]["updates"]["export_withdraws"]
    usual = parse_command("show protocols all", ALL.text)[-1]["channels"][0]["updates"]["export_withdraws"]
    assert (found["received"], found["rejected"]) == (usual["rejected"], usual["received"])
    with pytest.raises(ParseError, match="found also limited"):
        parse_command("show protocols all", ALL.text.replace("  ignored", "  limited"))


@pytest.mark.parametrize(
    ("before", "lines"),
    [
        ("  Created: ", "  Last autorestart:   2026-11-22 11:26:40\n"),
        (
            "    Send hold timer: ",
            "    TCP-AO:\n      Current key:    1\n      RNext key:      1\n"
            "      Good packets:   12\n      Bad packets:    0\n",
        ),
    ],
)
def test_lines_that_few_sessions_have_are_known(before: str, lines: str) -> None:
    """What BIRD 3 prints of sessions that it restarted, or that use TCP-AO, changes nothing else."""
    sample = next(s for s in load_samples() if s.name == "bird_3.1.7/protocols_all_one")
    text = "".join(line + (lines if line.startswith(before) else "") for line in sample.text.splitlines(keepends=True))
    assert lines in text
    assert parse_command(sample.command, text) == parse_command(sample.command, sample.text)


def test_wrong_totals_are_refused() -> None:
    """A table that got lost on the way shows in the total."""
    text = BY_NAME["route_count"].text
    without = "".join(line for line in text.splitlines(keepends=True) if "master6" not in line)
    with pytest.raises(ParseError, match="total"):
        parse_command("show route count", without)


def test_unknown_constant_is_an_error() -> None:
    """A daemon without the stamp refuses to evaluate it; this is not a stamp."""
    with pytest.raises(ReplyError, match="9001"):
        parse_command("eval NOPE", BY_NAME["eval_unknown.socket"].text)
    with pytest.raises(ParseError, match="syntax error"):
        parse_command("eval NOPE", BY_NAME["eval_unknown"].text)
