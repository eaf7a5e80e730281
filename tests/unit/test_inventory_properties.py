"""Whatever stands in the files: an inventory, or findings with their places; never a traceback."""

from __future__ import annotations

import copy
import json
import string
import unicodedata
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from netorch.errors import InventoryError
from netorch.inventory import FORMATS, format_problems
from netorch.model.inventory import Inventory
from tests.unit.inventory_texts import POP, edited, load, small

SMALL = small()
DATA = {file: YAML(typ="safe", pure=True).load(text) for file, text in SMALL.items()}

HOSTILE = (
    *(
        'x"; } protocol static evil {',
        '"',
        "'",
        "\\",
        "\\n",
        '\\"',
        "x\ny",
        "x\r\ny",
        "x\x00y",
        "\x00",
        "\x1b[31mred",
        "\x7f",
    ),
    *("\x85", "\u2028", "\u2029", "\u202eevil", "\u2066x", "\ufeff", "\u200b", "\ud800", "\U0010ffff", "\U000e0001"),
    *("$(reboot)", "`reboot`", "; reboot", "| reboot", "&& reboot", "> /etc/passwd", "${PATH}", "$PATH", "%s%n", "{0}"),
    *("{{ 7*7 }}", "{% raw %}", "{# x #}", "<script>alert(1)</script>", "<!--", "]]>", "&amp;", "&#0;", "' or 1=1 --"),
    *(
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        ".",
        "",
        " ",
        "\t",
        "-",
        "--",
        "-rf",
        "--help",
        "-oProxyCommand=x",
        "~",
        "~root",
    ),
    *("dev", "all", "default", "lo", "a", "via", "provider", "null", "true", "no", "on", "1", "0", "-1", "1e9", "0x1f"),
    *(
        "010",
        "1.0",
        ".inf",
        ".nan",
        "NaN",
        "inf",
        "1_000",
        "2024-01-01",
        "12:30:45",
        "=",
        "<<",
        "*x",
        "&x",
        "!x",
        "!!str x",
    ),
    *("#x", "# x", "x # y", "x: y", "- x", "? x", "[x", "{x", "]", "}", ",", "@x", "%YAML", "---", "...", "> x", "| x"),
    *("x" * 64, "x" * 255, "x" * 256, "x" * 4096, "ä" * 128, "é", "e\u0301", "日本", "🙂", "ﬀ", "İ", "ß", "\u00ad"),
    *(
        "protocol",
        "define",
        "filter",
        "include",
        'include "/etc/shadow";',
        "} filter x {",
        "# comment",
        "/* comment",
        "*/",
    ),
    *(
        "PING.example",
        "xn--x",
        "a.b",
        "a_b",
        "A",
        "a-",
        "-a",
        "a--b",
        "a b",
        "203.0.113.1",
        "::1",
        "::ffff:1.2.3.4",
        "1.2.3",
    ),
)


def test_there_are_a_hundred_hostile_strings() -> None:
    """The list has at least the hundred that are asked for, none twice."""
    assert len(set(HOSTILE)) == len(HOSTILE) >= 100


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every value below ``value``."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in below:
        yield (*path, step)
        yield from paths(item, (*path, step))


PLACES = [(file, path) for file, data in DATA.items() for path in paths(data)]

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(HOSTILE)
    | st.ip_addresses().map(str),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.text() | st.sampled_from(HOSTILE), below, max_size=3)
    ),
    max_leaves=5,
)


def outcome(files: dict[str, str]) -> Inventory | InventoryError:
    """What loading gives; checks that findings are of use."""
    try:
        return load(files)
    except InventoryError as error:
        check_findings(error)
        return error


def check_findings(error: InventoryError) -> None:
    """Each finding has a file, a message and, in a file that was read, a position; every report format can hold it."""
    assert error.problems
    for problem in error.problems:
        assert problem.file.startswith("inventory")
        assert problem.message
        assert problem.line >= 1 or not problem.key
        assert str(problem).isprintable()
    for fmt in FORMATS:
        assert format_problems(error.problems, fmt).encode()
    assert len(json.loads(format_problems(error.problems, "json"))["problems"]) == len(error.problems)
    assert len(ElementTree.fromstring(format_problems(error.problems, "junit"))[0]) == len(error.problems)


def mutated(file: str, path: tuple[str | int, ...], change: Any) -> dict[str, str]:
    """The inventory with the parent of ``path`` changed by ``change(parent, step)``."""
    data = copy.deepcopy(DATA[file])
    parent = data
    for step in path[:-1]:
        parent = parent[step]
    change(parent, path[-1])
    return {**SMALL, file: json.dumps(data, indent=1)}


