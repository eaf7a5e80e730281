"""``./dev faults [SEEDS]``: every row of the matrix, many times; prints the table, and notes each play where it is asked to."""

from __future__ import annotations

import argparse
import functools
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from types import MappingProxyType
from typing import Optional, TextIO

from tests.lab.faults import frr_strings, mirror, others, rollout, secrets, strings
from tests.lab.faults.bed import Bed, bed
from tests.lab.faults.mirror import MirrorFault
from tests.lab.faults.mirror_table import MIRROR_FAULTS
from tests.lab.faults.play import CannotInject, Ending, Fault, play
from tests.lab.faults.record import endings_of, note
from tests.lab.faults.rollout import RollOuts
from tests.lab.faults.router import ROUTERS, Router, router_of
from tests.lab.faults.table import FAULTS, faults_of

SECRETS_A_SEED = {"bird": 500, "frr": 25}
"""Twenty seeds are 10,000 secrets, and 500 of FRR, whose release 8.4.4 takes minutes to load a hundred sessions."""

STRINGS_A_SEED = 5_000
"""Twenty seeds are 100,000 strings."""


GROUPS: dict[str, Callable[[Bed, int], Ending]] = {others.NAME: others.play_sick}
"""Rows that take a whole POP each time."""


def tell(text: str, file: TextIO = sys.stdout) -> None:
    """A line, at once."""
    file.write(f"{text}\n")
    file.flush()


def main() -> int:
    """Exit 1 where anything was unsafe, or a fault did not happen."""
    options = _arguments()
    rows = {*(fault.name for fault in faults_of(options.daemon)), *GROUPS, rollout.NAME, secrets.NAME, strings.NAME}
    if options.daemon == "bird":  # no agent of the mirror asks what runs
        rows |= {mirror.PREFIX + fault.name for fault in MIRROR_FAULTS}

    def is_wanted(name: str) -> bool:
        return name in rows and (options.only is None or any(text in name for text in options.only))

    mirrors = [fault for fault in MIRROR_FAULTS if is_wanted(mirror.PREFIX + fault.name)]
    if options.table:
        endings = [ending for file in options.table for ending in endings_of(file) if is_wanted(ending.fault)]
        print_tables(endings, mirrors)
        return exit_code(endings)
    started = time.monotonic()  # noqa: TID251 - for the last line
    endings = play_mirror_rows(mirrors, range(options.first, options.first + options.seeds), options.told)
    if any(is_wanted(name) for name in rows if not name.startswith(mirror.PREFIX)):
        endings += play_deploys(options, is_wanted)
    print_tables(endings, mirrors)
    tell(f"{len(endings)} plays in {time.monotonic() - started:.0f} s")  # noqa: TID251
    return exit_code(endings)


def exit_code(endings: Sequence[Ending]) -> int:
    """Of a run, or of what earlier ones noted."""
    return 1 if any(ending.unsafe for ending in endings) else 0


def _arguments() -> argparse.Namespace:
    """The command line; ``router`` is what its daemon and release are."""
    releases = ", ".join(f"{router.name} {router.version}" for router in ROUTERS)
    parser = argparse.ArgumentParser(prog="./dev faults", description=__doc__)
    parser.add_argument("seeds", nargs="?", type=int, default=20, metavar="SEEDS")
    parser.add_argument(
        "--only", action="append", metavar="TEXT", help="rows whose name has this text; may be repeated"
    )
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="the first seed, 1 unless given")
    parser.add_argument("--daemon", choices=("bird", "frr"), default="bird", help="what the devices run")
    parser.add_argument("--version", default="", metavar="RELEASE", help=f"its release, of {releases}")
    parser.add_argument("--devices", type=int, default=10, help="how many are harmed side by side")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="each play is added to FILE as it ends, a line of JSON"
    )
    parser.add_argument(
        "--table",
        action="append",
        type=Path,
        metavar="FILE",
        help="plays nothing: the table of what runs added to FILE",
    )
    options = parser.parse_args()
    missing = [str(file) for file in options.table or () if not file.is_file()]
    if missing:
        parser.error(f"--table {missing[0]}: no such file; expected one that --output of a run wrote")
    options.told = functools.partial(tell_and_note, options.output) if options.output else tell_ending
    try:
        options.router = router_of(options.daemon, options.version)
    except KeyError as error:
        parser.error(f"{error.args[0]}: expected one of {releases}")
    return options


