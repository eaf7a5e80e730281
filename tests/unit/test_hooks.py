"""Plugins' hooks that fail."""

from __future__ import annotations

import pytest

from netorch.api import Intent, Overlay, Plugin, UsageError
from netorch.errors import PluginError
from netorch.model.overlay import Overlay as EmptyOverlay
from tests.unit.agents import Agent, controller_of


def broken(intent: Intent, overlay: Overlay) -> Intent:
    raise KeyError("rack")


def refusing(intent: Intent, overlay: Overlay) -> Intent:
    raise UsageError("no such rack")


def test_what_a_plugin_raises_is_told_with_its_name_and_place() -> None:
    """The operator learns which plugin, which line, and the way out."""
    controller = controller_of(lambda name: Agent(), Plugin("racks", "", amend=broken))
    with pytest.raises(PluginError, match=r"racks: KeyError in .*test_hooks\.py:\d+: 'rack'") as caught:
        controller.intent(EmptyOverlay())
    assert "plugins in network.yml" in caught.value.hint


def test_a_plugin_s_own_error_passes_as_it_is() -> None:
    """What a plugin words itself is better than any wrapping."""
    controller = controller_of(lambda name: Agent(), Plugin("racks", "", amend=refusing))
    with pytest.raises(UsageError, match="no such rack"):
        controller.intent(EmptyOverlay())
