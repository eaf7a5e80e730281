"""``netorch check``: a plugin for Nagios and its relatives."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from netorch.cli.options import controller_for, inventory_option, limit_option, targets_argument
from netorch.errors import NetorchError, first_line
from netorch.model.text import one_line

if TYPE_CHECKING:
    from netorch.app.health import Figure, Health

STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
LINE_BYTES = 2000
"""Nagios keeps 8 KiB of output; what comes before the figures must not push them out."""


@click.command()
@targets_argument
@limit_option
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=30,
    show_default=True,
    metavar="SECONDS",
    help="Devices that have not answered by then count as unreachable.",
)
@inventory_option
@click.pass_context
def check(ctx: click.Context, targets: tuple[str, ...], limit: tuple[str, ...], *, timeout: float) -> int:
    """Tell a monitoring system how devices, sessions, mirror and agents are, in one line.

    Exits 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. Says what is wrong first, worst first; figures follow as perfdata.
    """
    from netorch.app.health import UNKNOWN, check_health
    from netorch.app.targets import select_devices

    try:
        with controller_for(ctx, quiet=True) as controller:
            names = select_devices(controller.inventory, targets, limit=limit)
            hurried = replace(controller, ends_at=controller.clock.monotonic() + timeout)
            health = check_health(hurried, names)
    except NetorchError as error:
        click.echo(f"NETORCH UNKNOWN - {one_line(first_line(str(error)), max_bytes=LINE_BYTES)}")
        return UNKNOWN
    click.echo(line_of(health))
    return health.state


def line_of(health: Health) -> str:
    """The one line: state, what is wrong, and figures as perfdata (``'label'=value[unit];warning;critical;min;max``)."""
    said = "; ".join(f"{trouble.where}: {trouble.text}" for trouble in health.troubles) or _summary(health)
    text = one_line(said, max_bytes=LINE_BYTES).replace("|", "/")  # what follows a bar is perfdata
    return f"NETORCH {STATES[health.state]} - {text} | {' '.join(map(_perfdata, health.figures))}"


def _summary(health: Health) -> str:
    return ", ".join(f"{figure.value:g} of {figure.total:g} {figure.name}" for figure in health.figures if figure.total)


def _perfdata(figure: Figure) -> str:
    if figure.total is None:
        return f"{figure.name}={figure.value:.0f}{figure.unit}"
    return f"{figure.name}={figure.value:g};{figure.total:g}:;;0;{figure.total:g}"
