"""``netorch explain``: the way of packets to a destination, step by step, and why each other way lost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netorch.cli.exit_codes import exit_code_of, one_device
from netorch.cli.options import controller_for, inventory_option, output_option, show_warnings
from netorch.errors import UsageError, annotated
from netorch.model.types import read_address

if TYPE_CHECKING:
    from netorch.model.types import IPAddress

BROKEN = 1
LESS_OF_LOST = ("prefix", "circuit", "next_hop")
LESS_OF_MARKS = ("frame_mac", "kernel_interface", "prefix")
LESS_OF_MANY = ("source", "kernel_table", "prefix", "via", "kernel_interface")
_WIDTH = 10
_EXAMPLE = "netorch explain 1.144.0.1 --from h1.pop1"


@click.command()
@click.argument("destinations", nargs=-1, metavar="DESTINATION")
@click.option("--from", "hosts", multiple=True, metavar="HOST", help="The host that sends; required.")
@click.option("--via", metavar="PROVIDER", help="Of packets that are marked for this provider.")
@click.option("--mark", type=click.IntRange(0, 2**32 - 1), metavar="NUMBER", help="Of packets with this mark.")
@click.option("--no-packet", is_flag=True, help="Send nothing: no frame is looked at.")
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Many destinations, one a line; - is standard input. Every mark, in short, without packets.",
)
@output_option
@inventory_option
@click.pass_context
def explain(
    ctx: click.Context,
    /,
    destinations: tuple[str, ...],
    *,
    hosts: tuple[str, ...],
    via: str | None,
    mark: int | None,
    no_packet: bool,
    file: Path | None,
    output: str,
) -> int:
    """Tell step by step why packets to DESTINATION, an IPv4 or IPv6 address, leave a host as they do.

    \b
    netorch explain 1.144.0.1 --from h1.pop1
    netorch explain 2425:c770::1 --from h1.pop1 --via meadow
    netorch explain 1.144.0.1 --from h1.pop1 -o json
    netorch explain --file destinations.txt --from role:host -o json

    Rule, table, route, provider, next hop, neighbour, uplink, switch port; what was against each other circuit; and whether the
    kernel agrees, for every mark, and a packet that is sent by each and captured on its way out.

    Exit code 0 when packets go where they should, 1 when something is broken, 3 or 4 when hosts could not be asked.
    """
    if not hosts:
        raise UsageError("expected --from HOST, the host that sends, found none", hint=_EXAMPLE)
    if file is not None:
        _refuse_beside_file(destinations, via, mark)
        return _explain_many(ctx, hosts, _addresses(file), output=output)
    if len(destinations) != 1:
        raise UsageError(f"expected one DESTINATION, found {' '.join(destinations) or 'none'}", hint=_EXAMPLE)
    (destination,) = destinations
    if via is not None and mark is not None:
        raise UsageError("--via and --mark: expected one of them", hint="--via PROVIDER is its mark: docs/marks.md")
    if len(hosts) > 1:
        raise UsageError("several hosts: expected one --from HOST", hint="--file - tells many at once, in short")
    if _is_address(hosts[0]) and not _is_address(destination):
        raise UsageError(
            f"--from: expected a host, found the address {hosts[0]}; destination: expected an address, found {destination!r}",
            hint=f"the other way round? netorch explain {hosts[0]} --from {destination}",
        )
    return _explain_one(ctx, _address(destination), hosts[0], via=via, mark=mark, send=not no_packet, output=output)


def _refuse_beside_file(destinations: tuple[str, ...], via: str | None, mark: int | None) -> None:
    if destinations or via is not None or mark is not None:
        raise UsageError("--file: expected no DESTINATION, --via or --mark beside it", hint="it tells of every mark")


def _explain_one(
    ctx: click.Context,
    destination: IPAddress,
    host: str,
    *,
    via: str | None,
    mark: int | None,
    send: bool,
    output: str,
) -> int:
    from netorch.app.explaining import explain as explain_way
    from netorch.app.explaining import host_named, mark_of
    from netorch.cli.output import emit

    with controller_for(ctx) as controller:
        number = mark_of(host_named(controller, host), via) if via is not None else mark or 0
        with one_device():
            found = explain_way(controller, host, destination, mark=number, send=send)
    if output == "table":
        print_explanation(found.document)
    else:
        emit(found.document, output)
    return BROKEN if found.is_broken else 0


def print_explanation(document: dict[str, Any]) -> None:
    """The steps, a line each; then the circuits that lost, every mark, and what is wrong."""
    from netorch.cli.explain_view import steps
    from netorch.cli.output import emit_rows

    via = f", marked for {document['via']} ({document['mark']})" if document["mark"] else ""
    click.secho(f"{document['destination']} from {document['host']}{via}", bold=True)
    for name, text, is_ok in steps(document):
        click.secho(f"  {name:<{_WIDTH}} {text}", fg=None if is_ok else "red")
    if document["lost"]:
        click.echo("\nnot taken")
        emit_rows(document["lost"], "table", columns=_columns("lost"), optional=LESS_OF_LOST)
    click.echo("\nby mark")
    emit_rows(document["marks"], "table", columns=_columns("marks"), optional=LESS_OF_MARKS)
    if document["findings"]:
        click.echo()
    for finding in document["findings"]:
        word = "broken" if finding["broken"] else "note"
        click.secho(f"{word}: {finding['text']}", fg="red" if finding["broken"] else "yellow")


def _columns(name: str) -> tuple[str, ...]:
    if name == "lost":
        return ("provider", "circuit", "next_hop", "prefix", "why")
    return ("mark", "via", "state", "table", "prefix", "kernel_next_hop", "kernel_interface", "frame_mac", "agrees")


def _explain_many(
    ctx: click.Context, hosts: tuple[str, ...], destinations: tuple[IPAddress, ...], *, output: str
) -> int:
    from netorch.app.explaining import explain_many
    from netorch.app.targets import select_devices
    from netorch.cli.output import emit, emit_rows

    with controller_for(ctx) as controller:
        names = select_devices(controller.inventory, hosts, limit=["role:host"])
        if not names:
            raise UsageError(f"no host is meant by {' '.join(hosts)}", hint="--from role:host takes all of them")
        rows, failures = explain_many(controller, names, destinations)
    wrong = [row for row in rows if not row["agrees"]]
    if output != "table":
        emit(rows, output)
    else:
        if wrong:
            emit_rows(wrong, "table", optional=LESS_OF_MANY)
        click.echo(f"{len(rows)} ways: the kernel agrees with {len(rows) - len(wrong)}")
    for error in failures.values():
        click.echo(annotated(error), err=True)
    show_warnings(())
    return exit_code_of(failures, asked=len(names)) or (BROKEN if wrong else 0)


def _addresses(file: Path) -> tuple[IPAddress, ...]:
    name = "standard input" if str(file) == "-" else str(file)
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{name}: cannot be read: {error}", hint="a text file with an address a line") from None
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        word = line.partition("#")[0].strip()
        if word:
            found.append(_address(word, where=f"{name}:{number}: "))
    if not found:
        raise UsageError(f"{name}: expected addresses, found none", hint="one a line; # begins a remark")
    return tuple(found)


def _is_address(text: str) -> bool:
    try:
        read_address(text)
    except ValueError:
        return False
    return True


def _address(text: str, where: str = "") -> IPAddress:
    try:
        return read_address(text)
    except ValueError:
        raise UsageError(
            f"{where}destination: expected an IPv4 or IPv6 address, found {text!r}",
            hint="names are not looked up: which address of it do you mean?",
        ) from None
