"""Every mistake in tests/lint gives the findings beside it. Run as a program, this file writes those texts anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from netorch.cli.main import netorch
from netorch.errors import InventoryProblem
from netorch.inventory import format_problems, lint_inventory
from netorch.inventory.lint import RULES, Rule
from tests.unit.inventory_texts import ROOT, edited_by, small

FOLDER = ROOT / "tests" / "lint"
CASES = sorted(path.stem for path in FOLDER.glob("*.yml"))
LOGS = [line for path in FOLDER.glob("*.log") for line in path.read_text().splitlines()]


def findings(files: dict[str, str]) -> tuple[InventoryProblem, ...]:
    """What lint says of an inventory."""
    return lint_inventory(files, folder="/srv/inventory")


def added(case: str) -> str:
    """What lint says of the small inventory with the edits of ``case``, and not without them."""
    usual = {(problem.rule, problem.message) for problem in findings(small())}
    new = [p for p in findings(edited_by(small(), FOLDER / f"{case}.yml")) if (p.rule, p.message) not in usual]
    return format_problems(new, "text")


@pytest.mark.parametrize("case", CASES)
def test_mistake_is_found(case: str) -> None:
    """A mistake of policy is told with its place, rule, level and the way to mend it."""
    expected = (FOLDER / f"{case}.log").read_text()
    assert expected, "an empty .log would accept a mistake that nobody notices"
    assert added(case) == expected


def test_every_text_has_its_mistake() -> None:
    """No .log is left over from a mistake that was removed."""
    assert sorted(path.stem for path in FOLDER.glob("*.log")) == CASES


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_has_a_mistake(rule: Rule) -> None:
    """A rule that no case breaks is not known to find anything."""
    assert any(f"{rule.level}: " in line and f"[{rule.name}]" in line for line in LOGS)


def test_acceptance_hides_what_it_names() -> None:
    """One thing alone, or all that a rule finds; never another rule's."""
    edits = {"network.yml": small()["network.yml"] + "lint:\n  - {rule: max-prefixes, of: meadow, reason: a friend}\n"}
    before, after = findings(small()), findings({**small(), **edits})
    assert {problem.rule for problem in before} - {problem.rule for problem in after} == {"max-prefixes"}
    assert [problem for problem in after if problem.rule == "stale-acceptance"] == []


def test_shipped_inventories_are_clean() -> None:
    """Nobody starts from an example that lint would refuse."""
    networks = [ROOT / "inventory" / "network.yml", *(ROOT / "inventory" / "examples").glob("*/network.yml")]
    for path in networks:
        result = CliRunner().invoke(
            netorch, ["--inventory", str(path.parent), "lint", "--strict"], standalone_mode=False
        )
        assert result.return_value == 0, (result.output, result.exception)


def test_sessions_without_rpki() -> None:
    """A network without validators is told of each POP that has providers."""
    told = [problem.message for problem in findings(small()) if problem.rule == "rpki"]
    assert told == ["sessions of pop1 are without RPKI: whoever announces somebody's prefix is believed"]


def write(folder: Path, files: dict[str, str]) -> str:
    """The inventory on disk."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize(
    ("case", "strict", "code"),
    [("one-family", True, 0), ("single-originator", False, 0), ("single-originator", True, 1), ("bounds", False, 1)],
)
def test_exit_code(tmp_path: Path, case: str, strict: bool, code: int) -> None:
    """Notes never fail, warnings with --strict, errors always."""
    files = edited_by(small(), FOLDER / f"{case}.yml")
    others = sorted({problem.rule for problem in findings(files)} - {case})
    files["network.yml"] += "lint:\n" + "".join(f"  - {{rule: {name}, reason: of no interest}}\n" for name in others)
    options = ["--strict"] if strict else []
    result = CliRunner().invoke(
        netorch, ["--inventory", write(tmp_path, files), "lint", *options], standalone_mode=False
    )
    assert result.return_value == code, result.output


def test_json_has_rule_and_level(tmp_path: Path) -> None:
    """What continuous integration sorts by."""
    result = CliRunner().invoke(
        netorch, ["--inventory", write(tmp_path, small()), "lint", "--format", "json"], standalone_mode=False
    )
    first = json.loads(result.output)["problems"][0]
    assert set(first) == {"file", "line", "column", "key", "message", "hint", "rule", "level"}


if __name__ == "__main__":
    for name in CASES:
        (FOLDER / f"{name}.log").write_text(added(name), encoding="utf-8")
