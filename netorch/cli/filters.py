"""``netorch filters``: what registries say that providers may announce."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from netorch.cli.options import inventory_folder, inventory_option, output_option

if TYPE_CHECKING:
    from netorch.app.registries import Outcome

HELD_BACK = 7
FAILED = 1


@click.group()
def filters() -> None:
    """What registries say that providers may announce: prefixes and AS numbers of their AS-SETs, and how many.

    \b
    netorch filters update            ask about every provider, keep the answers
    netorch filters show              what is kept, and how old it is
    """


@filters.command()
@click.argument("providers", metavar="[PROVIDER]...", nargs=-1)
@click.option("--accept", is_flag=True, help="Take answers that change more than the inventory lets pass.")
@click.option("-q", "--quiet", is_flag=True, help="Print failures and what was held back, nothing else; for cron.")
@output_option
@inventory_option
@click.pass_context
def update(ctx: click.Context, providers: tuple[str, ...], *, accept: bool, quiet: bool, output: str) -> int:
    """Ask registries about providers, and keep what they say.

    An answer that is empty, cut or late changes nothing: the last good one stays. So it does where more of a list comes or goes
    than network.yml lets pass (max_change_percent), until somebody accepts it. Devices get the lists with the next deploy or run.

    \b
    netorch filters update
    netorch filters update meadow --accept

    Exit codes: 0 asked and kept, 1 some question failed, 7 some answer is held back, 64 usage.
    """
    from netorch.app.inventory import read_inventory
    from netorch.app.registries import FAILED as HAS_FAILED
    from netorch.app.registries import HELD, update_registries
    from netorch.cli.output import emit
    from netorch.io.clock import SystemClock

    def tell(outcome: Outcome) -> None:
        if output == "table" and not (quiet and outcome.result not in (HELD, HAS_FAILED)):
            print_outcome(outcome)

    inventory = read_inventory(inventory_folder(ctx))
    outcomes = update_registries(inventory, providers, accept=accept, now=SystemClock().now(), tell=tell)
    if output != "table":
        emit([vars(outcome) for outcome in outcomes], output)
    results = {outcome.result for outcome in outcomes}
    return HELD_BACK if HELD in results else FAILED if HAS_FAILED in results else 0


def print_outcome(outcome: Outcome) -> None:
    """A line for each, failures and what waits for a person on standard error."""
    is_wrong = outcome.result in ("failed", "held back")
    click.secho(
        f"{outcome.provider}: {outcome.kind}: {outcome.result}: {outcome.message}",
        fg="yellow" if is_wrong else None,
        err=is_wrong,
    )
    if outcome.hint:
        click.echo(f"  hint: {outcome.hint}", err=True)


@filters.command()
@output_option
@inventory_option
@click.pass_context
def show(ctx: click.Context, *, output: str) -> None:
    """What is kept of each provider, how old it is, and why there is nothing newer.

    \b
    netorch filters show
    netorch filters show -o json
    """
    from netorch.app.inventory import read_inventory
    from netorch.app.registries import registry_rows, registry_warnings
    from netorch.cli.options import show_warnings
    from netorch.cli.output import emit_rows
    from netorch.io.clock import SystemClock

    inventory = read_inventory(inventory_folder(ctx))
    now = SystemClock().now()
    rows = registry_rows(inventory, now=now)
    if not rows and output == "table":
        click.echo("no provider is looked up anywhere (providers.yml: irr: AS-NAME, or peeringdb: true)")
        return
    columns = [name for name in rows[0] if name != "problem"] if rows else []
    emit_rows(rows, output, columns=columns, optional=("fetched", "asns"))
    if output == "table":
        for row in rows:
            if row["problem"]:
                click.secho(f"{row['provider']}: {row['source']}: {row['problem']}", fg="yellow")
        show_warnings(registry_warnings(inventory, now=now))
