"""``netorch graph``: a POP as a picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netorch.cli.exit_codes import exit_code_of
from netorch.cli.options import controller_for, interval_option, inventory_option
from netorch.errors import UsageError, annotated

if TYPE_CHECKING:
    from netorch.model.inventory import Inventory, Pop
    from netorch.model.picture import PopPicture

FORMATS = ("svg", "dot", "json")


@click.command()
@click.argument("pop")
@click.option(
    "-o",
    "--output",
    type=click.Choice(FORMATS),
    help="What it is written in.  [default: as the name of --out, else svg]",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write it there instead of to standard output.",
)
@interval_option
@inventory_option
@click.pass_context
def graph(ctx: click.Context, pop: str, *, output: str | None, out: Path | None, interval: float) -> int:
    """Draw POP as it is now: providers, circuits, switches, hosts; sessions, states, traffic, drains.

    \b
    netorch graph pop1 --out pop1.svg
    netorch graph pop1 -o svg > pop1.svg
    netorch graph pop1 -o dot | dot -Tpdf > pop1.pdf
    """
    from netorch.app.pop_picture import picture_of
    from netorch.app.status import get_status

    kind = _kind(output, out)
    if kind == "svg" and out is None and sys.stdout.isatty():
        raise UsageError("a picture is nothing to read on a terminal", hint=f"write it to a file: --out {pop}.svg")
    if out is not None:
        from netorch.io.text_files import require_folder

        require_folder(out, option="--out")
    with controller_for(ctx) as controller:
        chosen = _pop(controller.inventory, pop)
        names = tuple(device.name for device in chosen.devices)
        status = get_status(controller, names, interval_s=interval)
        picture = picture_of(controller.inventory, chosen, status, now=controller.clock.now())
    if out is None:
        click.echo(_drawn(picture, kind), nl=False)
    else:
        from netorch.io.text_files import write_text

        write_text(out, _drawn(picture, kind))
    for error in status.failures.values():
        click.echo(annotated(error), err=True)
    return exit_code_of(status.failures, asked=len(names))


def _kind(output: str | None, out: Path | None) -> str:
    if output is not None:
        return output
    if out is None:
        return "svg"
    if out.suffix[1:] in FORMATS:
        return out.suffix[1:]
    raise UsageError(f"--out {out}: expected a name that ends in .svg, .dot or .json", hint="or say which with -o")


def _pop(inventory: Inventory, name: str) -> Pop:
    from netorch.model.text import did_you_mean

    try:
        return inventory.pop(name)
    except KeyError:
        known = [pop.name for pop in inventory.pops]
        raise UsageError(f"no POP {name!r}", hint=did_you_mean(name, known, otherwise="there are ")) from None


def _drawn(picture: PopPicture, kind: str) -> str:
    if kind == "json":
        import json

        from netorch.model.codec import to_json

        return json.dumps(to_json(picture, kinds=False), indent=2, ensure_ascii=False) + "\n"
    if kind == "dot":
        from netorch.io.pop_dot import pop_dot

        return pop_dot(picture)
    from netorch.io.pop_svg import pop_svg

    return pop_svg(picture)
