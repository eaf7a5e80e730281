"""Filters that lead values into a BIRD configuration."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.errors import RenderError
from netorch.model.sessions import SecretRef
from netorch.render.bird.quoting import (
    bird_address,
    bird_comment,
    bird_community,
    bird_number,
    bird_prefix,
    bird_secret,
    bird_string,
    bird_symbol,
    bird_text,
)


def test_plain_text_is_kept() -> None:
    """A description without anything special comes out as it is."""
    assert bird_text("Northtel NT-1 ü") == '"Northtel NT-1 ü"'
    assert bird_string("eth0.100") == '"eth0.100"'


def test_text_for_people_is_made_writable() -> None:
    """Quotes become single ones, line breaks and other control characters spaces."""
    assert bird_text('x"; } protocol static evil {\n\x1b[31m') == '"x\'; } protocol static evil {  [31m"'


@given(st.text())
def test_text_for_people_stays_inside_its_quotes(text: str) -> None:
    """Whatever the text is, it comes out as one quoted string of one line and 255 bytes at most."""
    quoted = bird_text(text)
    assert quoted[0] == quoted[-1] == '"'
    assert '"' not in quoted[1:-1]
    assert quoted.splitlines() == [quoted]
    assert len(quoted.encode()) <= 257
    assert quoted == bird_text(quoted[1:-1])


@given(st.text())
def test_exact_string_is_exact_or_refused(text: str) -> None:
    """A string is written as it is or not at all."""
    try:
        assert bird_string(text) == f'"{text}"'
    except RenderError:
        assert '"' in text or len(text.encode(errors="replace")) > 255 or not text.isprintable()


@given(st.text())
def test_comment_stays_on_its_line(text: str) -> None:
    """Whatever the text is, the comment ends where its line ends."""
    comment = bird_comment(text)
    assert "\n" not in comment
    assert len(f"# {comment}".splitlines()) == 1


def test_long_text_is_cut_between_characters() -> None:
    """255 bytes are kept, and no half of a character."""
    assert bird_text("ü" * 200) == f'"{"ü" * 127}"'
    with pytest.raises(RenderError, match="at most 255 bytes, found 400"):
        bird_string("ü" * 200)


@pytest.mark.parametrize(
    ("quote", "value", "written"),
    [
        (bird_symbol, "northtel_1_v4", "northtel_1_v4"),
        (bird_symbol, "x" * 63, "x" * 63),
        (bird_number, 0, "0"),
        (bird_number, 4294967295, "4294967295"),
        (bird_address, "2001:DB8::1", "2001:db8::1"),
        (bird_prefix, "192.0.2.0/24", "192.0.2.0/24"),
        (bird_community, (65535, 0), "(65535, 0)"),
        (bird_community, (64500, 1, 2), "(64500, 1, 2)"),
        (bird_secret, SecretRef("env", "X"), '"@secret:env:X@"'),
    ],
)
def test_values_are_written(quote: Callable[[object], str], value: object, written: str) -> None:
    """Each kind of value is written in BIRD's words."""
    assert quote(value) == written


@pytest.mark.parametrize(
    ("quote", "value"),
    [
        (bird_symbol, "x" * 64),
        (bird_symbol, "1st"),
        (bird_symbol, "a-b"),
        (bird_symbol, "a b"),
        (bird_symbol, "a\n"),
        (bird_symbol, ""),
        (bird_number, -1),
        (bird_number, 4294967296),
        (bird_number, True),
        (bird_number, "1; }"),
        (bird_address, "192.0.2.1/32"),
        (bird_address, "fe80::1%eth0"),
        (bird_address, "192.0.2.1; }"),
        (bird_prefix, "192.0.2.1/24"),
        (bird_community, (1,)),
        (bird_community, (1, -1)),
        (bird_secret, "hunter2"),
        (bird_string, 'a"b'),
        (bird_string, "a\nb"),
        (bird_string, "@stamp@"),
    ],
)
def test_values_that_cannot_be_written_are_refused(quote: Callable[[object], str], value: object) -> None:
    """A value that is not of its kind is an error, never text."""
    with pytest.raises(RenderError) as caught:
        quote(value)
    assert "hunter2" not in str(caught.value)
