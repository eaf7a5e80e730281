"""What operators' own programs import: the same as ``netorch routes``, as functions (docs/own-routes.md).

Devices are reached as from the command line, with the user's keys and ``~/.ssh/config``. Every function opens its own
connections, returns when the devices have confirmed, and raises a NetorchError, whose ``exit_code`` is that of the command
line, when they have not. Progress is not shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netorch.api import InputFile, Report
from netorch.app.targets import select_devices
from netorch.app.verbs import VerbRun
from netorch.cli.options import controller_in, existing_folder
from netorch.errors import NetorchError, PluginError, UsageError

__all__ = ["NetorchError", "Outcome", "list_routes", "set_routes", "withdraw_routes"]

PLUGIN = "routes"


@dataclass(frozen=True)
class Outcome:
    """What became of a call. ``routes`` are those that the owner now has, as ``netorch routes list -o json`` writes them;
    ``missed`` are devices that could not be reached, by name, with the reason: they get what they lack by the next ``netorch
    run`` or deploy that reaches them. ``text`` is for people."""

    changed: bool
    text: str
    routes: tuple[Mapping[str, Any], ...]
    missed: Mapping[str, NetorchError] = field(default_factory=dict)


def set_routes(
    owner: str,
    routes: Iterable[Mapping[str, Any]],
    *,
    on: str | Iterable[str],
    inventory: Path | str = "inventory",
    lasts_s: float | None = None,
    reason: str = "",
    allow_covering: bool = False,
    confirm_timeout_s: int = 60,
) -> Outcome:
    """Make the routes of ``owner`` exactly ``routes`` on the devices that one TARGET or several (``on``) name; elsewhere it
    has none.

    ``routes`` are mappings as in the file of ``netorch routes set``. They end after ``lasts_s`` seconds (60 or more) unless
    they are set again. Doing the same twice does nothing the second time.
    """
    targets = (on,) if isinstance(on, str) else tuple(on)
    if not targets:
        raise UsageError("on: expected one TARGET at least, found none", hint="withdraw_routes takes all routes away")
    return _run(
        "set",
        inventory,
        on=targets,
        owner=owner,
        file=InputFile("routes", json.dumps([dict(route) for route in routes])),
        reason=reason,
        allow_covering=allow_covering,
        confirm_timeout=confirm_timeout_s,
        **{"for": lasts_s},
    )


def withdraw_routes(
    owner: str, *, inventory: Path | str = "inventory", reason: str = "", confirm_timeout_s: int = 60
) -> Outcome:
    """Take away all that ``owner`` has, wherever it is; nothing to do is no error."""
    return _run("withdraw", inventory, owner=owner, reason=reason, confirm_timeout=confirm_timeout_s)


def list_routes(owner: str | None = None, *, inventory: Path | str = "inventory") -> Outcome:
    """The routes of one owner, or of all."""
    return _run("list", inventory, owner=owner)


def _run(verb: str, inventory: Path | str, *, on: tuple[str, ...] | None = None, **arguments: Any) -> Outcome:
    reports: list[Report] = []
    with controller_in(existing_folder(Path(inventory)), quiet=True) as controller:
        plugin = next((plugin for plugin in controller.plugins if plugin.name == PLUGIN), None)
        if plugin is None:
            raise PluginError("is not enabled", where=PLUGIN, hint=f"name it under plugins in {inventory}/network.yml")
        if on is not None:
            arguments["target"] = select_devices(controller.inventory, on)
        chosen = next(one for one in plugin.verbs if one.name == f"{PLUGIN} {verb}")
        run = VerbRun(controller, show=lambda plan: None, report=reports.append, tell=lambda error: None)
        missed, _ = run.run(plugin, chosen, arguments)
    last = reports[-1]
    return Outcome(bool(last.changed), last.text, last.rows, dict(missed))
