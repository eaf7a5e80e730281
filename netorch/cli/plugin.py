"""``netorch plugin``."""

from __future__ import annotations

from pathlib import Path

import click

from netorch.cli.options import inventory_folder, inventory_option, output_option
from netorch.errors import UsageError


@click.group()
def plugin() -> None:
    """List the plugins that the inventory enables, write a new one."""


@plugin.command("list")
@output_option
@inventory_option
@click.pass_context
def list_plugins(ctx: click.Context, *, output: str) -> None:
    """The plugins that the inventory enables, with their commands."""
    from netorch.app.inventory import read_inventory
    from netorch.cli.output import emit_rows
    from netorch.loader import load_plugins

    plugins = load_plugins(read_inventory(inventory_folder(ctx)).plugins)
    rows = [{"plugin": p.name, "commands": [verb.name for verb in p.verbs], "help": p.help} for p in plugins]
    emit_rows(rows, output)


@plugin.command("new")
@click.argument("name")
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), default=Path("plugins"), show_default=True)
def new_plugin(name: str, *, into: Path) -> None:
    """Write a working plugin NAME with its test, to start from."""
    from netorch.app.plugin_skeleton import skeleton
    from netorch.io.text_files import write_text

    folder = into / name
    if folder.exists():
        raise UsageError(f"{folder} exists already", hint="choose another name, or --into another folder")
    for path, text in skeleton(name).items():
        target = into / path
        write_text(target, text)
        click.echo(target)
