"""Values on their way into an FRR configuration."""

from __future__ import annotations

import re
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.errors import RenderError
from netorch.model.bogons import BOGON_ASNS, AsnRange
from netorch.model.sessions import SecretRef
from netorch.render.frr.patterns import frr_asn_patterns
from netorch.render.frr.quoting import (
    expected_secret,
    frr_communities,
    frr_inside,
    frr_large_communities,
    frr_range,
    frr_secret,
    frr_text,
    frr_word,
)

ASN = st.integers(0, 0xFFFFFFFF)


def finds(patterns: tuple[str, ...], path: str) -> bool:
    """Whether one of FRR's expressions finds something in an AS path. Source: bgpd/bgp_regex.c."""
    return any(re.search(pattern.replace("_", "(?:^|[,{}() ]|$)"), path) for pattern in patterns)


@given(ends=st.tuples(ASN, ASN).map(sorted), number=ASN)
def test_range_is_found_exactly(ends: list[int], number: int) -> None:
    """The expressions of a range find its numbers, both ends included, and no others."""
    first, last = ends
    patterns = frr_asn_patterns((AsnRange(first, last, ""),))
    assert finds(patterns, f"1 {first} 2") == finds(patterns, str(last)) is True
    for one in (number, first - 1, last + 1):
        if 0 <= one <= 0xFFFFFFFF:
            assert finds(patterns, f"{{{one}}}") == (first <= one <= last)


def test_bogon_numbers_are_few_expressions() -> None:
    """Each costs time for every route: neighbouring ranges are one, and no expression holds what vtysh takes for a pipe."""
    patterns = frr_asn_patterns(BOGON_ASNS)
    assert len(patterns) <= 18
    assert "|" not in "".join(patterns)
    assert [
        n for n in (0, 23456, 64512, 65535, 65552, 131071, 4200000000, 4294967295) if not finds(patterns, f"3000 {n}")
    ] == []
    assert [
        n for n in (1, 64496, 64511, 65536, 65551, 131072, 4199999999, 234560) if finds(patterns, f"3000 {n} 3001")
    ] == []


@given(st.text())
def test_text_is_the_rest_of_one_line(text: str) -> None:
    """Whatever goes in: one line of at most 255 bytes, without vtysh's pipe, which FRR and frr-reload leave as it is."""
    found = frr_text(text)
    assert len(found.encode()) <= 255
    assert found == " ".join(found.split()) == frr_text(found)
    assert "|" not in found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Northtel, circuit 1", "Northtel, circuit 1"),
        ("a\nno router bgp 1", "a no router bgp 1"),
        ("a | b||c", "a / b//c"),
        ("x neighbor 1.2.3.4 remote-as 5", "x NEIGHBOR 1.2.3.4 REMOTE-AS 5"),
        ("2001:DB8::1 and 2001:db8::1", "(2001:DB8::1) and 2001:db8::1"),
        ("2001:db8::1/64", "(2001:db8::1/64)"),
        ("::ffff:192.0.2.1", "(::ffff:192.0.2.1)"),
        ("@stamp@ @secret:env:HOME@", "@ stamp@ @ secret:env:HOME@"),
        ("", ""),
    ],
)
def test_text_is_kept_where_it_can_be(text: str, found: str) -> None:
    """What FRR, vtysh or frr-reload would take for something else is changed, and nothing else."""
    assert frr_text(text) == found


@pytest.mark.parametrize("word", ["", "two words", "a|b", "!x", "#x", "x\n", "-x", "ü", "x" * 64, "a?b"])
def test_word_is_refused(word: str) -> None:
    """A name that is not one word of FRR's."""
    with pytest.raises(RenderError):
        frr_word(word)


def test_prefixes() -> None:
    """In the form in which FRR shows prefix lists."""
    assert frr_inside(ip_network("10.0.0.0/8")) == "10.0.0.0/8 le 32"
    assert frr_inside(ip_network("192.0.2.1/32")) == "192.0.2.1/32"
    assert frr_range(ip_network("0.0.0.0/0"), 8, longest=24) == "0.0.0.0/0 ge 8 le 24"
    assert frr_range(ip_network("2000::/3"), 3, longest=48) == "2000::/3 le 48"
    assert frr_range(ip_network("0.0.0.0/0"), 0, longest=0) == "0.0.0.0/0"
    with pytest.raises(RenderError):
        frr_range(ip_network("2000::/3"), 1, longest=2)


def test_communities() -> None:
    """Sorted, each once, the well-known ones by name, as FRR shows them."""
    known = ((65535, 0), (64498, 7), (65535, 0), (0, 0))
    assert frr_communities(known, names_internet=True) == "internet 64498:7 graceful-shutdown"
    assert frr_communities(known, names_internet=False) == "0:0 64498:7 graceful-shutdown"
    assert frr_communities((), names_internet=True) == frr_large_communities(()) == "none"
    assert frr_large_communities(((2, 0, 0), (1, 5, 5))) == "1:5:5 2:0:0"
    with pytest.raises(RenderError):
        frr_communities(((1, 2, 3),), names_internet=True)  # type: ignore[arg-type]


def test_secrets() -> None:
    """A password is one word of printable ASCII; anything else than a reference is refused."""
    assert [secret for secret in ("a b", "a|b", 'a"b', "ü", "", "a\n") if not expected_secret(secret)] == []
    assert expected_secret("!a#?'\\b") == ""
    assert frr_secret(SecretRef("env", "X")) == "@secret:env:X@"
    with pytest.raises(RenderError):
        frr_secret("plain")
