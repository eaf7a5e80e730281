"""Options and arguments that several commands share."""

from __future__ import annotations

import getpass
import os
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, TypeVar

import click

from netorch.cli.progress import terminal_progress
from netorch.errors import UsageError
from netorch.model.text import one_line

AUTHOR_BYTES = 200

F = TypeVar("F", bound=Callable[..., Any])

targets_argument = click.argument("targets", metavar="[TARGET]...", nargs=-1)
some_targets_argument = click.argument("targets", metavar="TARGET...", nargs=-1, required=True)
limit_option = click.option("--limit", metavar="TARGET", multiple=True, help="Narrow the targets further.")
output_option = click.option(
    "-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True
)


def inventory_option(command: F) -> F:
    """``--inventory`` after the command as well as before it."""
    option = click.option(
        "--inventory",
        metavar="DIR",
        default=None,
        help="Folder of the YAML.",
        expose_value=False,
        callback=_set_inventory,
        is_eager=True,
    )
    return option(command)


def _set_inventory(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.obj = value


def inventory_folder(ctx: click.Context) -> Path:
    """The folder that ``--inventory`` or ``NETORCH_INVENTORY`` names."""
    folder = Path(ctx.obj)
    if not folder.is_dir():
        raise UsageError(
            f"{folder}: no such folder, expected the inventory",
            hint="run netorch where ./inventory is, or name it: --inventory DIR, NETORCH_INVENTORY=DIR",
        )
    return folder


@contextmanager
def controller_for(ctx: click.Context, *, quiet: bool = False) -> Iterator[Any]:
    """A Controller for the inventory of this command line, with progress on the terminal."""
    from netorch.app.assemble import Surroundings, open_controller

    surroundings = Surroundings(
        folder=inventory_folder(ctx),
        home=str(Path.home()),
        user=getpass.getuser(),
        environment=os.environ,
        author=_author(),
        commands=command_names(),
    )
    with terminal_progress(quiet=quiet) as progress, open_controller(surroundings, progress) as controller:
        yield controller


def command_names() -> frozenset[str]:
    """netorch's own commands, which no plugin may take."""
    from netorch.cli.main import COMMANDS

    return frozenset(COMMANDS)


def _author() -> str:
    """Who typed the command, and where: the person behind sudo rather than root."""
    name = os.environ.get("SUDO_USER") or os.environ.get("LOGNAME") or getpass.getuser()
    return one_line(f"{name}@{socket.gethostname()}", max_bytes=AUTHOR_BYTES)
