"""``netorch run``, for cron and timers."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netorch.cli.folder_locks import only_run
from netorch.cli.options import (
    audit_option,
    controller_for,
    inventory_folder,
    inventory_option,
    limit_option,
    metrics_option,
    show_warnings,
    targets_argument,
)

if TYPE_CHECKING:
    from netorch.app.running import RunResult
    from netorch.io.metrics_file import RunMetrics


@click.command()
@targets_argument
@limit_option
@click.option(
    "--jitter",
    type=click.FloatRange(0, 86400),
    default=0,
    metavar="SECONDS",
    help="Begin after a random time of up to this, so that many machines do not begin at once.",
)
@click.option(
    "--max-runtime",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="Stop after this time: what is confirmed stays, nothing more begins, exit code 1.",
)
@metrics_option
@audit_option
@inventory_option
@click.pass_context
def run(
    ctx: click.Context,
    targets: tuple[str, ...],
    limit: tuple[str, ...],
    *,
    jitter: float,
    max_runtime: float | None,
    metrics: Path | None,
) -> int:
    """Bring devices back to what the inventory and the drains in force say.

    Prints nothing when nothing was wrong. Exits 0 at once when another run is still at work, and 5 while a deploy or rollback
    from the same inventory is. Devices in maintenance are left alone; guards cannot be overridden.
    """
    from netorch.io.clock import SystemClock

    clock = SystemClock()
    if jitter:
        clock.wait(random.uniform(0, jitter))  # noqa: S311 - spreads load, keeps no secret
    with only_run(inventory_folder(ctx)) as is_alone:
        if not is_alone:
            return 0
        started = clock.monotonic()
        result = _reconcile(ctx, targets, limit, ends_at=None if max_runtime is None else started + max_runtime)
        duration_s = clock.monotonic() - started
        show_warnings(result.warnings)
        if not result.is_quiet:
            from netorch.cli.plan_view import print_results

            print_results(result.deployed)
        if result.is_late:
            text = f"netorch run: its {max_runtime:g} s were over before it was done (--max-runtime)"
            click.echo(f"{text}; what is confirmed stays", err=True)
        if metrics is not None:
            from netorch.io.metrics_file import write_metrics

            write_metrics(metrics, _metrics(result, finished=clock.now(), duration_s=duration_s))
    return result.exit_code


def _reconcile(
    ctx: click.Context, targets: tuple[str, ...], limit: tuple[str, ...], *, ends_at: float | None
) -> RunResult:
    from netorch.app.running import reconcile
    from netorch.app.targets import select_devices
    from netorch.cli.plan_view import print_plan

    with controller_for(ctx, quiet=True) as controller:
        redact = controller.redact
        names = select_devices(controller.inventory, targets, limit=limit)
        return reconcile(replace(controller, ends_at=ends_at), names, lambda plan: print_plan(plan, redact, diff=False))


def _metrics(result: RunResult, *, finished: float, duration_s: float) -> RunMetrics:
    from netorch.io.metrics_file import RunMetrics

    outcomes = Counter(one.outcome for one in result.deployed.results)
    return RunMetrics(
        finished=finished,
        duration_s=duration_s,
        exit_code=result.exit_code,
        drift={device.device: len(device.operations) for device in result.plan.devices},
        outcomes=outcomes,
        drains=len(result.overlay.active("drain")),
        reverted=outcomes["reverted"],
        expiries=result.expiries,
        certificates=Counter(one.outcome for one in result.deployed.certificates),
        validators=result.validators,
    )
