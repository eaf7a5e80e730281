"""``netorch lab``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netorch.cli.options import inventory_folder, inventory_option, output_option

if TYPE_CHECKING:
    from netorch.lab import LabSettings


@click.group()
def lab() -> None:
    """The inventory as network namespaces on this machine: real daemons, real SSH, emulated providers."""


@lab.command()
@inventory_option
@click.pass_context
def up(ctx: click.Context) -> None:
    """Boot the inventory, or repair a lab that lost something. Needs root."""
    from netorch.app.inventory import read_inventory
    from netorch.lab import lab_up

    lab_up(read_inventory(inventory_folder(ctx)), _settings(ctx), lambda text: click.echo(text, err=True))


@lab.command()
@inventory_option
@click.pass_context
def down(ctx: click.Context) -> None:
    """Take the lab down; nothing of it remains."""
    from netorch.lab import lab_down

    lab_down(_settings(ctx), lambda text: click.echo(text, err=True))


@lab.command()
@output_option
@inventory_option
@click.pass_context
def status(ctx: click.Context, *, output: str) -> int:
    """Every node with its daemons. Exit code 1 when one does not run, or there is no lab."""
    from netorch.cli.output import emit_rows
    from netorch.lab import lab_status

    nodes = lab_status(_settings(ctx))
    rows = [
        {
            "node": node.name,
            "kind": node.kind,
            "address": node.address or None,
            "namespace": node.netns,
            "running": node.running,
            "services": [f"{service.name} {service.pid or 'down'}" for service in node.services],
        }
        for node in nodes
    ]
    if output == "table" and not rows:
        click.echo("no lab is up; netorch lab up boots one")
    else:
        emit_rows(rows, output)
    return 0 if nodes and all(node.running for node in nodes) else 1


@lab.command()
@click.option(
    "--mirror", default="", metavar="URI", help="A Debian archive; default: the one of this machine's own apt."
)
@click.pass_context
def rootfs(ctx: click.Context, *, mirror: str) -> None:
    """Make the root file systems of other Debian releases, for daemon versions that this machine's own has not. Needs root.

    They lie in /var/cache/netorch, or where NETORCH_ROOTFS says.
    """
    from netorch.lab import build_rootfses

    build_rootfses(_settings(ctx).rootfs, mirror=mirror, report=lambda text: click.echo(text, err=True))


@lab.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("node")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def exec_(ctx: click.Context, node: str, command: tuple[str, ...]) -> None:
    """Run COMMAND inside NODE: a device, a provider, a station, or internet."""
    from netorch.lab import enter_command

    line = enter_command(node, command, _settings(ctx))
    sys.stdout.flush()
    os.execvp(line[0], line)  # noqa: S606 - the terminal, signals and exit code are the command's own


@lab.command()
@click.argument("node")
@click.pass_context
def stop(ctx: click.Context, node: str) -> None:
    """Cut NODE's power: its processes end, its cables go dead. What it wrote to its disk stays."""
    from netorch.lab import stop_node

    stop_node(node, _settings(ctx), keeps_carrier=False)


@lab.command()
@click.argument("node")
@click.pass_context
def start(ctx: click.Context, node: str) -> None:
    """Switch a stopped NODE on again; lab up does so for all."""
    from netorch.lab import start_node

    start_node(node, _settings(ctx))


@lab.command()
@click.argument("node")
@inventory_option
@click.pass_context
def logs(ctx: click.Context, node: str) -> None:
    """Print what NODE's daemons have logged."""
    from netorch.lab import log_files

    for path in log_files(node, _settings(ctx)):
        click.secho(f"== {path.name}", bold=True)
        click.echo(path.read_text(encoding="utf-8", errors="replace"), nl=False)


def _settings(ctx: click.Context) -> LabSettings:
    """The lab's state lies beside the inventory's folder and belongs to the user behind sudo."""
    from netorch.io.secrets import InventorySecrets
    from netorch.lab import LabSettings, rootfs_folder

    folder = Path(ctx.obj).resolve()
    owner = None
    if os.environ.get("SUDO_UID") and os.environ.get("SUDO_GID"):
        owner = (int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"]))
    beside = Path(sys.executable).parent / "exabgp"
    return LabSettings(
        state=folder.parent / ".lab",
        owner=owner,
        secrets=InventorySecrets(str(folder), os.environ),
        exabgp=str(beside) if beside.exists() else "exabgp",
        rootfs=rootfs_folder(os.environ),
    )
