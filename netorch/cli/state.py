"""``netorch status`` and ``parse``: what is, without changing it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from netorch.cli.exit_codes import exit_code_of
from netorch.cli.options import (
    controller_for,
    interval_option,
    inventory_option,
    limit_option,
    metrics_option,
    output_option,
    targets_argument,
)
from netorch.errors import annotated


@click.command()
@targets_argument
@limit_option
@interval_option
@metrics_option
@output_option
@inventory_option
@click.pass_context
def status(
    ctx: click.Context,
    targets: tuple[str, ...],
    limit: tuple[str, ...],
    *,
    interval: float,
    metrics: Path | None,
    output: str,
) -> int:
    """Devices, sessions, prefixes, traffic, mirror, drift and drains.

    \b
    netorch status
    netorch status pop1 --interval 10
    netorch status sw1.pop1 -o json

    Traffic is what the switches' ports counted: in from a provider, out to it, the share of the circuit's capacity.
    """
    from netorch.app.status import get_status
    from netorch.app.targets import select_devices
    from netorch.cli.output import emit
    from netorch.cli.status_view import print_status

    with controller_for(ctx) as controller:
        names = select_devices(controller.inventory, targets, limit=limit)
        found = get_status(controller, names, interval_s=interval)
        finished = controller.clock.now()
    document = found.document()
    if metrics is not None:
        from netorch.io.traffic_metrics import write_traffic_metrics

        write_traffic_metrics(metrics, document["circuits"], finished=finished)
    if output == "table":
        print_status(document)
        for error in found.failures.values():
            click.echo(annotated(error), err=True)
    else:
        emit(document, output)
    return exit_code_of(found.failures, asked=len(names))


@click.command()
@click.argument("command")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=False)
@click.option("-o", "--output", type=click.Choice(["json", "yaml"]), default="json", show_default=True)
def parse(command: str, file: Path | None, *, output: str) -> None:
    """Turn the output of a COMMAND of birdc or vtysh, from FILE or standard input, into JSON.

    \b
    birdc show protocols all | netorch parse "show protocols all"
    birdc show route count | netorch parse "show route count"
    vtysh -c 'show bgp neighbors json' | netorch parse "show bgp neighbors json"

    Output of 'birdc -v' must end with a final reply code, so that a cut answer is never taken for a short one. birdc
    does not print the code of success (0000) itself: let another command follow.

    \b
    printf 'show protocols all\\neval 0\\n' | birdc -v | netorch parse "show protocols all"
    """
    from netorch.cli.output import emit
    from netorch.parse import parse_command

    data = sys.stdin.buffer.read() if file is None else file.read_bytes()
    emit(parse_command(command, data.decode("utf-8", errors="replace")), output)
