"""A plugin that did not come with netorch: found by its path, written with netorch.api alone."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import netorch.api
from netorch.api import ChangeOverlay, Facts, Intent, Overlay, Plugin, Report, Step, UsageError
from netorch.loader import load_plugin, load_plugins
from netorch.model.inventory import PluginSettings
from netorch.testing import FakeNetwork, fake_context, fake_facts, small_intent, small_inventory
from tests.plugins.example import ROOT, protocol

FOLDER = Path(__file__).parent / "stranger" / "standby"
TEXT = (FOLDER / "__init__.py").read_text(encoding="utf-8")
PLUGIN = load_plugin(FOLDER)


def report(seconds: float, overlay: Overlay) -> Facts:
    """Every provider session is Established."""
    switch = small_intent().device("sw1.pop1")
    return {"sw1.pop1": fake_facts("sw1.pop1", protocols=[protocol(session) for session in switch.sessions])}


def run(held: Overlay, *, provider: str = "northtel", off: bool = False) -> tuple[tuple[Step, ...], Overlay]:
    """``netorch standby``: its steps, and what the devices hold afterwards."""
    network = FakeNetwork(report, overlay=held)
    context = fake_context(PLUGIN, small_inventory(), overlay=held)
    return network.run(PLUGIN, "standby", context, provider=provider, pop="pop1", off=off), network.overlay


def policies(intent: Intent) -> dict[str, tuple[int, int]]:
    """Local preference and prepending of each provider session."""
    return {
        s.name: (s.import_policy.local_preference, s.export_policy.prepend)
        for s in intent.device("sw1.pop1").sessions
        if s.import_policy is not None and s.export_policy is not None
    }


def test_it_is_short_and_uses_the_api_alone() -> None:
    """Under 200 lines, importing netorch.api and the standard library."""
    modules = {node.module for node in ast.walk(ast.parse(TEXT)) if isinstance(node, ast.ImportFrom)}
    assert modules - set(sys.stdlib_module_names) == {"netorch.api"}
    assert TEXT.count("\n") < 200


def test_documentation_shows_this_very_plugin() -> None:
    """The worked example of docs/plugins.md is the code that is tested here."""
    assert TEXT in (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")


def test_it_is_loaded_by_the_path_in_the_inventory() -> None:
    """Beside shipped plugins, in the inventory's order."""
    settings = [PluginSettings("standby", {"prepend": 2}, str(FOLDER)), PluginSettings("drain")]
    assert [plugin.name for plugin in load_plugins(settings)] == ["standby", "drain"]


def test_standby_and_back() -> None:
    """Both directions change while it is on; off restores the former intent exactly."""
    before = policies(small_intent())
    steps, held = run(Overlay())
    assert [type(step).__name__ for step in steps] == ["ChangeOverlay", "Deploy", "Gather", "Report"]
    changed = {**before, "northtel_1_v4": (10, 3), "northtel_1_v6": (10, 3)}
    assert policies(PLUGIN.amend(small_intent(), held)) == changed
    steps, held = run(held, off=True)
    assert [entry.version for step in steps if isinstance(step, ChangeOverlay) for entry in step.entries] == [2]
    assert PLUGIN.amend(small_intent(), held) == small_intent()


@pytest.mark.parametrize("off", [True, False])
def test_doing_it_twice_changes_nothing(off: bool) -> None:
    """The second run says so."""
    held = Overlay() if off else run(Overlay())[1]
    steps, _ = run(held, off=off)
    assert steps == (Report(text="northtel in pop1: nothing to change", changed=False),)


def test_settings_are_its_own() -> None:
    """The inventory's settings reach amend."""
    settings: dict[str, Any] = {"prepend": 1, "local_preference": 5}
    _, held = run(Overlay())
    context = fake_context(PLUGIN, small_inventory(), overlay=held, settings=settings)
    assert policies(context.intent)["northtel_1_v4"] == (5, 1)


def test_unknown_provider_is_a_usage_error() -> None:
    """With the names that there are."""
    with pytest.raises(UsageError, match="no provider 'nobody'") as mistake:
        run(Overlay(), provider="nobody")
    assert mistake.value.hint == "providers are meadow, northtel"


def test_it_is_a_plugin() -> None:
    """A value, like netorch's own."""
    assert isinstance(PLUGIN, Plugin)


def test_documentation_names_all_of_the_api() -> None:
    """Nothing that a plugin may use is left for its author to find out."""
    text = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    assert [name for name in netorch.api.__all__ if not re.search(rf"\b{name}s?\b", text)] == []
