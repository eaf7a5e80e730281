"""``netorch run``, for cron and timers."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

import click

from netorch.cli.options import controller_for, inventory_folder, inventory_option, limit_option, targets_argument


@click.command()
@targets_argument
@limit_option
@inventory_option
@click.pass_context
def run(ctx: click.Context, targets: tuple[str, ...], limit: tuple[str, ...]) -> int:
    """Bring devices back to what the inventory and the drains in force say.

    Prints nothing when nothing was wrong. Exits 0 at once when another run is still at work.
    """
    from netorch.app.running import reconcile
    from netorch.app.targets import select_devices
    from netorch.cli.deploy import redactor
    from netorch.cli.plan_view import print_plan, print_results

    with _only_run(inventory_folder(ctx)) as is_alone:
        if not is_alone:
            return 0
        with controller_for(ctx, quiet=True) as controller:
            redact = redactor(controller)

            def show(plan: Any) -> None:
                print_plan(plan, redact, diff=False)

            names = select_devices(controller.inventory, targets, limit=limit)
            result = reconcile(controller, names, show)
        if not result.is_quiet:
            print_results(result.deployed)
    return result.deployed.exit_code


@contextmanager
def _only_run(folder: Path) -> Iterator[bool]:
    """Whether this is the only run for the inventory on this machine; the kernel frees the lock when a process dies."""
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    directory = (
        Path("/run/lock")
        if os.access("/run/lock", os.W_OK)
        else Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    )
    descriptor = os.open(directory / f"netorch-run-{name}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)
