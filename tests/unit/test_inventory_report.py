"""Findings for programs."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from netorch.errors import InventoryProblem
from netorch.inventory import FORMATS, format_problems

PROBLEMS = (
    InventoryProblem(
        "expected x, found 'ü'", file="a b/pop1.yml", line=14, column=9, key="circuits[2].id", hint="mend <it>"
    ),
    InventoryProblem("required, but missing", file="inventory/providers.yml"),
)


def test_text_is_what_an_operator_reads() -> None:
    """Place, key, message, and the hint below it."""
    assert format_problems(PROBLEMS, "text") == (
        "a b/pop1.yml:14:9: circuits[2].id: expected x, found 'ü'\n"
        "  hint: mend <it>\n"
        "inventory/providers.yml: required, but missing\n"
    )


def test_json_has_every_part_and_null_for_what_is_not_known() -> None:
    """All keys are always there."""
    first, second = json.loads(format_problems(PROBLEMS, "json"))["problems"]
    assert first == {
        "file": "a b/pop1.yml",
        "line": 14,
        "column": 9,
        "key": "circuits[2].id",
        "message": "expected x, found 'ü'",
        "hint": "mend <it>",
        "rule": "inventory",
        "level": "error",
    }
    assert (second["line"], second["column"], second["key"], second["hint"]) == (None, None, None, None)


def test_junit_counts_findings_as_failures() -> None:
    """One failing test case for each finding, with the operator's text in it."""
    suite = ElementTree.fromstring(format_problems(PROBLEMS, "junit"))[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "2")
    assert suite[0][0].text == "a b/pop1.yml:14:9: circuits[2].id: expected x, found 'ü'\n  hint: mend <it>"
    assert suite[1].get("classname") == "inventory/providers.yml"


def test_junit_of_a_valid_inventory_has_a_test_that_passed() -> None:
    """Programs that count tests take a report without any for a failure."""
    suite = ElementTree.fromstring(format_problems((), "junit"))[0]
    assert (suite.get("tests"), suite.get("failures"), len(suite), len(suite[0])) == ("1", "0", 1, 0)


def test_sarif_names_the_place() -> None:
    """Paths are URIs; a finding about a whole file has no region."""
    document = json.loads(format_problems(PROBLEMS, "sarif"))
    assert document["version"] == "2.1.0"
    first, second = document["runs"][0]["results"]
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "a%20b/pop1.yml"},
        "region": {"startLine": 14, "startColumn": 9},
    }
    assert first["message"]["text"] == "circuits[2].id: expected x, found 'ü' (hint: mend <it>)"
    assert "region" not in second["locations"][0]["physicalLocation"]
    assert {result["ruleId"] for result in (first, second)} == {document["runs"][0]["tool"]["driver"]["rules"][0]["id"]}


def test_nothing_found_is_an_empty_list() -> None:
    """A valid inventory gives documents without findings, and no text at all."""
    assert json.loads(format_problems((), "json")) == {"problems": []}
    assert json.loads(format_problems((), "sarif"))["runs"][0]["results"] == []
    assert format_problems((), "text") == ""


def test_formats_are_those_of_the_command() -> None:
    """The names that `netorch validate --format` takes."""
    assert list(FORMATS) == ["text", "json", "junit", "sarif"]
