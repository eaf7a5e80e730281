"""``./dev matrix``: every cell, one after the other; prints the table."""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from netorch.lab import rootfs_folder
from netorch.lab.rootfs import check_rootfses, rootfs_for
from netorch.model.capabilities import RELEASES
from tests.lab.labs import ROOT
from tests.lab.matrix.bench import Cell
from tests.lab.matrix.cell import CHECKS, Outcome, cells, play
from tests.lab.matrix.mixed_pop import DEATHS, mixed_pop, play_death, revive
from tests.lab.matrix.mixed_pop import RELEASES as MIXED

PAGE = ROOT / "docs/matrix.md"
BEGIN, END = "<!-- ./dev matrix --write -->\n", "<!-- end -->\n"
BEGIN_MIXED = "<!-- ./dev matrix --mixed --write -->\n"
WRONG_USAGE = 64
WITHOUT = tuple(
    f"where {known.daemon.upper()} {known.release} is on no {role}"
    for known in RELEASES
    for role in ("switch", "host")
    if not known.has_templates_for(role)
)
"""What is in no cell: releases that netorch renders for, but not in every part."""


def tell(text: str) -> None:
    """A line, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Exit 1 where a check failed in any cell."""
    parser = argparse.ArgumentParser(prog="./dev matrix", description=__doc__)
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="cells whose name has this text, such as 'FRR 10.3 /'"
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help=f"put each cell into the table of {PAGE.relative_to(ROOT)} once it was played",
    )
    parser.add_argument("--mixed", action="store_true", help="instead, the POP of both daemons that loses a switch")
    options = parser.parse_args()
    chosen = [cell for cell in cells() if options.only in str(cell)]
    if options.mixed and options.only:
        return refuse("--only chooses cells, and the POP of --mixed is played whole: leave one of them out")
    if not chosen:
        return refuse(
            f"--only {options.only!r}: expected a part of 'SWITCHES / HOSTS' as in {PAGE.name}, {', '.join(WITHOUT)}"
        )
    if options.mixed:
        return play_mixed(writes=options.write)
    releases = {release for cell in chosen for release in (cell.switch, cell.host)}
    check_rootfses(rootfs_folder({}), [rootfs_for(release.daemon, release.version) for release in releases])
    outcomes = []
    for number, cell in enumerate(chosen, 1):
        outcome = play_one(cell)
        tell(f"{number}/{len(chosen)} {cell}: {outcome.problem or ', '.join(shown(outcome))}")
        outcomes.append(outcome)
        if options.write:
            write([outcome], PAGE)
    tell("\n" + "\n".join(table_of(outcomes)))
    return 1 if not outcomes or any(outcome.problem for outcome in outcomes) else 0


def refuse(problem: str) -> int:
    """Say what is wrong with the command line; its exit code."""
    sys.stderr.write(f"./dev matrix: {problem}\n")
    return WRONG_USAGE


def play_mixed(*, writes: bool) -> int:
    """Each death of a switch, one after the other in one POP."""
    check_rootfses(rootfs_folder({}), [rootfs_for(release.daemon, release.version) for release in MIXED.values()])
    lines = [row(("what ends", *(f"{host} ({MIXED[host]})" for host in MIXED if host.startswith("h"))))]
    lines.append(row(["---"] * (lines[0].count("|") - 1)))
    with tempfile.TemporaryDirectory() as folder, mixed_pop(Path(folder)) as quick:
        for death in DEATHS:
            streams = play_death(quick, death, Path(folder))
            said = [f"{len(s.lost)} of {s.sent} lost, {s.longest_gap_s * 1000:.0f} ms" for s in streams.values()]
            lines.append(row((str(death), *said)))
            tell(lines[-1])
            revive(quick, death)
    if writes:
        put_between(PAGE, BEGIN_MIXED, lines)
    return 0


def play_one(cell: Cell) -> Outcome:
    """An outcome, also where the cell did not even boot."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return play(cell, Path(folder))
        except Exception as error:  # noqa: BLE001 - this cell's result; the others are played
            return Outcome(cell, problem=f"boot: {type(error).__name__}: {error}")


def shown(outcome: Outcome) -> list[str]:
    """What the table says of each check."""
    words = []
    for name in CHECKS:
        took = outcome.took_s.get(name)
        note = outcome.notes.get(name)
        words.append("-" if name not in outcome.took_s else "FAILED" if took is None else note or f"{took:.1f} s")
    return words


def table_of(outcomes: Sequence[Outcome]) -> list[str]:
    """Markdown, one line per cell."""
    return [*HEAD, *(row_of(outcome) for outcome in outcomes)]


def row_of(outcome: Outcome) -> str:
    """The cell's line."""
    return row((str(outcome.cell.switch), str(outcome.cell.host), *shown(outcome)))


def row(words: Sequence[str]) -> str:
    """A line of a table in Markdown."""
    return f"| {' | '.join(words)} |"


def write(outcomes: Sequence[Outcome], page: Path) -> None:
    """Put these cells' lines into the page, and keep those of cells that were not played. Several runs may do so."""
    with alone(page):
        _, kept, _ = parted(page, BEGIN)
        rows = {tuple(line.split(" | ")[:2]): line for line in kept.splitlines()}
        rows.update((tuple(line.split(" | ")[:2]), line) for line in map(row_of, outcomes))
        known = [rows.get((f"| {cell.switch}", str(cell.host))) for cell in cells()]
        put_between(page, BEGIN, [*HEAD, *filter(None, known)])


@contextmanager
def alone(page: Path) -> Iterator[None]:
    """Nobody else writes ``page`` while the block runs. Its folder is locked, since the page itself is replaced."""
    folder = os.open(page.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def put_between(page: Path, begin: str, lines: Sequence[str]) -> None:
    """Make ``lines`` what stands in the page between ``begin`` and its end: all of them or, where this is killed, none."""
    before, _, after = parted(page, begin)
    new = page.with_suffix(".new")
    new.write_text(before + begin + "\n".join(lines) + "\n" + END + after, encoding="utf-8")
    new.replace(page)


def parted(page: Path, begin: str) -> tuple[str, str, str]:
    """What stands before a table of the page, the table, and what stands behind it."""
    before, rest = page.read_text(encoding="utf-8").split(begin)
    table, after = rest.split(END, 1)
    return before, table, after


_COLUMNS = ("switches", "hosts", *CHECKS)
HEAD = (row(_COLUMNS), row(["---"] * len(_COLUMNS)))

if __name__ == "__main__":
    raise SystemExit(main())
