"""Options and arguments that several commands share."""

from __future__ import annotations

import getpass
import os
import shlex
import socket
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, TypeVar

import click

from netorch.cli.progress import terminal_progress
from netorch.errors import UsageError
from netorch.model.text import one_line

AUTHOR_BYTES = 200

_AUDIT = "netorch.audit"

F = TypeVar("F", bound=Callable[..., Any])

targets_argument = click.argument("targets", metavar="[TARGET]...", nargs=-1)
some_targets_argument = click.argument("targets", metavar="TARGET...", nargs=-1, required=True)
limit_option = click.option("--limit", metavar="TARGET", multiple=True, help="Narrow the targets further.")
output_option = click.option(
    "-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True
)


def _prom_file(_: click.Context, __: click.Parameter, value: Path | None) -> Path | None:
    if value is not None and value.suffix != ".prom":
        raise UsageError(
            f"--metrics {value}: expected a name that ends in .prom", hint="node_exporter reads no other file"
        )
    return value


metrics_option = click.option(
    "--metrics",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    callback=_prom_file,
    help="Write figures there for node_exporter's textfile collector; its name ends in .prom.",
)

interval_option = click.option(
    "--interval",
    type=click.FloatRange(0.1, 3600),
    default=1,
    show_default=True,
    metavar="SECONDS",
    help="Measure traffic over this time.",
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


def audit_option(command: F) -> F:
    """``--audit FILE`` of commands that change devices."""
    option = click.option(
        "--audit",
        metavar="FILE",
        envvar="NETORCH_AUDIT",
        default=None,
        help="Where it is put on record.",
        expose_value=False,
        callback=_set_audit,
    )
    return option(command)


def _set_audit(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.meta[_AUDIT] = value


def inventory_folder(ctx: click.Context) -> Path:
    """The folder that ``--inventory`` or ``NETORCH_INVENTORY`` names."""
    return existing_folder(Path(ctx.obj))


def existing_folder(folder: Path) -> Path:
    """``folder``, if it is there; else UsageError."""
    if not folder.is_dir():
        raise UsageError(
            f"{folder}: no such folder, expected the inventory",
            hint="run netorch where ./inventory is, or name it: --inventory DIR, NETORCH_INVENTORY=DIR",
        )
    return folder


@contextmanager
def controller_for(ctx: click.Context, *, quiet: bool = False) -> Iterator[Any]:
    """A Controller for the inventory of this command line, with progress on the terminal."""
    with controller_in(inventory_folder(ctx), audit=ctx.meta.get(_AUDIT, ""), quiet=quiet) as controller:
        yield controller


@contextmanager
def controller_in(folder: Path, *, audit: str = "", quiet: bool = False) -> Iterator[Any]:
    """A Controller for the inventory in ``folder``, with what the environment says of the user."""
    from netorch.app.assemble import Surroundings, open_controller

    surroundings = Surroundings(
        folder=folder,
        home=str(Path.home()),
        user=getpass.getuser(),
        environment=os.environ,
        author=_author(),
        commands=command_names(),
        origin=_origin(),
        audit=audit,
        audit_default=_default_audit(),
        warn=lambda text: click.echo(f"warning: {text}", err=True),
    )
    with terminal_progress(quiet=quiet) as progress, open_controller(surroundings, progress) as controller:
        yield controller


def command_line() -> str:
    """What was typed, to be typed again."""
    return shlex.join(["netorch", *sys.argv[1:]])


def show_warnings(warnings: Iterable[str]) -> None:
    """What the operator ought to know although it stops nothing."""
    for text in warnings:
        click.echo(f"warning: {text}", err=True)


def command_names() -> frozenset[str]:
    """netorch's own commands, which no plugin may take."""
    from netorch.cli.main import COMMANDS

    return frozenset(COMMANDS)


def _origin() -> str:
    """Where the person at the command line sits: the address of the SSH client, or this machine."""
    return one_line(os.environ.get("SSH_CONNECTION", "").split(" ")[0], max_bytes=AUTHOR_BYTES) or "local"


def _default_audit() -> str:
    if os.environ.get("XDG_STATE_HOME"):
        return str(Path(os.environ["XDG_STATE_HOME"]) / "netorch/audit.jsonl")
    if os.geteuid() == 0:
        return "/var/log/netorch/audit.jsonl"
    return str(Path.home() / ".local/state/netorch/audit.jsonl")


def _author() -> str:
    """Who typed the command, and where: the person behind sudo rather than root."""
    name = os.environ.get("SUDO_USER") or os.environ.get("LOGNAME") or getpass.getuser()
    return one_line(f"{name}@{socket.gethostname()}", max_bytes=AUTHOR_BYTES)
