"""Pings for people: a table with a sparkline for each row; live on a terminal, lines elsewhere."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import click

from netorch.app.ping_figures import sparkline
from netorch.app.ping_tracks import DRAINED, OK, Track
from netorch.app.pinging import SETTLED_S
from netorch.cli.output import GAP, Fitted, fit_rows, print_table, terminal_width

if TYPE_CHECKING:
    from netorch.app.pinging import Pings

COLUMNS = ("host", "provider", "state", "sent", "loss_percent", "min_ms", "median_ms", "p90_ms", "p99_ms", "jitter_ms")
LESS = ("jitter_ms", "min_ms", "sent", "p99_ms")
"""What a narrow terminal does without, first to last."""

MOST_TREND, LEAST_TREND = 40, 10
"""Characters of a sparkline, as the window has place for."""

REDRAW_S = 0.5
WINDOW_S = 60.0
"""What the live table is about: who watches wants to see what is, not what was an hour ago."""

LINES_S = 5.0
NAMED_HOSTS = 3


def table_of(tracks: Sequence[Track], width: int | None, *, since_s: float | None = None) -> tuple[Fitted, list[str]]:
    """The table in ``width`` characters (None: as many as it takes), with as long a sparkline as there is place for; and what is
    to be said below it."""
    rows = [track.document(since_s) for track in tracks]
    columns = _columns(rows)
    plain = fit_rows(rows, width, columns=columns)
    trend = MOST_TREND
    left_out: list[str] = []
    if width is not None:
        for name in ("", *LESS):
            left_out += [name] if name in columns else []
            columns = [column for column in columns if column != name]
            plain = fit_rows(rows, None, columns=columns)
            trend = min(MOST_TREND, width - len(GAP) - max(map(len, plain.lines)))
            if trend >= LEAST_TREND:
                break
    if trend < LEAST_TREND:
        return fit_rows(rows, width, columns=_columns(rows), optional=LESS), notes_of(rows)
    for track, row in zip(tracks, rows, strict=True):
        row["trend"] = sparkline(track.samples if since_s is None else track.between(since_s), trend) or None
    table = fit_rows(rows, None, columns=[*columns, "trend"])
    return Fitted(table.lines, table.heads, tuple(left_out)), notes_of(rows)


def _columns(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Those that say something: a destination where there are several, or the family where that tells them apart; a state where
    one is not ``ok``."""
    columns = list(COLUMNS)
    destinations = {(row["destination"], row["family"]) for row in rows}
    if len(destinations) > 1:
        tells_apart = len({family for _, family in destinations}) == len(destinations)
        columns.insert(1, "family" if tells_apart else "destination")
    if all(row["state"] == OK for row in rows):
        columns.remove("state")
    return columns


def print_pings(pings: Pings) -> None:
    """The summary, and below it why providers are not usable."""
    with pings.lock:
        tracks = [track for track in pings.all if track.sent or track.host not in pings.failures]
        if not tracks:
            return
        table, notes = table_of(tracks, terminal_width())
    print_table(table)
    for note in notes:
        click.secho(note, fg="yellow")


def notes_of(rows: Sequence[dict[str, Any]]) -> list[str]:
    """What is to be said of rows that are not ``ok``, once for all that it is true of."""
    said: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        if row["state"] != OK and (row["note"] or row["error"]):
            family = "" if row["state"] == DRAINED else f", {row['family']}"
            key = (row["state"], row["provider"], row["pop"], family, row["note"] or row["error"])
            said.setdefault(key, []).append(row["host"])
    return [
        f"{state}: {provider} {_place(rows, pop, hosts)}{family}: {text}"
        for (state, provider, pop, family, text), hosts in said.items()
    ]


def _place(rows: Sequence[dict[str, Any]], pop: str, hosts: Sequence[str]) -> str:
    """The POP where it is true of all its hosts, else which ones."""
    named = list(dict.fromkeys(hosts))
    if len(named) == len({row["host"] for row in rows if row["pop"] == pop}):
        return f"in {pop}"
    return f"from {', '.join(named[:NAMED_HOSTS])}" + (
        f" and {len(named) - NAMED_HOSTS} more" if len(named) > NAMED_HOSTS else ""
    )


@contextmanager
def shown(pings: Pings, output: str, *, now: Callable[[], float], unread: Event) -> Iterator[None]:
    """Show ``pings`` while the block lasts: redrawn in place where standard output is a terminal, else a line for each row and
    period; of JSON, an object a line. ``unread`` is set once nobody reads these any more."""
    stop = Event()
    draw = _Screen(pings, now).run if output == "table" and sys.stdout.isatty() else _Lines(pings, output, now).run

    def work() -> None:
        try:
            draw(stop)
        except OSError:  # as of head(1); the summary meets the same, and tells
            unread.set()

    thread = Thread(target=work, name="view", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class _Screen:
    """The last minute, drawn again and again in the same place, and wiped at the end: the summary takes it."""

    def __init__(self, pings: Pings, now: Callable[[], float]) -> None:
        self._pings, self._now = pings, now

    def run(self, stop: Event) -> None:
        """Until ``stop`` is set."""
        from rich.console import Console
        from rich.live import Live

        with Live(console=Console(), auto_refresh=False, transient=True, vertical_overflow="crop") as live:
            while True:
                live.update(self._screen(), refresh=True)
                if stop.wait(REDRAW_S):
                    return

    def _screen(self) -> Any:
        from rich.text import Text

        size = shutil.get_terminal_size()
        with self._pings.lock:
            table, notes = table_of(self._pings.all, size.columns, since_s=self._now() - WINDOW_S)
        notes += [str(error) for error in list(self._pings.failures.values())]
        place = max(2, size.lines - 2 - len(notes))
        text = Text(no_wrap=True, overflow="crop")
        for number, line in enumerate(table.lines[:place]):
            text.append(f"{line}\n", style="bold" if number < table.heads else "")
        if len(table.lines) > place:
            notes = [*notes, f"{len(table.lines) - place} more rows: in a higher window"]
        for note in notes:
            text.append(f"{note[: size.columns]}\n", style="yellow")
        text.append(f"the last {WINDOW_S:g} s; Ctrl-C ends with the summary of everything", style="dim")
        return text


class _Lines:
    """For logs and pipes: what became of the packets of a period, once that is known of all."""

    def __init__(self, pings: Pings, output: str, now: Callable[[], float]) -> None:
        self._pings, self._output, self._now = pings, output, now

    def run(self, stop: Event) -> None:
        """Until ``stop`` is set."""
        from netorch.model.text import utc_text

        while not stop.wait(LINES_S):
            end_s = self._now() - SETTLED_S
            with self._pings.lock:
                rows = [track.document(end_s - LINES_S, end_s) for track in self._pings.all]
            for row in rows:
                self._print({"time": utc_text(end_s), "period_s": LINES_S, **row})

    def _print(self, row: dict[str, Any]) -> None:
        if self._output == "json":
            print(json.dumps(row, ensure_ascii=False), flush=True)
            return
        place = f"{row['time']}  {row['host']}  {row['destination']}  {row['provider']}  {row['state']}"
        times = "".join(f"  {key} {'-' if row[key] is None else format(row[key], '.1f')}" for key in _TIMES)
        print(f"{place}  sent {row['sent']}{times}", flush=True)


_TIMES = ("loss_percent", "min_ms", "median_ms", "p90_ms", "p99_ms", "jitter_ms")
