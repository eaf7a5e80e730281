"""``netorch plan`` and ``netorch deploy``."""

from __future__ import annotations

from typing import Any

import click

from netorch.cli.exit_codes import PENDING, exit_code_of
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
from netorch.errors import UsageError


@click.command()
@some_targets_argument
@limit_option
@click.option("--diff", is_flag=True, help="Show what changes inside files.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when changes are pending.")
@output_option
@inventory_option
@click.pass_context
def plan(
    ctx: click.Context,
    targets: tuple[str, ...],
    limit: tuple[str, ...],
    *,
    diff: bool,
    detailed_exitcode: bool,
    output: str,
) -> int:
    """Show what deploy would do: files, kernel items, sessions that will reset, guards that would refuse. Changes nothing.

    Exit code 3 where some devices cannot be planned or would refuse the plan, 1 or 4 where all of them.
    """
    from netorch.app.planning import refusals, without_obstacles
    from netorch.cli.carry_out import show_plan

    with controller_for(ctx) as controller:
        planned, failures, world = _make_plan(controller, targets, limit)
        refused = refusals(controller, world, planned)
        show_plan(controller, planned, failures, refused=refused, diff=diff, output=output)
    asked = len(planned.devices) + len(failures)
    _, failures = without_obstacles(planned, failures)
    if failures:
        return exit_code_of(failures, asked=asked)
    return PENDING if detailed_exitcode and not planned.is_empty else 0


@click.command()
@some_targets_argument
@limit_option
@click.option("--check", is_flag=True, help="Only show the plan.")
@click.option("--diff", is_flag=True, help="Show what changes inside files.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--batch",
    metavar="SIZES",
    default="1,25%,100%",
    show_default=True,
    help="How many hosts are changed at once: numbers, or percentages of all. Switches always go one by one.",
)
@click.option(
    "--soak",
    type=click.FloatRange(0, 86400),
    default=0,
    metavar="SECONDS",
    help="Wait so long after each batch, and look at it again before the next.",
)
@click.option(
    "--confirm-timeout",
    type=click.FloatRange(5, 3600),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="A device that hears no confirmation for so long goes back by itself.",
)
@click.option("--reason", default="", help="Kept in the devices' history.")
@guard_options
@output_option
@audit_option
@inventory_option
@click.pass_context
def deploy(ctx: click.Context, /, targets: tuple[str, ...], limit: tuple[str, ...], **wanted: Any) -> int:
    """Bring devices to what the inventory says: POP by POP, switches one by one, then the hosts, then the mirror."""
    from netorch.app.deploying import Options
    from netorch.cli.carry_out import Wish, carry_out
    from netorch.plan.rollout import parse_sizes

    options = Options(
        confirm_timeout_s=wanted["confirm_timeout"],
        reason=wanted["reason"],
        sizes=parse_sizes(wanted["batch"]),
        soak_s=wanted["soak"],
    )
    is_asked = not wanted["yes"] and not wanted["check"]
    wish = Wish(
        check=wanted["check"],
        diff=wanted["diff"],
        yes=wanted["yes"],
        output=wanted["output"],
        allowed=allowances(wanted, asks=is_asked),
        options=options,
    )
    with controller_for(ctx) as controller:
        planned, failures, world = _make_plan(controller, targets, limit)
        return carry_out(controller, world, planned, failures=failures, wish=wish)


def _make_plan(controller: Any, targets: tuple[str, ...], limit: tuple[str, ...]) -> tuple[Any, dict[str, Any], Any]:
    from netorch.app.certificates import certificate_notes
    from netorch.app.gather import gather_world
    from netorch.app.history import rollback_notes
    from netorch.app.planning import make_plan, with_notes
    from netorch.app.targets import select_devices

    names = select_devices(controller.inventory, targets, limit=limit)
    if not names:
        raise UsageError("these targets and --limit leave no device", hint="netorch status lists them")
    world = gather_world(controller, names)
    show_warnings(world.warnings())
    planned, failures = make_plan(controller, world, names)
    planned = with_notes(planned, rollback_notes(world.facts, planned))
    return with_notes(planned, certificate_notes(controller, world.facts, names)), failures, world
