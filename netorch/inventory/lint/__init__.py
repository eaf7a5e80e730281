"""Mistakes of policy that a parser cannot see: every line is right, and the network is not safe."""

from netorch.inventory.lint.lint import RULES, lint_inventory
from netorch.inventory.lint.rules import ERROR, NOTE, WARNING, Rule

__all__ = ["ERROR", "NOTE", "RULES", "WARNING", "Rule", "lint_inventory"]
