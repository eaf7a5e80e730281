"""Reply codes: the three forms of one answer, errors, and what is not an answer."""

from __future__ import annotations

import pytest

from netorch.errors import ParseError
from netorch.parse import ReplyError, parse_command, read_reply
from tests.parse.samples import load_samples

BANNER = "0001 BIRD 2.0.12 ready.\n"
BY_NAME = {sample.name: sample for sample in load_samples()}
STEADY = ("route_all", "route_all_static", "route_count", "interfaces", "route_not_found", "eval_string")
MORE = ("protocols", "route_all_prefix", "route_none", "interfaces_summary", "bfd_sessions", "memory")


@pytest.mark.parametrize(
    "name",
    [f"{daemon}/{name}" for daemon in ("bird_2.0.12", "bird_2.17.5", "bird_3.1.7") for name in STEADY]
    + [f"bird_2.0.12/{name}" for name in MORE],
)
def test_plain_socket_and_verbose_forms_mean_the_same(name: str) -> None:
    """Codes change nothing of the result. Only samples without running timers are the same in all forms."""
    forms = [BY_NAME[form] for form in (name, f"{name}.socket", f"{name}.verbose") if form in BY_NAME]
    results = [parse_command(form.command, form.text) for form in forms]
    assert len(results) > 1
    assert results == [results[0]] * len(results)


def test_verbose_output_without_final_code_is_refused() -> None:
    """birdc -v prints no line for code 0000; without the answer to a further command the reply may be cut."""
    with pytest.raises(ParseError, match="before the final reply code") as raised:
        read_reply(BANNER + "2002-Name\n1002-device1\n     static1\n")
    assert "eval 0" in raised.value.hint


def test_answer_to_eval_ends_a_verbose_reply() -> None:
    """The answer to a following eval proves that the reply is whole, and is no part of it."""
    reply = read_reply(BANNER + "2002-Name\n1002-device1\n     static1\n0023 0\n")
    assert (reply.lines, reply.code) == (("Name", "device1", "static1"), 0)


def test_prompts_are_taken_off() -> None:
    """birdc takes its prompts back, birdcl leaves them with the command behind them."""
    cleared = "bird> \r\x1b[K" + BANNER + "bird> \r\x1b[K1002-device1\nbird> \r\x1b[K0023 0\nbird> \r\x1b[K"
    left = BANNER + "bird> show protocols\n1002-device1\nbird> eval 0\n0023 0\nbird> \n"
    assert read_reply(cleared).lines == read_reply(left).lines == ("device1",)


def test_final_text_is_part_of_the_reply() -> None:
    """A final code other than 0000 carries text, such as the total of show route count."""
    reply = read_reply(BANNER + "1007-1 of 1\n0014 Total: 1\n")
    assert (reply.lines, reply.code) == (("1 of 1", "Total: 1"), 14)


def test_restricted_client_is_understood() -> None:
    """birdc -r says so before the answer."""
    assert read_reply(BANNER + "0016 Access restricted\n1000-BIRD\n0013 up\n").lines == ("BIRD", "up")
    assert read_reply("BIRD 2.0.12 ready.\nAccess restricted\nBIRD 2.0.12\n").lines == ("BIRD 2.0.12",)


@pytest.mark.parametrize(("code", "text"), [(8003, "No protocols match"), (9001, "syntax error, unexpected END")])
def test_errors_carry_code_and_text(code: int, text: str) -> None:
    """What BIRD refuses is an error with its number and its own words."""
    with pytest.raises(ReplyError, match=text) as raised:
        read_reply(f"{BANNER}{code} {text}\n")
    assert (raised.value.code, raised.value.text) == (code, text)


def test_error_after_output_is_an_error() -> None:
    """An answer that BIRD broke off is not taken for a short one."""
    with pytest.raises(ReplyError) as raised:
        read_reply(BANNER + "1007-Table master4:\n8004 Stopped due to reconfiguration\n")
    assert raised.value.code == 8004


@pytest.mark.parametrize("text", ["", "\n", " \n"])
def test_nothing_is_no_answer(text: str) -> None:
    """An empty text is what a dead connection leaves, not an empty list."""
    with pytest.raises(ParseError, match="no output at all"):
        read_reply(text)


def test_two_answers_are_refused() -> None:
    """Answers of several commands in one text would be taken for one."""
    with pytest.raises(ParseError, match="one reply") as raised:
        read_reply(BANNER + "1002-device1\n0000 \n1002-device1\n0000 \n")
    assert raised.value.where == "line 3"


def test_line_without_code_is_refused() -> None:
    """Among coded lines, a line without a code is not the daemon's."""
    with pytest.raises(ParseError, match="expected a reply code, found 'bash: oops'") as raised:
        read_reply(BANNER + "1002-device1\nbash: oops\n0000 \n")
    assert raised.value.where == "line 3"


def test_windows_line_ends_are_accepted() -> None:
    """A text that went through a mail program is still readable."""
    assert read_reply("BIRD 2.0.12 ready.\r\nBIRD 2.0.12\r\n").lines == ("BIRD 2.0.12",)
