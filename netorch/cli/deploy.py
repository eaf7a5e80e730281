"""``netorch plan`` and ``netorch deploy``."""

from __future__ import annotations

import sys
from typing import Any

import click

from netorch.cli.exit_codes import PENDING, exit_code_of
from netorch.cli.options import (
    controller_for,
    inventory_option,
    limit_option,
    output_option,
    some_targets_argument,
)
from netorch.errors import NetorchError, UsageError, annotated


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
    """Show what deploy would do: files, kernel items, sessions that will reset. Changes nothing."""
    with controller_for(ctx) as controller:
        planned, failures, _ = _make_plan(controller, targets, limit)
        _show(controller, planned, failures, diff=diff, output=output)
    if failures:
        return exit_code_of(failures, asked=len(planned.devices) + len(failures))
    return PENDING if detailed_exitcode and not planned.is_empty else 0


@click.command()
@some_targets_argument
@limit_option
@click.option("--check", is_flag=True, help="Only show the plan.")
@click.option("--diff", is_flag=True, help="Show what changes inside files.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--confirm-timeout",
    type=click.FloatRange(5, 3600),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="A device that hears no confirmation for so long goes back by itself.",
)
@click.option("--reason", default="", help="Kept in the devices' history.")
@output_option
@inventory_option
@click.pass_context
def deploy(
    ctx: click.Context,
    targets: tuple[str, ...],
    limit: tuple[str, ...],
    *,
    check: bool,
    diff: bool,
    yes: bool,
    confirm_timeout: float,
    reason: str,
    output: str,
) -> int:
    """Bring devices to what the inventory says: switches one by one, then the hosts, then the mirror."""
    from netorch.app.deploying import Options
    from netorch.app.deploying import deploy as execute
    from netorch.cli.plan_view import plan_document, print_plan, print_results, results_document

    with controller_for(ctx) as controller:
        planned, failures, world = _make_plan(controller, targets, limit)
        redact = redactor(controller)
        documents = [plan_document(planned, redact)]
        if check:
            _show(controller, planned, failures, diff=diff, output=output)
            return exit_code_of(failures, asked=len(planned.devices) + len(failures))
        if output == "table" and not planned.is_empty:
            print_plan(planned, redact, diff=diff)
        if not planned.is_empty and not yes:
            for error in failures.values():
                click.echo(annotated(error), err=True)
            _ask(planned)

        def show(later: Any) -> None:
            documents.append(plan_document(later, redact))
            if output == "table":
                print_plan(later, redact, diff=diff, title="the step that had to wait:")

        options = Options(confirm_timeout_s=confirm_timeout, reason=reason)
        result = execute(controller, world, planned, failures=failures, options=options, show=show)
    if output == "table":
        print_results(result)
    else:
        from netorch.cli.output import emit

        emit({"plans": documents, "results": results_document(result), "exit_code": result.exit_code}, output)
    return result.exit_code


def _make_plan(controller: Any, targets: tuple[str, ...], limit: tuple[str, ...]) -> tuple[Any, dict[str, Any], Any]:
    from netorch.app.gather import gather_world
    from netorch.app.planning import make_plan
    from netorch.app.targets import select_devices

    names = select_devices(controller.inventory, targets, limit=limit)
    if not names:
        raise UsageError("these targets and --limit leave no device", hint="netorch status lists them")
    world = gather_world(controller, names)
    planned, failures = make_plan(controller, world, names)
    failures.update({name: error for name, error in world.failures.items() if name in names})
    return planned, failures, world


def _show(controller: Any, planned: Any, failures: dict[str, NetorchError], *, diff: bool, output: str) -> None:
    from netorch.cli.output import emit
    from netorch.cli.plan_view import plan_document, print_plan

    redact = redactor(controller)
    if output == "table":
        print_plan(planned, redact, diff=diff)
        if planned.is_empty and not failures:
            click.echo("nothing to do")
        for error in failures.values():
            click.echo(annotated(error), err=True)
    else:
        document = plan_document(planned, redact)
        document["failures"] = [
            {"device": name, "message": error.message, "hint": error.hint or None} for name, error in failures.items()
        ]
        emit(document, output)


def _ask(planned: Any) -> None:
    changed = [device.device for device in planned.devices if not device.is_empty]
    resets = sum(len(device.resets) for device in planned.devices)
    question = f"Change {len(changed)} devices, {resets} sessions start, close or restart?"
    if not sys.stdin.isatty():
        raise UsageError("this would change devices, and nobody is at the terminal to agree", hint="add --yes")
    if not click.confirm(question):
        raise NetorchError("nothing was changed")


def redactor(controller: Any) -> Any:
    """Masks every secret that the inventory refers to."""
    from netorch.render import redact

    secrets = []
    for circuit in controller.inventory.circuits:
        if circuit.password is not None:
            try:
                secrets.append(controller.secrets.resolve(str(circuit.password)))
            except NetorchError:
                continue  # a device that needs it fails with this very error
    return lambda text: redact(text, secrets)
