"""``netorch validate``, ``schema`` and ``render``: the inventory alone, no device is touched."""

from __future__ import annotations

from pathlib import Path

import click

from netorch.cli.options import command_names, inventory_folder, inventory_option, targets_argument
from netorch.errors import InventoryError, InventoryProblem


@click.command()
@click.option("--format", "form", type=click.Choice(["text", "json", "junit", "sarif"]), default="text")
@inventory_option
@click.pass_context
def validate(ctx: click.Context, *, form: str) -> int:
    """Check the inventory, and report every mistake at once, with its place and how to fix it."""
    from netorch.app.inventory import check_inventory
    from netorch.inventory.report import format_problems

    folder = inventory_folder(ctx)
    problems: tuple[InventoryProblem, ...] = ()
    summary = ""
    try:
        inventory = check_inventory(folder, commands=command_names())
        summary = f"{folder}: {len(inventory.pops)} POPs, {len(inventory.devices)} devices, "
        summary += f"{len(inventory.providers)} providers, {len(inventory.circuits)} circuits: no mistakes found"
    except InventoryError as error:
        problems = error.problems
    if form == "text" and not problems:
        click.echo(summary)
    else:
        click.echo(format_problems(problems, form), err=form == "text", nl=False)
    return 1 if problems else 0


@click.command()
@click.option("--format", "form", type=click.Choice(["text", "json", "junit", "sarif"]), default="text")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too.")
@click.option("--rules", is_flag=True, help="List the rules: what goes wrong, and who says so.")
@inventory_option
@click.pass_context
def lint(ctx: click.Context, *, form: str, strict: bool, rules: bool) -> int:
    """Look for mistakes of policy that a parser cannot see: every line is right, and the network is not safe.

    Exit code 1 where there is an error, with --strict a warning; notes are for reading. What is meant to be so is accepted,
    with the reason, under `lint` in network.yml.

    \b
    netorch lint
    netorch lint --strict --format sarif > lint.sarif
    """
    from netorch.app.inventory import lint_folder
    from netorch.inventory.lint import ERROR, NOTE, RULES
    from netorch.inventory.report import format_problems

    if rules:
        for rule in RULES:
            click.echo(f"{rule.name} ({rule.level}): {rule.why}. {rule.source}")
        return 0
    found = lint_folder(inventory_folder(ctx))
    if found or form != "text":
        click.echo(format_problems(found, form), nl=False)
    else:
        click.echo(f"{inventory_folder(ctx)}: {len(RULES)} rules, nothing found")
    return int(any(problem.level == ERROR or (strict and problem.level != NOTE) for problem in found))


@click.command()
def schema() -> None:
    """Print the JSON Schema of the inventory, for editors."""
    from netorch.cli.output import emit
    from netorch.inventory import json_schema

    emit(json_schema(), "json")


@click.command()
@targets_argument
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write DIR/DEVICE/PATH instead.")
@inventory_option
@click.pass_context
def render(ctx: click.Context, targets: tuple[str, ...], *, out: Path | None) -> None:
    """Print or write the configuration files of devices. Secrets stay references; no device is asked."""
    from netorch.app.inventory import read_inventory
    from netorch.app.rendering import render_inventory
    from netorch.io.text_files import write_text

    for device, file in render_inventory(read_inventory(inventory_folder(ctx)), targets):
        if out is None:
            click.secho(f"# {device}:{file.path}", bold=True)
            click.echo(file.text)
        else:
            path = out / device / file.path.lstrip("/")
            write_text(path, file.text)
            click.echo(path)