@settings(max_examples=300, deadline=None)
@given(place=st.sampled_from(PLACES), value=anything)
def test_any_value_in_any_place(place: tuple[str, tuple[str | int, ...]], value: Any) -> None:
    """A value of a wrong kind gives findings, not a traceback."""
    outcome(mutated(*place, lambda parent, step: parent.__setitem__(step, value)))


@pytest.mark.parametrize(
    ("file", "path"), PLACES, ids=lambda part: part if isinstance(part, str) else ".".join(map(str, part))
)
def test_any_value_left_out(file: str, path: tuple[str | int, ...]) -> None:
    """A key or item that is missing gives findings or a valid inventory, not a traceback."""
    outcome(mutated(file, path, lambda parent, step: parent.pop(step)))


@settings(max_examples=100, deadline=None)
@given(
    place=st.sampled_from([place for place in PLACES if isinstance(place[1][-1], str)]),
    key=st.text() | st.sampled_from(HOSTILE),
)
def test_any_key(place: tuple[str, tuple[str | int, ...]], key: str) -> None:
    """A key that is renamed gives findings, not a traceback."""
    outcome(mutated(*place, lambda parent, step: parent.__setitem__(key, parent.pop(step))))


@settings(max_examples=300, deadline=None)
@given(
    file=st.sampled_from(sorted(SMALL)),
    at=st.floats(0, 1),
    cut=st.integers(0, 20),
    put=st.text(max_size=5) | st.sampled_from(HOSTILE) | st.text("[]{}:,-?&*!|>'\"%@`# \t\n<=~.0", max_size=8),
)
def test_any_text(file: str, at: float, cut: int, put: str) -> None:
    """A file with anything typed into it, or cut out of it, gives findings or a valid inventory, not a traceback."""
    text = SMALL[file]
    start = int(at * len(text))
    outcome({**SMALL, file: text[:start] + put + text[start + cut :]})


def quoted(text: str) -> str:
    """``text`` in YAML, every character escaped."""
    return '"' + "".join(f"\\U{ord(character):08x}" for character in text) + '"'


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_description_is_text_or_refused(text: str) -> None:
    """A description arrives exactly as written, and holds nothing that ends a string or a line; else it is refused."""
    found = outcome(edited(SMALL, POP, ("id: 2\n", f"id: 2\n    description: {quoted(text)}\n")))
    harmless = '"' not in text and len(text.encode(errors="replace")) <= 255
    harmless &= all(unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp") for character in text)
    harmless &= not set(text) & set("\u202e\u2066")
    assert isinstance(found, Inventory) == harmless
    if isinstance(found, Inventory):
        assert found.circuit("meadow-pop1").description == text


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_name_is_refused(text: str) -> None:
    """Names of all kinds take none of the hostile texts but those that are harmless words."""
    places = (
        ("providers.yml", "name: meadow"),
        ("network.yml", "name: small"),
        (POP, "name: h1"),
        (POP, "name: meadow-pop1"),
        (POP, "name: sw2"),
    )
    for file, find in places:
        found = outcome(edited(SMALL, file, (find, f"name: {quoted(text)}")))
        if isinstance(found, Inventory):
            assert len(text) <= 40
            assert set(text) <= set(string.ascii_lowercase + string.digits + "-")
            assert text.strip("-") == text
    found = outcome(edited(SMALL, POP, ("interface: eth1", f"interface: {quoted(text)}")))
    if isinstance(found, Inventory):
        assert len(text) <= 15
        assert set(text) <= set(string.ascii_letters + string.digits + "._-")
        assert text[0] in string.ascii_letters


@pytest.mark.parametrize(
    "text", ["[" * 5000, "{a: " * 5000, "- " * 5000, "a:\n" + "".join(f"{' ' * i}- \n" for i in range(3000))]
)
def test_deep_nesting_is_refused(text: str) -> None:
    """Nesting beyond any sense is a finding, not an overflow."""
    assert isinstance(outcome({**SMALL, "network.yml": text}), InventoryError)


def test_aliases_that_multiply_are_refused() -> None:
    """A few lines of aliases that describe a billion values cost neither time nor memory."""
    lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"{new}: &{new} [{','.join(['*' + old] * 10)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    found = outcome({**SMALL, "network.yml": "\n".join(lines)})
    assert isinstance(found, InventoryError)
    assert "1,000,000 values" in found.problems[0].message
