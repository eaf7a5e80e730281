"""A stranger's plugin that moves a prefix when a provider's loss passes a limit, written with netorch.api alone."""

from __future__ import annotations

import ast
import sys
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from netorch.api import Deploy, Overlay, Probe, ProbeResult, Report, Steer, Step, UsageError
from netorch.loader import load_plugin
from netorch.testing import FakeNetwork, fake_context, small_intent, small_inventory

FOLDER = Path(__file__).parent / "stranger" / "lossguard"
TEXT = (FOLDER / "__init__.py").read_text(encoding="utf-8")
PLUGIN = load_plugin(FOLDER)
PREFIX, COUNT = "198.51.100.0/24", 100
IDS = {"northtel": 1, "meadow": 3}


def run(losses: dict[str, int], held: Overlay | None = None, **arguments: Any) -> tuple[tuple[Step, ...], Overlay]:
    """``netorch lossguard`` for northtel while so many of a hundred packets are lost; -1: the table has no route."""
    held = held or Overlay()
    by_mark = {1000 + IDS[name]: loss for name, loss in losses.items()}

    def probe(step: Probe) -> ProbeResult:
        loss = by_mark[step.mark]
        return ProbeResult(0, ()) if loss < 0 else ProbeResult(step.count, (10.0,) * (step.count - loss))

    network = FakeNetwork(lambda _seconds, _overlay: {}, overlay=held, probe=probe)
    context = fake_context(PLUGIN, small_inventory(), overlay=held)
    wanted = {"prefix": PREFIX, "provider": "northtel", "pop": "pop1", "limit": 5, "count": COUNT, **arguments}
    return network.run(PLUGIN, "lossguard", context, **wanted), network.overlay


def steers(overlay: Overlay) -> tuple[Steer, ...]:
    return PLUGIN.amend(small_intent(), overlay).device("h1.pop1").steers


def said(steps: tuple[Step, ...]) -> str:
    last = steps[-1]
    assert isinstance(last, Report)
    return last.text


def test_it_is_short_and_uses_the_api_alone() -> None:
    """Under 200 lines, importing netorch.api and the standard library."""
    modules = {node.module for node in ast.walk(ast.parse(TEXT)) if isinstance(node, ast.ImportFrom)}
    assert modules - set(sys.stdlib_module_names) == {"netorch.api"}
    assert TEXT.count("\n") < 200


def test_prefix_moves_and_comes_back() -> None:
    """Beyond the limit it is steered to the other provider; within it nothing is left of that."""
    steps, held = run({"northtel": 6, "meadow": 0})
    assert [type(step).__name__ for step in steps] == ["Probe", "Probe", "ChangeOverlay", "Deploy", "Report"]
    assert steers(held) == (Steer(ip_network(PREFIX), "meadow", 3),)
    assert said(steps) == f"{PREFIX} in pop1: moved from northtel to meadow"
    steps, held = run({"northtel": 5, "meadow": 0}, held)
    assert said(steps) == f"{PREFIX} in pop1: moved from meadow to northtel"
    assert PLUGIN.amend(small_intent(), held) == small_intent()


def test_hosts_and_switches_are_deployed() -> None:
    """The switches keep the entry, the hosts the route."""
    steps, _ = run({"northtel": 6, "meadow": 0})
    (deploy,) = (step for step in steps if isinstance(step, Deploy))
    assert deploy.devices == ("sw1.pop1", "h1.pop1")


@pytest.mark.parametrize(("northtel", "meadow"), [(5, 0), (6, 50), (100, -1), (-1, -1)])
def test_nothing_moves_without_need_or_a_better_one(northtel: int, meadow: int) -> None:
    """The watched provider is within the limit, or every other is beyond it or has no route."""
    steps, held = run({"northtel": northtel, "meadow": meadow})
    assert said(steps).startswith(f"{PREFIX} in pop1: stays with northtel")
    assert held == Overlay()


def test_provider_without_a_route_is_left() -> None:
    """No route is worse than any loss."""
    steps, _ = run({"northtel": -1, "meadow": 0})
    assert said(steps) == f"{PREFIX} in pop1: moved from northtel to meadow"


def test_prefix_that_somebody_steers_is_left_alone() -> None:
    """What is there already stays, and each prefix is steered once."""
    _, held = run({"northtel": 6, "meadow": 0})
    typed = Steer(ip_network(PREFIX), "northtel", 1)
    intent = small_intent().with_devices(lambda device: replace(device, steers=(typed,)))
    assert PLUGIN.amend(intent, held) == intent


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"prefix": "x"}, "'x' is no prefix"),
        ({"provider": "nobody"}, "no provider 'nobody'"),
        ({"pop": None}, "no POP"),
    ],
)
def test_mistakes_are_usage_errors(wrong: dict[str, Any], words: str) -> None:
    """Before anything is sent."""
    with pytest.raises(UsageError, match=words):
        run({"northtel": 0, "meadow": 0}, **wrong)
