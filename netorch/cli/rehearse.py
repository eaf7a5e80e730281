"""``netorch rehearse``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from netorch.cli.options import controller_for, inventory_option, limit_option, output_option, some_targets_argument
from netorch.errors import NetorchError, UsageError


@click.command()
@some_targets_argument
@limit_option
@click.option("--offline", is_flag=True, help="Do not ask the devices: they run what --base says.")
@click.option(
    "--base",
    metavar="DIR|REV",
    help="The inventory that is deployed today: a folder, or a revision of the inventory's git repository. [HEAD]",
)
@click.option(
    "--prefixes",
    type=click.IntRange(10, 100_000),
    default=200,
    show_default=True,
    help="How many prefixes of each family a provider announces in the twin.",
)
@output_option
@inventory_option
@click.pass_context
def rehearse(
    ctx: click.Context,
    targets: tuple[str, ...],
    limit: tuple[str, ...],
    *,
    offline: bool,
    base: str | None,
    prefixes: int,
    output: str,
) -> int:
    """Try the inventory on the twin of the targets' POPs, on this machine. Needs root; touches no device.

    Exit code 0 when nothing worrying happens, 7 when a guard would refuse the change.
    """
    from netorch.cli.output import emit
    from netorch.cli.rehearse_view import print_rehearsal
    from netorch.rehearsal.isolation import require_root

    require_root()
    with controller_for(ctx) as controller:
        brief = _brief(controller, targets, limit, offline=offline, base=base, prefixes=prefixes)
    document = _play(brief)
    if output == "table":
        print_rehearsal(document)
    else:
        emit(document, output)
    return int(document["exit_code"])


def _brief(
    controller: Any,
    targets: tuple[str, ...],
    limit: tuple[str, ...],
    *,
    offline: bool,
    base: str | None,
    prefixes: int,
) -> Any:
    from netorch.app.targets import select_devices
    from netorch.rehearsal.preparing import ask_devices, make_brief

    names = select_devices(controller.inventory, targets, limit=limit)
    if not names:
        raise UsageError("these targets and --limit leave no device", hint="netorch status lists them")
    facts = {} if offline else ask_devices(controller, names)
    return make_brief(controller, names, facts=facts, base=_present(controller, base), prefixes=prefixes)


def _present(controller: Any, base: str | None) -> Any:
    """The base that was named, or what git has of the inventory; None where nobody named one and git has none."""
    from netorch.rehearsal.base import find_base

    folder = Path(controller.inventory.folder)
    if base is None and not controller.inventory.commit:
        return None
    try:
        return find_base(folder, base or "HEAD")
    except NetorchError as error:
        if base is not None:
            raise
        controller.progress.step("", f"without a base: {error}")
        return None


def _play(brief: Any) -> dict[str, Any]:
    from netorch.model.codec import to_json
    from netorch.rehearsal.isolation import in_own_namespaces

    argv = (sys.executable, "-P", "-m", "netorch.cli.twin")
    status, stdout = in_own_namespaces(argv, json.dumps(to_json(brief)).encode())
    if status < 0:
        raise NetorchError(f"the twin was ended by signal {-status}", where="rehearse", hint="run it again")
    if status:
        raise click.exceptions.Exit(status)  # it has said why
    document: dict[str, Any] = json.loads(stdout)
    return document
