"""``netorch status``, ``parse`` and ``ping``: what is, without changing it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from netorch.cli.exit_codes import exit_code_of
from netorch.cli.options import controller_for, inventory_option, limit_option, output_option, targets_argument
from netorch.errors import UsageError, annotated


@click.command()
@targets_argument
@limit_option
@output_option
@inventory_option
@click.pass_context
def status(ctx: click.Context, targets: tuple[str, ...], limit: tuple[str, ...], *, output: str) -> int:
    """Devices, sessions, prefixes, mirror, drift and drains."""
    from netorch.app.status import get_status
    from netorch.app.targets import select_devices
    from netorch.cli.output import emit
    from netorch.cli.status_view import print_status

    with controller_for(ctx) as controller:
        names = select_devices(controller.inventory, targets, limit=limit)
        found = get_status(controller, names)
    document = found.document()
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


@click.command()
@click.argument("destination")
@click.option("--pop", help="From the hosts of this POP.")
@click.option("--from", "hosts", multiple=True, metavar="HOST", help="Only from this host; may be repeated.")
@click.option("--count", type=click.IntRange(1, 100_000), default=5, show_default=True, help="Packets per provider.")
@click.option("--interval", type=click.FloatRange(0.001, 60), default=0.2, show_default=True, metavar="SECONDS")
@output_option
@inventory_option
@click.pass_context
def ping(
    ctx: click.Context,
    destination: str,
    *,
    pop: str | None,
    hosts: tuple[str, ...],
    count: int,
    interval: float,
    output: str,
) -> int:
    """Ping DESTINATION, an IPv4 or IPv6 address, through every provider at once; a line for each.

    Exit code 0 when something was answered, 1 when nothing was.
    """
    from netorch.app.pinging import ping_providers
    from netorch.app.targets import select_devices
    from netorch.cli.output import emit_rows

    address = _address(destination)
    if pop is None and not hosts:
        raise UsageError("no place to ping from", hint="name a POP or a host: --pop pop1, --from h1.pop1")
    with controller_for(ctx) as controller:
        names = select_devices(controller.inventory, [pop or "*"], limit=["role:host"])
        if hosts:
            wanted = select_devices(controller.inventory, hosts)
            names = tuple(name for name in names if name in wanted)
        rows, failures = ping_providers(controller, address, names, count=count, interval_s=interval)
    documents = [row.document() for row in rows]
    columns = ["host", "provider", "sent", "received", "loss_percent", "min_ms", "median_ms", "p90_ms", "p99_ms"]
    if any(document["error"] for document in documents):
        columns.append("error")
    if documents or output != "table":
        emit_rows(documents, output, columns=columns)
    for error in failures.values():
        click.echo(annotated(error), err=True)
    if failures:
        return exit_code_of(failures, asked=len(names))
    return 0 if any(document["received"] for document in documents) else 1


def _address(text: str) -> Any:
    import ipaddress

    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise UsageError(
            f"destination: expected an IPv4 or IPv6 address, found {text!r}",
            hint="names are not looked up: which address of it would you test?",
        ) from None
