"""``netorch history``, ``rollback``, ``confirm`` and ``revert``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from netorch.cli.exit_codes import exit_code_of
from netorch.cli.guard_options import allowances, guard_options
from netorch.cli.options import (
    audit_option,
    controller_for,
    inventory_option,
    limit_option,
    output_option,
    show_warnings,
    some_targets_argument,
)
from netorch.errors import UsageError, annotated

if TYPE_CHECKING:
    from netorch.app.controller import Controller
    from netorch.app.history import Decision


@click.command()
@some_targets_argument
@limit_option
@output_option
@inventory_option
@click.pass_context
def history(ctx: click.Context, targets: tuple[str, ...], limit: tuple[str, ...], *, output: str) -> int:
    """Show the changes that devices keep, newest first: what, when, by whom and why."""
    from netorch.app.history import get_history, history_rows
    from netorch.cli.output import emit_rows

    with controller_for(ctx) as controller:
        names = _devices(controller, targets, limit)
        histories, failures = get_history(controller, names)
    rows = history_rows(histories)
    if rows or output != "table":
        emit_rows(rows, output, optional=("files", "commit", "operations"))
    for name in (name for name, kept in histories.items() if not kept and output == "table"):
        click.echo(f"{name}: nothing was ever deployed")
    for error in failures.values():
        click.echo(annotated(error), err=True)
    return exit_code_of(failures, asked=len(names))


@click.command()
@some_targets_argument
@limit_option
@click.option(
    "--to", type=click.IntRange(1), metavar="GENERATION", help="Of one device. Otherwise each goes back by one."
)
@click.option("--check", is_flag=True, help="Only show the plan.")
@click.option("--diff", is_flag=True, help="Show what changes inside files.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--reason", default="", help="Kept in the devices' history.")
@click.option("--allow-overlay", is_flag=True, help="Even if drains in force have changed policies.")
@guard_options
@output_option
@audit_option
@inventory_option
@click.pass_context
def rollback(ctx: click.Context, /, targets: tuple[str, ...], limit: tuple[str, ...], **wanted: Any) -> int:
    """Go back to what a device was: planned, shown, checked and confirmed like any deploy. Drains stay in force.

    The inventory does not change: netorch plan shows the difference, netorch run leaves the device alone, and the next netorch
    deploy brings it to the inventory again.
    """
    from netorch.app.history import make_rollback
    from netorch.app.transaction import Options
    from netorch.cli.carry_out import Wish, carry_out
    from netorch.plan.rollback import REASON

    is_asked = not wanted["yes"] and not wanted["check"]
    wish = Wish(
        check=wanted["check"],
        diff=wanted["diff"],
        yes=wanted["yes"],
        output=wanted["output"],
        allowed=allowances(wanted, asks=is_asked),
        options=Options(action="rollback", follows_up=False),
    )
    with controller_for(ctx) as controller:
        names = _devices(controller, targets, limit)
        if wanted["to"] is not None and len(names) > 1:
            raise UsageError(
                f"--to {wanted['to']} of {len(names)} devices: each numbers its own generations",
                hint="name one device, or leave --to out",
            )
        found = make_rollback(controller, names, to=wanted["to"], allow_overlay=wanted["allow_overlay"])
        show_warnings(found.world.warnings())
        more = f": {wanted['reason']}" if wanted["reason"] else ""
        reasons = {name: f"{REASON} {number}{more}" for name, number in found.numbers.items()}
        wish = replace(wish, options=replace(wish.options, reasons=reasons))
        return carry_out(controller, found.world, found.plan, failures=found.failures, wish=wish)


@click.command()
@some_targets_argument
@limit_option
@output_option
@audit_option
@inventory_option
@click.pass_context
def confirm(ctx: click.Context, targets: tuple[str, ...], limit: tuple[str, ...], *, output: str) -> int:
    """Make a change stay that waits for its confirmation, over a new connection. For when its controller has died."""
    return _decide(ctx, targets, limit, decision="confirm", output=output)


@click.command()
@some_targets_argument
@limit_option
@output_option
@audit_option
@inventory_option
@click.pass_context
def revert(ctx: click.Context, targets: tuple[str, ...], limit: tuple[str, ...], *, output: str) -> int:
    """Undo a change that waits for its confirmation, now rather than at its deadline."""
    return _decide(ctx, targets, limit, decision="revert", output=output)


def _decide(
    ctx: click.Context, targets: tuple[str, ...], limit: tuple[str, ...], *, decision: Decision, output: str
) -> int:
    from netorch.app.history import decide
    from netorch.app.results import failed_result
    from netorch.cli.output import emit_rows

    with controller_for(ctx) as controller:
        names = _devices(controller, targets, limit)
        found = decide(controller, names, decision)
    rows: list[dict[str, Any]] = []
    for name in names:
        if name in found.answers:
            answer = found.answers[name]
            message = "; ".join(filter(None, (answer.message, *answer.notes)))
            rows.append(_row(name, answer.outcome, generation=answer.generation, message=message))
        elif name in found.idle:
            rows.append(_row(name, "idle", message="no change waits"))
        else:
            failed = failed_result(name, found.failures[name])
            rows.append(_row(name, failed.outcome, message=failed.message))
    emit_rows(rows, output)
    for error in found.failures.values():
        click.echo(annotated(error), err=True)
    codes = {error.exit_code for error in found.failures.values()}
    if len(found.failures) == len(names) and len(codes) == 1 and codes != {1}:
        return codes.pop()
    return exit_code_of(found.failures, asked=len(names))


def _row(device: str, outcome: str, *, generation: int = 0, message: str = "") -> dict[str, Any]:
    return {"device": device, "outcome": outcome, "generation": generation or None, "message": message or None}


def _devices(controller: Controller, targets: tuple[str, ...], limit: tuple[str, ...]) -> tuple[str, ...]:
    from netorch.app.targets import select_devices

    names = select_devices(controller.inventory, targets, limit=limit)
    if not names:
        raise UsageError("these targets and --limit leave no device", hint="netorch status lists them")
    return names
