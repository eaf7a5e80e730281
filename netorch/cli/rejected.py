"""``netorch rejected``: what switches refused of a provider, by reason."""

from __future__ import annotations

from typing import Any

import click

from netorch.cli.exit_codes import exit_code_of
from netorch.cli.options import controller_for, inventory_option, output_option
from netorch.errors import annotated

LIMIT = 20
SHOWN_NUMBERS = 10
"""Of an AS path in a table; -o json has all."""


@click.command()
@click.argument("provider")
@click.option("--pop", help="Only the switches of this POP.")
@click.option("--reason", metavar="REASON", help="Only what was refused for this, such as prefix_bogon.")
@click.option(
    "--limit",
    type=click.IntRange(0, 1_000_000),
    default=LIMIT,
    show_default=True,
    metavar="N",
    help="List so many routes of each session; all are counted.",
)
@output_option
@inventory_option
@click.pass_context
def rejected(ctx: click.Context, provider: str, *, pop: str | None, reason: str | None, limit: int, output: str) -> int:
    """Count and list the routes that were refused of PROVIDER, by reason.

    \b
    netorch rejected northtel
    netorch rejected meadow --pop pop1 --reason path_never_via --limit 100
    netorch rejected bakery -o json

    docs/policy.md lists the reasons. A switch with BIRD keeps refused routes with the reason, as large community
    ASN:9:CODE; of one with FRR the reason is found out from what the neighbour sent. What a daemon drops before any filter
    it only counts, since the session came up.
    """
    from netorch.app.rejected import ask_rejected, find_reason
    from netorch.cli.output import emit

    wanted = find_reason(reason) if reason is not None else None
    with controller_for(ctx) as controller:
        found = ask_rejected(controller, provider, pop=pop, limit=limit, reason=wanted)
    document = found.document()
    if output == "table":
        print_rejections(document, limit=limit)
        for error in found.failures.values():
            click.echo(annotated(error), err=True)
    else:
        emit(document, output)
    return exit_code_of(found.failures, asked=found.asked)


def print_rejections(document: dict[str, Any], *, limit: int) -> None:
    """Reasons with their counts, then the routes of each session."""
    from netorch.cli.output import emit_rows
    from netorch.model.text import counted

    reasons = [
        {"reason": row["reason"], "code": row["code"], "routes": row["routes"], "what": row["text"]}
        for row in document["reasons"]
    ]
    if reasons:
        emit_rows(reasons, "table", optional=("code",))
        click.echo()
    for number, session in enumerate(document["sessions"]):
        if number:
            click.echo()
        place = f"{session['session']} on {session['device']}"
        if session["problem"]:
            click.secho(f"{place}: {session['problem']}", fg="yellow")
            continue
        routes = [
            {"prefix": row["prefix"], "reason": row["reason"], "next_hop": row["next_hop"], "as_path": row["as_path"]}
            for row in document["routes"]
            if (row["session"], row["device"]) == (session["session"], session["device"])
        ]
        more = session["refused"] - len(routes)
        note = f", {more} of them not listed (--limit)" if more and limit else ""
        click.secho(f"{place}: {session['refused']} refused{note}", bold=True)
        for count in session["dropped"] or ():
            said = f"{counted(count['announcements'], 'announcement')} dropped by the daemon itself, which only counts them"
            click.secho(f"  and {said}: {count['text']}", fg="yellow")
        if routes:
            rows = [{**row, "as_path": path_text(row["as_path"])} for row in routes]
            emit_rows(rows, "table", optional=("next_hop",))


def path_text(path: list[str]) -> str:
    """An AS path for a table: of a long one its beginning, and how many numbers it has."""
    shown = " ".join(path[:SHOWN_NUMBERS])
    return shown if len(path) <= SHOWN_NUMBERS else f"{shown} ... ({len(path)} numbers)"
