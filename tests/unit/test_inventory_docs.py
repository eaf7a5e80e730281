"""The tables of keys in docs/inventory.md come from the schema. Run as a program, this file writes them anew."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from netorch.inventory import json_schema
from tests.unit.inventory_texts import ROOT, complaints, example, load

PAGE = ROOT / "docs" / "inventory.md"
TABLE = re.compile(r"<!-- keys: (\w+) -->\n.*?<!-- end -->\n", re.DOTALL)
BLOCK = re.compile(r"```yaml\n# ([\w/.]+\.yml)\n(.*?)```", re.DOTALL)


def table(definition: dict[str, Any]) -> str:
    """A Markdown table of a definition's keys: key, type, default, meaning with an example."""
    rows = ["| Key | Type | Default | Meaning |", "|---|---|---|---|"]
    for key, schema in definition["properties"].items():
        default = "required" if key in definition.get("required", ()) else shown_default(schema)
        example = next(iter(schema.get("examples", [])), None)
        such_as = "" if example is None else f"; such as `{shown(example)}`"
        rows.append(f"| `{key}` | {shown_type(schema)} | {default} | {schema['description']}{such_as} |")
    return "\n".join(rows) + "\n"


def shown_type(schema: dict[str, Any]) -> str:
    """The type in a few words; a link to the table of a mapping's own keys."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[keys](#{name.lower()})"
    if schema.get("type") == "array":
        return f"list of {shown_type(schema['items'])}"
    if "title" in schema:
        return str(schema["title"])
    if "anyOf" in schema:
        return " or ".join(shown_type(one) for one in schema["anyOf"] if one.get("type") != "null")
    return {"object": "mapping"}[schema["type"]]


def shown_default(schema: dict[str, Any]) -> str:
    """The default where it says something, else a dash."""
    default = schema.get("default")
    if isinstance(default, dict) or default in (None, "", []):
        return "-"
    if isinstance(default, list):
        return f"`{shown([one['name'] for one in default])}`"
    return f"`{shown(default)}`"


def shown(value: object) -> str:
    """A value as it is written in YAML, text without quotes."""
    if isinstance(value, list):
        return "[" + ", ".join(shown(one) for one in value) + "]"
    return value if isinstance(value, str) else json.dumps(value)


def with_tables(page: str) -> str:
    """``page`` with every table as the schema has it now."""
    definitions = json_schema()["$defs"]
    return TABLE.sub(lambda found: f"<!-- keys: {found[1]} -->\n{table(definitions[found[1]])}<!-- end -->\n", page)


def test_tables_are_those_of_the_schema() -> None:
    """Every key, type, default and meaning in the reference is the schema's."""
    page = PAGE.read_text()
    assert page == with_tables(page)


def test_every_key_has_a_table() -> None:
    """No kind of mapping is left out of the reference, and each has a heading that links lead to."""
    kinds = {name for name, schema in json_schema()["$defs"].items() if "properties" in schema}
    page = PAGE.read_text()
    assert set(TABLE.findall(page)) == kinds
    assert all(f'<a id="{kind.lower()}"></a>' in page for kind in kinds)


def test_examples_on_the_page_are_valid() -> None:
    """The files shown on the page are an inventory without mistakes."""
    files: dict[str, str] = dict(BLOCK.findall(PAGE.read_text()))
    assert set(files) == {"network.yml", "providers.yml", "pops/pop1.yml", "lab.yml"}
    assert complaints(files) == []


def test_schema_accepts_the_names_of_the_example() -> None:
    """What the JSON Schema says about names holds for the shipped inventory."""
    name = re.compile(json_schema()["$defs"]["CircuitKeys"]["properties"]["name"]["pattern"])
    circuits = load(example()).circuits
    assert circuits
    assert all(name.search(circuit.name) for circuit in circuits)


@pytest.mark.parametrize("kind", ["network", "providers", "pop", "lab"])
def test_schema_refuses_unknown_keys(kind: str) -> None:
    """An editor marks unknown keys in every kind of file."""
    definitions = json_schema()["$defs"]
    name = definitions[kind]["$ref"].rsplit("/", 1)[1]
    assert definitions[name]["additionalProperties"] is False


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