def play_deploys(options: argparse.Namespace, is_wanted: Callable[[str], bool]) -> list[Ending]:
    """The rows that break deploys, in one lab; of roll-outs it prints how the steps ended."""
    chosen = [fault for fault in faults_of(options.daemon) if is_wanted(fault.name)]
    groups = [play_group for name, play_group in GROUPS.items() if is_wanted(name)]
    hosts = rollout.HOSTS if groups or is_wanted(rollout.NAME) else 0
    with (
        tempfile.TemporaryDirectory() as folder,
        bed(Path(folder), pops=options.devices, hosts=hosts, routers=(options.router,)) as made,
    ):
        canaries = {options.daemon: SECRETS_A_SEED[options.daemon]} if is_wanted(secrets.NAME) else {}
        texts = (strings_of(options.router, STRINGS_A_SEED),) if is_wanted(strings.NAME) else ()
        seeds = range(options.first, options.first + options.seeds)
        roll_outs = RollOuts(made) if is_wanted(rollout.NAME) else None
        endings = play_all(
            made,
            chosen,
            seeds,
            groups=groups,
            canaries=canaries,
            texts=texts,
            roll_outs=roll_outs,
            told=options.told,
        )
    if roll_outs is not None:
        tell(f"\n{roll_outs.table(endings)}\n")
    return endings


def play_mirror_rows(
    faults: Sequence[MirrorFault], seeds: Sequence[int], told: Callable[[Ending, int, int], None]
) -> list[Ending]:
    """The mirror's rows, each play on a bed of its own."""
    endings = []
    for number, ending in enumerate(mirror.play_mirrors(faults, seeds, play_one), 1):
        endings.append(ending)
        told(ending, number, len(faults) * len(seeds))
    return endings


def play_all(
    made: Bed,
    faults: Sequence[Fault],
    seeds: Sequence[int],
    *,
    groups: Sequence[Callable[[Bed, int], Ending]] = (),
    canaries: Mapping[str, int] = MappingProxyType({}),
    rehearses: bool = True,
    texts: Sequence[Callable[[int], Ending]] = (),
    roll_outs: Optional[RollOuts] = None,
    told: Optional[Callable[[Ending, int, int], None]] = None,
) -> list[Ending]:
    """Every seed of every row, on all devices of the bed at once; with so many ``canaries`` for each seed, by daemon.

    ``groups`` are rows that take the bed's whole group of devices, one after the other; ``roll_outs`` plays all deaths of a
    seed's share there. ``texts`` need no device. ``told`` is given each as it ends, with its number and that of all.
    """
    endings = []
    # What only computes has a process of its own: it must not keep the watchers from looking.
    with (
        ThreadPoolExecutor(len(made.targets)) as pool,
        ThreadPoolExecutor(1) as group,
        ThreadPoolExecutor(1) as side,
        ThreadPoolExecutor(1) as listeners,  # one at a time: each would take another's detectors for a leak
        ProcessPoolExecutor(1, get_context("spawn")) as apart,
    ):
        jobs = []
        for seed in seeds:
            for daemon, each in canaries.items():  # first what takes longest
                look = functools.partial(secrets.play_secrets, made, each=each, rehearses=rehearses, daemon=daemon)
                jobs.append(listeners.submit(play_one, secrets.NAME, seed, look))
            jobs += [pool.submit(play_one, fault.name, seed, functools.partial(play, made, fault)) for fault in faults]
            for read_back in texts:
                look = functools.partial(_apart, apart, read_back)
                jobs.append(side.submit(play_one, strings.NAME, seed, look))
            if roll_outs is not None:
                deaths = [functools.partial(roll_outs.play, kill) for kill in roll_outs.kills(seed)]
                jobs += [group.submit(play_one, rollout.NAME, seed, death) for death in deaths]
            for name, play_group in GROUPS.items():
                if play_group in groups:
                    jobs.append(group.submit(play_one, name, seed, functools.partial(play_group, made)))
        for number, job in enumerate(as_completed(jobs), 1):
            ending = job.result()
            endings.append(ending)
            (told or tell_ending)(ending, number, len(jobs))
    return endings


