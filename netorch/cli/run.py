"""``netorch run``, for cron and timers."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

import click

from netorch.cli.options import controller_for, inventory_folder, inventory_option, limit_option, targets_argument
from netorch.errors import NetorchError


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
    from netorch.cli.carry_out import redactor
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
    """Whether this is the only run for the inventory on this machine; the kernel frees the lock when a process dies.

    The lock is on the folder itself. A lock file in a folder for all (/run/lock) belongs to whoever ran first, and the kernel
    lets nobody else open it there, not even root (fs.protected_regular).
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    except OSError as exc:
        hint = "keep the inventory on a file system of this machine"
        raise NetorchError(f"cannot be locked: {exc.strerror}", where=str(folder), hint=hint) from exc
    else:
        yield True
    finally:
        os.close(descriptor)
