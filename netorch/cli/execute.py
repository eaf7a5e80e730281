"""``netorch exec``: any program on a host, through one provider."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING, BinaryIO

import click

from netorch.cli.exit_codes import one_device
from netorch.cli.options import controller_for, inventory_option

if TYPE_CHECKING:
    from netorch.app.executing import Inbox

_CHUNK = 1 << 16


class _Exec(click.Command):
    """Says where the options belong when some of them come too late: all that follows COMMAND's first word is COMMAND's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        names = {word.partition("=")[0] for word in args}  # before click takes them away
        try:
            return super().parse_args(ctx, args)
        except click.MissingParameter as error:
            for name in names.intersection(error.param.opts if error.param is not None else ()):
                raise click.UsageError(
                    f"{name} stands behind the first word of COMMAND and would be given to it: expected it before,"
                    " as in netorch exec --via PROVIDER --on HOST -- COMMAND",
                    ctx,
                ) from None
            raise


@click.command("exec", cls=_Exec, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--via", required=True, metavar="PROVIDER", help="The provider that its packets leave through.")
@click.option("--on", "host", required=True, metavar="HOST", help="The host that it runs on.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND [ARGUMENT]...")
@inventory_option
@click.pass_context
def execute(ctx: click.Context, /, command: tuple[str, ...], *, via: str, host: str) -> int:
    """Run COMMAND on a host with every packet of it through one provider.

    \b
    netorch exec --via northtel --on h1.pop1 -- curl -sS http://1.144.0.1/
    netorch exec --via meadow --on h1.pop1 -- ping -n -c 3 1.144.0.1
    netorch exec --via southnet --on h1.pop1 -- sh -c 'dig @9.9.9.9 example.net | head'

    Whatever the program is, static or not, IPv4 and IPv6, and whatever it starts: the host's kernel marks each socket when it is
    made. Standard input, output and error, Ctrl-C and the exit status go through; nothing of it runs on once it has ended.
    A packet that the provider has no route for leaves by another one.

    The exit code is the program's; 127 where there is no such program. Where netorch itself fails it says so: 1, 4, 64.
    """
    from netorch.app.executing import Inbox, Streams
    from netorch.app.executing import execute as run

    inbox = Inbox()
    streams = Streams(_to(sys.stdout.buffer), _to(sys.stderr.buffer), _note)
    with controller_for(ctx, quiet=True) as controller, _signals(inbox), one_device():
        Thread(target=_feed, args=(inbox,), name="stdin", daemon=True).start()
        return run(controller, host, via, command, inbox=inbox, streams=streams)


def _to(stream: BinaryIO) -> Callable[[bytes], None]:
    def write(data: bytes) -> None:
        stream.write(data)
        stream.flush()

    return write


def _note(text: str) -> None:
    click.echo(f"note: {text}", err=True)


def _feed(inbox: Inbox) -> None:
    """What comes in here goes to the program."""
    with suppress(OSError, ValueError):  # where there is no standard input
        descriptor = sys.stdin.fileno()
        while data := os.read(descriptor, _CHUNK):
            inbox.feed(data)
    inbox.end()


@contextmanager
def _signals(inbox: Inbox) -> Iterator[None]:
    """Ctrl-C and a request to end go to the program; the second one ends the connection, and with it the program."""
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def passed_on(number: int, _: object) -> None:
        inbox.signal(number)
        signal.signal(number, former[signal.Signals(number)])

    for number in former:
        signal.signal(number, passed_on)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