def _apart(pool: Executor, work: Callable[[int], Ending], seed: int) -> Ending:
    """The same in a process of ``pool``."""
    return pool.submit(work, seed).result()


def strings_of(router: Router, each: int) -> Callable[[int], Ending]:
    """What plays a seed of ``each`` strings for a daemon."""
    if router.name == "bird":
        return functools.partial(strings.play_strings, each=each)
    return functools.partial(frr_strings.play_strings, each=each, version=router.version)


def tell_ending(ending: Ending, number: int, jobs: int) -> None:
    """How one play of so many ended, on standard error."""
    mark = f"UNSAFE: {ending.unsafe}" if ending.unsafe else ", ".join(filter(None, (ending.state, ending.told)))
    tell(f"{number}/{jobs} {ending.fault} {ending.seed}: {', '.join(ending.events)}: {mark}", file=sys.stderr)


def tell_and_note(file: Path, ending: Ending, number: int, jobs: int) -> None:
    """The same, and into ``file``."""
    note(ending, file)
    tell_ending(ending, number, jobs)


def play_one(name: str, seed: int, work: Callable[[int], Ending]) -> Ending:
    """An ending, also where the play itself broke: that is never taken for safe."""
    started = time.monotonic()  # noqa: TID251 - for people
    ending = _ending_of(name, seed, work)
    return replace(ending, took_s=round(time.monotonic() - started, 1))  # noqa: TID251


def _ending_of(name: str, seed: int, work: Callable[[int], Ending]) -> Ending:
    try:
        return work(seed)
    except CannotInject as reason:
        return Ending(name, seed, "not tried", str(reason))
    except Exception as error:  # noqa: BLE001 - told, and counted as a failure
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
        return Ending(name, seed, "broken", "", text)


def print_tables(endings: Sequence[Ending], mirrors: Sequence[MirrorFault]) -> None:
    """A row for each fault that was played: of deploys, then of the mirror."""
    if any(not ending.fault.startswith(mirror.PREFIX) for ending in endings):
        print_table(endings)
    if mirrors:
        tell(f"\n{mirror.table(mirrors, endings)}\n")


def print_table(endings: Sequence[Ending]) -> None:
    """A row for each fault that breaks deploys."""
    expected = {fault.name: fault.expected for fault in FAULTS}
    expected.update(
        {
            rollout.NAME: rollout.EXPECTED,
            others.NAME: others.EXPECTED,
            secrets.NAME: secrets.EXPECTED,
            strings.NAME: strings.EXPECTED,
        }
    )
    tell("| Fault | Expected | Plays | Unsafe | Ended on | Controller | Live after the deadline, at most |")
    tell("|---|---|---|---|---|---|---|")
    for name, promise in expected.items():
        own = [ending for ending in endings if ending.fault == name]
        if not own:
            continue
        late = [max(0.0, ending.late_s) for ending in own if ending.late_s is not None]
        tell(
            f"| {name} | {promise} | {len(own)} | {sum(bool(ending.unsafe) for ending in own)} "
            f"| {counted([ending.state for ending in own])} | {counted([ending.told for ending in own])} "
            f"| {f'{max(late):.1f} s' if late else '-'} |"
        )


def counted(words: Sequence[str]) -> str:
    """``17 last good, 3 confirmed``."""
    return ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(sorted(words)))


if __name__ == "__main__":
    raise SystemExit(main())
