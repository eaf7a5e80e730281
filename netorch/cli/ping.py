"""``netorch ping``: destinations through every provider, side by side, now and over time."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import click

from netorch.cli.durations import Age
from netorch.cli.exit_codes import exit_code_of
from netorch.cli.options import controller_for, inventory_option, metrics_option, output_option, show_warnings
from netorch.errors import UsageError, annotated
from netorch.model.types import read_address

if TYPE_CHECKING:
    from netorch.app.controller import Controller
    from netorch.app.ping_tracks import Track
    from netorch.app.pinging import PingJob, Pings
    from netorch.io.ping_folder import PingFolder
    from netorch.model.types import IPAddress

COUNT = 5
INTERRUPTED = 130


@dataclass(frozen=True)
class Wishes:
    """What is to become of what is measured."""

    output: str
    watch: bool
    quiet: bool
    plot: Path | None
    record: Path | None
    keep_s: float
    metrics: Path | None


@click.command()
@click.argument("destinations", metavar="DESTINATION...", nargs=-1)
@click.option("--pop", help="From the hosts of this POP.")
@click.option("--from", "hosts", multiple=True, metavar="HOST", help="Only from this host; may be repeated.")
@click.option("--count", type=click.IntRange(1, 100_000), help=f"Packets per provider; {COUNT}, with --watch no end.")
@click.option("--interval", type=click.FloatRange(0.001, 60), default=0.2, show_default=True, metavar="SECONDS")
@click.option("--tcp", "port", type=click.IntRange(1, 65535), metavar="PORT", help="Open TCP connections instead.")
@click.option("--watch", is_flag=True, help="Show what happens while it does; Ctrl-C ends it.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Draw it: .svg or .png.")
@click.option(
    "--record", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER", help="Add it to a record."
)
@click.option(
    "--keep", type=Age(), default="30d", show_default=True, metavar="AGE", help="How long the record goes back."
)
@click.option("--since", type=Age(), metavar="AGE", help="Send nothing: show, or plot, what the record has since then.")
@metrics_option
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors, for cron.")
@output_option
@inventory_option
@click.pass_context
def ping(
    ctx: click.Context,
    /,
    destinations: tuple[str, ...],
    *,
    pop: str | None,
    hosts: tuple[str, ...],
    count: int | None,
    interval: float,
    port: int | None,
    since: float | None,
    keep: float,
    **wishes: Any,
) -> int:
    """Ping each DESTINATION, an IPv4 or IPv6 address, through every provider at once; a line for each.

    \b
    netorch ping 1.144.0.1 2425:c770::1 --pop pop1
    netorch ping 1.144.0.1 --from h1.pop1 --count 2000 --interval 0.01 --plot ping.svg
    netorch ping 1.144.0.1 --pop pop1 --tcp 443 --watch
    netorch ping 1.144.0.1 --pop pop1 --record /var/lib/netorch-ping --quiet
    netorch ping --record /var/lib/netorch-ping --since 24h --plot day.svg

    Providers that are drained, that have no session, or through which a host has no route are told as such, not as loss.
    Jitter is the mean absolute difference of successive round-trip times.

    Exit code 0 when something was answered, 1 when nothing was, 130 after Ctrl-C.
    """
    from netorch.app.pinging import PingJob

    wanted = Wishes(keep_s=keep, **wishes)
    addresses = tuple(map(_address, destinations))
    _refuse_contradictions(wanted, addresses, since=since)
    if since is not None:
        return _show_record(wanted, addresses, since, pop=pop, hosts=hosts)
    if pop is None and not hosts:
        raise UsageError("no place to ping from", hint="name a POP or a host: --pop pop1, --from h1.pop1")
    job = PingJob(addresses, count or (0 if wanted.watch else COUNT), interval, tcp_port=port)
    with ExitStack() as stack:
        controller = stack.enter_context(controller_for(ctx, quiet=wanted.quiet or wanted.watch))
        folder = _opened(wanted, stack)
        if wanted.record is not None and folder is None:
            return 0
        return _measure(controller, job, wanted, folder, hosts=_hosts(controller, pop, hosts))


def _refuse_contradictions(wanted: Wishes, addresses: tuple[Any, ...], *, since: float | None) -> None:
    if since is None and not addresses:
        raise UsageError("Missing argument 'DESTINATION...'", hint="netorch ping 1.144.0.1 --pop pop1")
    if since is not None and wanted.record is None:
        raise UsageError("--since: expected --record FOLDER beside it", hint="it shows what that folder has")
    if wanted.watch and (wanted.quiet or since is not None):
        raise UsageError("--watch shows what happens now: it goes with neither --quiet nor --since")
    if wanted.watch and wanted.output == "yaml":
        raise UsageError("--watch -o yaml: expected table or json", hint="-o json prints an object a line")
    if wanted.plot is not None:
        from netorch.io.ping_plot import check_plot

        check_plot(wanted.plot)


def _opened(wanted: Wishes, stack: ExitStack) -> PingFolder | None:
    """The folder to record in; None where there is none, or another process records there."""
    if wanted.record is None:
        return None
    from netorch.io.ping_folder import PingFolder

    folder = PingFolder(wanted.record)
    if stack.enter_context(folder.only_writer()):
        return folder
    if not wanted.quiet:
        click.echo(f"{wanted.record}: another netorch ping records there: nothing was sent", err=True)
    return None


def _hosts(controller: Controller, pop: str | None, hosts: tuple[str, ...]) -> tuple[str, ...]:
    from netorch.app.targets import select_devices

    inventory = controller.inventory
    places = select_devices(inventory, [pop or "*"])
    names = tuple(host.name for one in inventory.pops for host in one.hosts if host.name in places)
    if not names:
        hint = "routers of an underlay send none: try the system's own ping there"
        raise UsageError(f"{pop or inventory.name} has no hosts, expected some that send the pings", hint=hint)
    if not hosts:
        return names
    wanted = select_devices(controller.inventory, hosts)
    return tuple(name for name in names if name in wanted)


def _measure(
    controller: Controller, job: PingJob, wanted: Wishes, folder: PingFolder | None, *, hosts: tuple[str, ...]
) -> int:
    from netorch.app.ping_keeping import recording
    from netorch.app.pinging import prepare, send_pings

    pings = prepare(controller, job, hosts)
    stop = Event()
    with ExitStack() as stack:
        stack.enter_context(_interrupts(stop))
        if wanted.watch:
            from netorch.cli.ping_view import shown

            stack.enter_context(shown(pings, wanted.output, now=controller.clock.now, unread=stop))
        if folder is not None:
            stack.enter_context(recording(pings, folder, controller.clock, keep_s=wanted.keep_s))
        send_pings(controller, job, pings, stop=stop)
    _show(pings, wanted)
    if wanted.metrics is not None:
        from netorch.io.ping_metrics import write_ping_metrics

        write_ping_metrics(wanted.metrics, [track.document() for track in pings.all], finished=controller.clock.now())
    if stop.is_set():
        return INTERRUPTED
    if pings.failures:
        return exit_code_of(pings.failures, asked=len(hosts))
    return 0 if any(track.received for track in pings.all) else 1


@contextmanager
def _interrupts(stop: Event) -> Iterator[None]:
    """The first Ctrl-C sets ``stop``; the next one is as rude as ever."""
    former = signal.getsignal(signal.SIGINT)

    def interrupted(*_: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, former)

    signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


def _show(pings: Pings, wanted: Wishes) -> None:
    from netorch.cli.output import emit
    from netorch.cli.ping_view import print_pings

    if wanted.output != "table":
        if not wanted.quiet and not wanted.watch:
            emit([track.document() for track in pings.all if track.host not in pings.failures], wanted.output)
    elif not wanted.quiet:
        print_pings(pings)
    for error in pings.failures.values():
        click.echo(annotated(error), err=True)
    show_warnings(pings.warnings)
    _draw(pings.all, wanted)


def _draw(tracks: list[Track], wanted: Wishes) -> None:
    if wanted.plot is None:
        return
    from netorch.app.ping_panels import panels_of
    from netorch.io.ping_plot import write_plot

    write_plot(wanted.plot, panels_of(tracks))


def _show_record(
    wanted: Wishes, addresses: tuple[IPAddress, ...], since: float, *, pop: str | None, hosts: tuple[str, ...]
) -> int:
    """What the record has, of these destinations, of this POP, of these hosts; of everything where none is named."""
    from netorch.app.ping_records import tracks_of
    from netorch.app.pinging import Pings
    from netorch.io.clock import SystemClock
    from netorch.io.ping_folder import PingFolder

    assert wanted.record is not None
    since_s = SystemClock().now() - since
    found, damaged = tracks_of(PingFolder(wanted.record).lines(since_s), since_s=since_s)
    chosen = [
        track
        for track in found
        if pop in (None, track.pop)
        and (not hosts or track.host in hosts)
        and (not addresses or track.destination in addresses)
    ]
    if not chosen:
        hint = "a longer --since; netorch ping --record adds to it"
        raise UsageError(f"{wanted.record}: nothing of that is on record", hint=hint)
    by_host: dict[str, list[Track]] = {}
    for track in chosen:
        by_host.setdefault(track.host, []).append(track)
    damage = (f"{wanted.record}: {damaged} lines are damaged and left out",) if damaged else ()
    _show(Pings(by_host, warnings=damage), wanted)
    return 0


def _address(text: str) -> IPAddress:
    try:
        return read_address(text)
    except ValueError:
        raise UsageError(
            f"destination: expected an IPv4 or IPv6 address, found {text!r}",
            hint="names are not looked up: which address of it would you test?",
        ) from None
