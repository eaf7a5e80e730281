"""Findings as text for people, and as JSON, JUnit and SARIF for editors and continuous integration."""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Sequence
from typing import Any
from xml.etree import ElementTree

from netorch.errors import InventoryProblem, annotated

_TOOL = "netorch"
INVALID = "inventory"
"""The rule of what makes an inventory invalid; any other is one of ``netorch lint``."""

_URI_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-._~/")  # RFC 3986 section 2.3, and the slash


def format_problems(problems: Sequence[InventoryProblem], fmt: str) -> str:
    """``problems`` in one of FORMATS, ending in a newline; text of no problems is empty.

    Source: SARIF 2.1.0 section 3.14 ff.; JUnit as Jenkins and GitLab read it.
    """
    return FORMATS[fmt](problems)


def _text(problems: Sequence[InventoryProblem]) -> str:
    return "".join(f"{_line(problem)}\n" for problem in problems)


def _line(problem: InventoryProblem) -> str:
    if problem.rule == INVALID:
        return annotated(problem)
    hint = f"\n  hint: {problem.hint}" if problem.hint else ""
    return f"{problem.where}: {problem.level}: {problem.message} [{problem.rule}]{hint}"


def _json(problems: Sequence[InventoryProblem]) -> str:
    listed = [
        {
            "file": problem.file,
            "line": problem.line or None,
            "column": problem.column or None,
            "key": problem.key or None,
            "rule": problem.rule,
            "level": problem.level,
            "message": problem.message,
            "hint": problem.hint or None,
        }
        for problem in problems
    ]
    return json.dumps({"problems": listed}, indent=2) + "\n"


def _junit(problems: Sequence[InventoryProblem]) -> str:
    """A test case for each finding, or one that passed where there is none."""
    count = str(len(problems))
    tests = str(max(len(problems), 1))
    suite = ElementTree.Element("testsuite", name=_TOOL, tests=tests, failures=count, errors="0")
    for problem in problems:
        case = ElementTree.SubElement(suite, "testcase", classname=problem.file, name=problem.where, file=problem.file)
        failure = ElementTree.SubElement(case, "failure", message=problem.message, type=problem.rule)
        failure.text = annotated(problem)
    if not problems:
        ElementTree.SubElement(suite, "testcase", classname=INVALID, name="nothing was found")
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _sarif(problems: Sequence[InventoryProblem]) -> str:
    rules = [{"id": rule} for rule in sorted({problem.rule for problem in problems} | {INVALID})]
    run = {
        "tool": {"driver": {"name": _TOOL, "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(problem) for problem in problems],
    }
    document = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2) + "\n"


def _sarif_result(problem: InventoryProblem) -> dict[str, Any]:
    said = f"{problem.key}: {problem.message}" if problem.key else problem.message
    location: dict[str, Any] = {"artifactLocation": {"uri": _uri(problem.file)}}
    if problem.line:
        location["region"] = {"startLine": problem.line, "startColumn": problem.column}
    return {
        "ruleId": problem.rule,
        "level": problem.level,
        "message": {"text": f"{said} (hint: {problem.hint})" if problem.hint else said},
        "locations": [{"physicalLocation": location}],
    }


def _uri(path: str) -> str:
    encoded = path.encode(errors="replace")
    return "".join(chr(byte) if chr(byte) in _URI_CHARACTERS else f"%{byte:02X}" for byte in encoded)


FORMATS: dict[str, Callable[[Sequence[InventoryProblem]], str]] = {
    "text": _text,
    "json": _json,
    "junit": _junit,
    "sarif": _sarif,
}
