"""Names of sessions are symbols, unique and stable."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.intent import derive_intent
from netorch.intent.symbols import session_symbol
from netorch.model.types import Family
from tests.unit.inventory_texts import example, load


@pytest.mark.parametrize(
    ("base", "symbol"),
    [
        ("northtel_101", "northtel_101_v4"),
        ("h1", "h1_v4"),
        ("edge-host-1", "edge_host_1_v4"),
        ("edge--host", "edge__host_v4"),
        ("1st", "n1st_v4"),
        ("---", "n_v4"),
        ("x" * 40, f"{'x' * 40}_v4"),
    ],
)
def test_symbol_says_what_it_names(base: str, symbol: str) -> None:
    """Letters and digits are kept, everything else becomes an underscore."""
    assert session_symbol(base, Family.IPV4) == symbol


@given(st.text(), st.sampled_from(list(Family)))
def test_any_text_becomes_a_symbol(base: str, family: Family) -> None:
    """Whatever the name, the symbol and those of its filters are BIRD's."""
    symbol = session_symbol(base, family)
    assert re.fullmatch(r"[a-z][a-z0-9_]*_v[46]", symbol)
    assert len(f"{symbol}_out") <= 63


def test_long_names_differ_beyond_what_is_kept() -> None:
    """Two names that begin alike have two symbols."""
    first, second = (session_symbol("x" * 60 + end, Family.IPV4) for end in "ab")
    assert first != second


def test_taken_symbol_is_avoided() -> None:
    """A name that is in use gets another, the same one each time."""
    other = session_symbol("h1", Family.IPV6, taken={"h1_v6"})
    assert other != "h1_v6"
    assert other == session_symbol("h1", Family.IPV6, taken={"h1_v6"})


def test_hosts_with_one_symbol_are_told_apart() -> None:
    """Two hosts whose names come to the same symbol have sessions of two names."""
    inventory = load(example())
    pop = inventory.pops[0]
    hosts = (replace(pop.hosts[0], name="1st.pop1"), replace(pop.hosts[1], name="n1st.pop1"))
    switch = derive_intent(replace(inventory, pops=(replace(pop, hosts=hosts),))).device("sw1.pop1")
    names = [session.name for session in switch.sessions]
    assert "n1st_v4" in names
    assert len(set(names)) == len(names)


def test_host_named_like_a_circuit_has_a_symbol_of_its_own() -> None:
    """A provider's session keeps its name when a host is called the same."""
    inventory = load(example())
    pop = inventory.pops[0]
    host = replace(pop.hosts[0], name="northtel-1.pop1")
    switch = derive_intent(replace(inventory, pops=(replace(pop, hosts=(host,)),))).device("sw1.pop1")
    names = [session.name for session in switch.sessions]
    assert names[0] == "northtel_1_v4"
    assert len(set(names)) == len(names)
