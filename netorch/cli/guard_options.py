"""The options that override guards, one for each; docs/deploy.md tells what they are for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from netorch.plan.guards import Allowances

F = TypeVar("F", bound=Callable[..., Any])

FLAGS = {
    "last": "The plan may close a POP's last provider sessions, or its last switch.",
    "empty": "The plan may close every session of a device.",
    "capacity": "The plan may leave less of a POP's capacity than the inventory wants.",
    "unfiltered": "Provider sessions may be without an import or export filter.",
    "no-export": "The plan may leave nothing to announce.",
}


def guard_options(command: F) -> F:
    """``--allow-...`` of every guard; the command gets them as ``allow_...``."""
    decorate = click.option("--allow-resets", type=click.IntRange(0), default=0, metavar="N", help=_RESETS)
    command = decorate(command)
    decorate = click.option("--allow-removals", type=click.IntRange(0), default=0, metavar="N", help=_REMOVALS)
    command = decorate(command)
    for name, text in reversed(FLAGS.items()):
        command = click.option(f"--allow-{name}", is_flag=True, help=text)(command)
    return command


_REMOVALS = "So many provider sessions, or own prefixes, of a POP may be removed at once."
_RESETS = "So many Established provider sessions of a POP may restart without a question."


def allowances(parameters: dict[str, Any], *, asks: bool) -> Allowances:
    """What the options allow; where a person ``asks`` back, restarts are answered by the question."""
    from netorch.plan.guards import Allowances

    return Allowances(
        guards=frozenset(name for name in FLAGS if parameters[f"allow_{name.replace('-', '_')}"]),
        removals=parameters["allow_removals"],
        resets=None if asks else parameters["allow_resets"],
    )
