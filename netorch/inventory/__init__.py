"""YAML texts with positions -> ``netorch.model.inventory.Inventory``. Importing it loads pydantic and ruamel.yaml."""

from __future__ import annotations

from netorch.inventory.check_plugins import refuse_settings
from netorch.inventory.lint import lint_inventory
from netorch.inventory.load import load_inventory
from netorch.inventory.report import FORMATS, format_problems
from netorch.inventory.schema import json_schema

__all__ = ["FORMATS", "format_problems", "json_schema", "lint_inventory", "load_inventory", "refuse_settings"]
