"""Two providers with full tables through one switch to one host: until the host's main and per-provider tables hold them."""

from __future__ import annotations

import re
import statistics
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.fulltable.floor import burst_seconds, ip_batch_seconds
from benchmarks.fulltable.load import Load, Quiet, measure_load, wait_until_complete, watch_quiet
from benchmarks.fulltable.network import HOST, SWITCH
from benchmarks.fulltable.pop import Expected, Pop, booted_pop
from benchmarks.report import Progress
from netorch import __version__

PREFIXES = 1_000_000
ROUNDS = 3
QUIET_S = 300.0  # netorch's interval between BIRD's scans of the kernel's tables; BIRD's own is a minute
NETORCH, PEER = "netorch", "peer: smallest BIRD by hand"
MIB = 1 << 20

_MINIMAL = Path(__file__).parent / "minimal"
_RESTARTED = "southnet"


def run(
    progress: Progress, *, prefixes: int = PREFIXES, rounds: int = ROUNDS, quiet_s: float = QUIET_S
) -> dict[str, Any]:
    """One row each; ``ratio_to_peer`` is the median of the rounds' ratios. benchmarks/README.md says what is measured."""
    with booted_pop(prefixes, progress) as pop, tempfile.TemporaryDirectory(prefix="netorch-floor-") as folder:
        configurations = {
            PEER: {SWITCH: _minimal("switch"), HOST: _minimal("host")},
            NETORCH: {node: pop.configuration(node) for node in (SWITCH, HOST)},
        }
        progress("what the host's tables are to hold")
        expected = {name: pop.expected(with_policy=name == NETORCH) for name in configurations}
        loads: dict[str, list[Load]] = {name: [] for name in configurations}
        more: list[dict[str, Any]] = []
        for turn in range(rounds):
            for name, texts in configurations.items():
                progress(f"round {turn + 1} of {rounds}: {name}")
                _drain(pop)
                pop.restart(texts)
                loads[name].append(measure_load(pop, expected[name]))
                if turn == rounds - 1:
                    more += _restart(pop, name, expected[name], progress=progress)
                    progress(f"{name}: quiet for {quiet_s:g} s")
                    more.append(_quiet_row(name, watch_quiet(pop, quiet_s), quiet_s))
        commands = _commands(pop, progress)
        floors = _floors(pop, Path(folder), progress)
    more += [_row(f"{name}, nothing to change", [found["seconds"]]) for name, found in commands.items()]
    return {"prefixes_per_provider": prefixes, "commands": commands, **_document(loads, floors, more)}


def _minimal(role: str) -> str:
    return (_MINIMAL / f"{role}.conf").read_text(encoding="ascii")


def _drain(pop: Pop) -> float:
    """Withdraw everything; the seconds until the host's tables are empty."""
    start = pop.settings.clock.now()
    pop.sessions("disable")
    return wait_until_complete(pop, {}) - start


def _restart(pop: Pop, name: str, expected: Mapping[int, Expected], *, progress: Progress) -> list[dict[str, Any]]:
    progress(f"{name}: a session restarts")
    start = pop.settings.clock.now()
    before = pop.established_at(_RESTARTED)
    pop.sessions("restart", (_RESTARTED,))
    pop.wait(lambda: pop.established_at(_RESTARTED) not in ("", before), f"{_RESTARTED} is back")
    seconds = wait_until_complete(pop, {number: table.routes for number, table in expected.items()}) - start
    found = {number: Expected(table.routes, table.prefixes) for number, table in pop.tables(HOST).items()}
    assert found == expected, f"after the restart the host holds {found}, expected {expected}"
    return [_row(f"{name}, one session restarted", [seconds])]


def _quiet_row(name: str, quiet: Quiet, seconds: float) -> dict[str, Any]:
    row = _row(f"{name}, quiet for {seconds:g} s", [])
    return {**row, "host_cpu_s": round(quiet.cpu_s, 1), "longest_reply_s": round(quiet.reply_s, 3)}


def _commands(pop: Pop, progress: Progress) -> dict[str, dict[str, float]]:
    """netorch's own commands while the host holds its tables: seconds, and the process's peak of resident memory."""
    found = {}
    for arguments in (("plan", "pop1"), ("status", "pop1"), ("deploy", "pop1", "--yes")):
        progress(f"netorch {' '.join(arguments)}")
        seconds, peak = pop.netorch(*arguments)
        found[f"netorch {arguments[0]}"] = {"seconds": round(seconds, 2), "peak_mib": round(peak / MIB)}
    return found


def _floors(pop: Pop, folder: Path, progress: Progress) -> dict[str, float]:
    progress("the kernel's own rate")
    pop.kernel(HOST, "copy", str(folder))
    return {
        "floor: ip -batch": ip_batch_seconds(pop, folder),
        "floor: netlink in bursts": burst_seconds(pop, folder),
    }


# ---- the document --------------------------------------------------------------------------------------------------


def _document(
    loads: Mapping[str, Sequence[Load]], floors: Mapping[str, float], more: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    rows = [_load_row(name, loads[name], loads[PEER]) for name in (NETORCH, PEER)]
    peer = statistics.median(load.seconds for load in loads[PEER])
    rows += [{**_row(name, [seconds]), "ratio_to_peer": round(seconds / peer, 2)} for name, seconds in floors.items()]
    last = loads[NETORCH][-1]
    return {
        "versions": {"netorch": __version__, "bird": _version("bird", "--version"), "iproute2": _version("ip", "-V")},
        "host_tables": {str(number): table.routes for number, table in last.tables.items()},
        "host_routes_multipath": sum(table.multipath for table in last.tables.values()),
        "host_kernel_mib": round(last.kernel_bytes / MIB),
        "loads": {name: [_without_tables(load) for load in each] for name, each in loads.items()},
        "rows": [*rows, *more],
    }


def _row(name: str, seconds: Sequence[float]) -> dict[str, Any]:
    return {
        "name": name,
        "seconds_median": round(statistics.median(seconds), 2) if seconds else None,
        "seconds_min": round(min(seconds), 2) if seconds else None,
        "ratio_to_peer": None,
        "host_cpu_s": None,
        "switch_cpu_s": None,
        "host_mib": None,
        "host_mib_ratio": None,
        "switch_mib": None,
        "switch_mib_ratio": None,
        "switch_fib": None,
        "longest_reply_s": None,
    }


def _load_row(name: str, loads: Sequence[Load], peers: Sequence[Load]) -> dict[str, Any]:
    row = _row(name, [load.seconds for load in loads])
    row["ratio_to_peer"] = _ratio([load.seconds for load in loads], [load.seconds for load in peers])
    for node, word in ((HOST, "host"), (SWITCH, "switch")):
        peaks = [load.peak[node] for load in loads]
        row[f"{word}_cpu_s"] = round(statistics.median(load.cpu_s[node] for load in loads), 1)
        row[f"{word}_mib"] = round(statistics.median(peaks) / MIB)
        row[f"{word}_mib_ratio"] = _ratio(peaks, [load.peak[node] for load in peers])
    row["switch_fib"] = max(load.switch_fib for load in loads)
    row["longest_reply_s"] = round(max(max(load.replies.values()) for load in loads), 3)
    return row


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return round(statistics.median(mine / base for mine, base in zip(ours, theirs, strict=True)), 2)


def _without_tables(load: Load) -> dict[str, Any]:
    return {key: value for key, value in asdict(load).items() if key != "tables"}


def _version(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"\d+\.[\d.]+", done.stdout + done.stderr)
    assert found is not None, f"{command}: no version"
    return found.group()
