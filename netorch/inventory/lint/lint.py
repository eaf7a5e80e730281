"""Runs every rule over an inventory, and leaves out what its operators have accepted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netorch.errors import InventoryProblem
from netorch.inventory.findings import Findings
from netorch.inventory.lint import of_lists, of_network, of_providers
from netorch.inventory.lint.rules import WARNING, Rule, Spot
from netorch.inventory.load import load_tree, shown_folder
from netorch.inventory.schema_network import AcceptedKeys
from netorch.inventory.tree import NETWORK, Tree
from netorch.model.text import did_you_mean

RULES: tuple[Rule, ...] = (*of_providers.RULES, *of_lists.RULES, *of_network.RULES)

_STALE = "stale-acceptance"


def lint_inventory(files: Mapping[str, str], *, folder: str, shown: str | None = None) -> tuple[InventoryProblem, ...]:
    """What every rule finds in a valid inventory, by file and position, less what ``lint`` in network.yml accepts.

    ``files``, ``folder`` and ``shown`` as for ``load_inventory``. Raises InventoryError where the inventory is wrong.
    """
    findings = Findings(shown_folder(folder, shown))
    tree = load_tree(files, folder, findings=findings)
    found = [(rule, spot) for rule in RULES for spot in rule.check(tree)]
    accepted = tree.network.lint
    kept = [(rule, spot) for rule, spot in found if not any(_accepts(one, rule, spot) for one in accepted)]
    problems = [_problem(findings, rule.name, spot, level=spot.level or rule.level) for rule, spot in kept]
    problems += [_problem(findings, _STALE, spot, level=WARNING) for spot in _stale(tree, found)]
    return tuple(sorted(problems, key=lambda problem: (problem.file, problem.line, problem.column, problem.rule)))


def _accepts(accepted: AcceptedKeys, rule: Rule, spot: Spot) -> bool:
    return accepted.rule == rule.name and accepted.of in (None, spot.of)


def _stale(tree: Tree, found: list[tuple[Rule, Spot]]) -> Iterator[Spot]:
    """Acceptances of what is not found any more, or never was: they would hide the next mistake."""
    names = [rule.name for rule in RULES]
    for at, accepted in enumerate(tree.network.lint):
        where = ("lint", at, "rule")
        if accepted.rule not in names:
            hint = did_you_mean(accepted.rule, names, otherwise="there are: ")
            yield Spot(NETWORK, where, accepted.rule, f"there is no rule {accepted.rule!r}", hint)
        elif not any(_accepts(accepted, rule, spot) for rule, spot in found):
            of = f" about {accepted.of}" if accepted.of else ""
            yield Spot(NETWORK, where, accepted.rule, f"{accepted.rule} finds nothing{of}", "remove it")


def _problem(findings: Findings, rule: str, spot: Spot, *, level: str) -> InventoryProblem:
    return findings.problem(spot.file, spot.path, message=spot.message, hint=spot.hint, rule=rule, level=level)
