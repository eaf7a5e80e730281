"""``./dev faults [SEEDS]``: every row of the matrix, many times; prints the table, and JSON where it is asked for."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from tests.lab.faults.bed import Bed, bed
from tests.lab.faults.play import CannotInject, Ending, Fault, play
from tests.lab.faults.table import FAULTS


def tell(text: str, file: TextIO = sys.stdout) -> None:
    """A line, at once."""
    file.write(f"{text}\n")
    file.flush()


def main() -> int:
    """Exit 1 where anything was unsafe, or a fault did not happen."""
    parser = argparse.ArgumentParser(prog="./dev faults", description=__doc__)
    parser.add_argument("seeds", nargs="?", type=int, default=20, metavar="SEEDS")
    parser.add_argument("--only", default="", help="rows whose name has this text")
    parser.add_argument("--devices", type=int, default=6, help="how many are harmed side by side")
    parser.add_argument("-o", "--output", metavar="FILE", help="every play as JSON")
    options = parser.parse_args()
    chosen = [fault for fault in FAULTS if options.only in fault.name]
    started = time.monotonic()  # noqa: TID251 - for the last line
    with tempfile.TemporaryDirectory() as folder, bed(Path(folder), pops=options.devices) as made:
        endings = play_all(made, chosen, range(1, options.seeds + 1))
    print_table(chosen, endings)
    tell(f"{len(endings)} plays in {time.monotonic() - started:.0f} s")  # noqa: TID251
    if options.output:
        Path(options.output).write_text(json.dumps([asdict(ending) for ending in endings], indent=1) + "\n")
    return 1 if any(ending.unsafe for ending in endings) else 0


def play_all(made: Bed, faults: Sequence[Fault], seeds: Sequence[int]) -> list[Ending]:
    """Every seed of every row, on all devices of the bed at once."""
    endings = []
    with ThreadPoolExecutor(len(made.targets)) as pool:
        jobs = {pool.submit(play_one, made, fault, seed): fault for seed in seeds for fault in faults}
        for number, job in enumerate(as_completed(jobs), 1):
            ending = job.result()
            endings.append(ending)
            mark = f"UNSAFE: {ending.unsafe}" if ending.unsafe else f"{ending.state}, {ending.told}"
            tell(
                f"{number}/{len(jobs)} {ending.fault} {ending.seed}: {', '.join(ending.events)}: {mark}",
                file=sys.stderr,
            )
    return endings


def play_one(made: Bed, fault: Fault, seed: int) -> Ending:
    """An ending, also where the play itself broke: that is never taken for safe."""
    try:
        return play(made, fault, seed)
    except CannotInject as reason:
        return Ending(fault.name, seed, "not tried", str(reason))
    except Exception as error:  # noqa: BLE001 - told, and counted as a failure
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
        return Ending(fault.name, seed, "broken", "", text)


def print_table(faults: Sequence[Fault], endings: Sequence[Ending]) -> None:
    """A row for each fault."""
    tell("| Fault | Expected | Plays | Unsafe | Ended on | Controller | Live after the deadline, at most |")
    tell("|---|---|---|---|---|---|---|")
    for fault in faults:
        own = [ending for ending in endings if ending.fault == fault.name]
        late = [ending.late_s for ending in own if ending.late_s is not None]
        tell(
            f"| {fault.name} | {fault.expected} | {len(own)} | {sum(bool(ending.unsafe) for ending in own)} "
            f"| {counted([ending.state for ending in own])} | {counted([ending.told for ending in own])} "
            f"| {f'{max(late):.1f} s' if late else '-'} |"
        )


def counted(words: Sequence[str]) -> str:
    """``17 last good, 3 confirmed``."""
    return ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(sorted(words)))


if __name__ == "__main__":
    raise SystemExit(main())
