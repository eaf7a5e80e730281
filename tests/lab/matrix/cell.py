"""One cell: the example's first POP with one release on its switches and one on its hosts, and what must hold there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Optional

from netorch.lab import exec_in
from netorch.model.capabilities import RELEASES
from netorch.model.types import Family
from tests.lab.deployed_pop import (
    HOSTS,
    POP,
    PROVIDERS,
    SWITCHES,
    behind_all,
    kernel_routes,
    mark,
    only_behind,
    service,
)
from tests.lab.matrix.pop import Release, all_up, devices, example_of, sessions
from tests.lab.matrix.tables import wait_until_exact
from tests.lab.quick_lab import QuickLab, quick_lab
from tests.lab.steady_ping import steady_ping
from tests.waiting import wait_until

SWITCH_ROUTES = 100
"""The most routes that a switch may have in its own kernel."""

CLOCK_ERROR_S = 2
"""FRR tells an age in whole seconds, from which the moment is reckoned."""

DRAINED = "northtel"
MISTAKEN = "southnet"


@dataclass(frozen=True)
class Cell:
    """What runs on switches, and what on hosts."""

    switch: Release
    host: Release

    def __str__(self) -> str:
        return f"{self.switch} / {self.host}"


@dataclass
class Outcome:
    """What became of a cell's checks: for each how long it took, or None where it failed; and why."""

    cell: Cell
    took_s: dict[str, Optional[float]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True)
class Bench:
    """A cell that is up."""

    quick: QuickLab
    cell: Cell
    folder: Path
    notes: dict[str, str]


def cells() -> tuple[Cell, ...]:
    """Every pair of releases that netorch renders for."""
    switches, hosts = (
        [Release(known.daemon, known.release) for known in RELEASES if known.has_templates_for(role)]
        for role in ("switch", "host")
    )
    return tuple(Cell(switch, host) for switch in switches for host in hosts)


def inventory_of(cell: Cell) -> dict[str, str]:
    """The files of the example's first POP with these releases."""
    releases = {name.partition(".")[0]: cell.switch for name in SWITCHES}
    return example_of({**releases, **{name.partition(".")[0]: cell.host for name in HOSTS}})


def play(cell: Cell, folder: Path) -> Outcome:
    """Boot the cell and look at it check by check; the first that fails ends it."""
    outcome = Outcome(cell)
    with quick_lab(folder, inventory_of(cell), name="matrix") as quick:
        bench = Bench(quick, cell, folder, outcome.notes)
        for name, check in CHECKS.items():
            started = time.monotonic()  # noqa: TID251 - for people
            try:
                check(bench)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this cell's result
                outcome.took_s[name] = None
                outcome.problem = f"{name}: {type(error).__name__}: {error}"
                break
            outcome.took_s[name] = time.monotonic() - started  # noqa: TID251
    return outcome


# ---- the checks, in their order -----------------------------------------------------------------------------------


def check_deploy(bench: Bench) -> None:
    """A fresh POP is deployed, and each device reports the release that the inventory gives it."""
    bench.quick.project("deploy", POP, "--yes", timeout_s=180)
    for device in devices(bench.quick).values():
        wanted = bench.cell.switch if device["role"] == "switch" else bench.cell.host
        assert device["daemon"] == wanted.daemon, device
        assert device["daemon_version"].startswith(wanted.version), device


def check_tables(bench: Bench) -> None:
    """Every session comes up, every host has exactly the routes it is to have, and no switch has them."""
    wait_until(lambda: all_up(bench.quick), timeout_s=60, what="every session is up")
    wait_until_exact(bench.quick.lab)
    for switch in SWITCHES:
        for family in Family:
            held = len(kernel_routes(bench.quick.lab, switch, family, "main"))
            assert held < SWITCH_ROUTES, f"{switch} has {held} routes"


def check_ways(bench: Bench) -> None:
    """A marked ping from every host through every provider is answered, in both families."""
    lab = bench.quick.lab
    for host in HOSTS:
        for provider in PROVIDERS:
            for family in Family:
                source, target = service(lab.inventory, host, family), only_behind(lab.inventory, provider, family)
                argv = ("ping", "-n", "-q", "-c", "3", "-i", "0.05", "-W", "2", "-m", mark(lab.inventory, provider))
                done = exec_in(host, (*argv, "-I", source, target), lab.settings)
                assert done.returncode == 0, f"{host} through {provider}: {done.stdout.decode()}"


def check_again(bench: Bench) -> None:
    """A second deploy applies nothing and resets no session."""
    before = {key: since(session) for key, session in sessions(bench.quick).items()}
    bench.quick.project("plan", POP, "--detailed-exitcode")
    bench.quick.project("deploy", POP, "--yes")
    after = {key: since(session) for key, session in sessions(bench.quick).items()}
    assert after.keys() == before.keys()
    assert [key for key, moment in after.items() if abs(moment - before[key]) > CLOCK_ERROR_S] == []


def since(session: Mapping[str, Any]) -> float:
    """When the session came up, in seconds since the epoch, by the device's clock."""
    return datetime.fromisoformat(session["since"]).timestamp()


def check_drain(bench: Bench) -> None:
    """A drained provider closes without a lost packet, and comes back to what was before."""
    lab, project = bench.quick.lab, bench.quick.project
    target = behind_all(lab.inventory, Family.IPV4)
    source = service(lab.inventory, HOSTS[0], Family.IPV4)
    with steady_ping(lab, HOSTS[0], target, "-I", source, folder=bench.folder) as ping:
        project("drain", "provider", DRAINED, "--pop", POP, "--reason", "matrix", "--wait", "2s")
        states = {s["state"] for s in sessions(bench.quick).values() if s["peer"] == DRAINED}
        assert states == {"down"}, states
        project("undrain", DRAINED, "--pop", POP)
        wait_until_exact(bench.quick.lab)
    bench.notes["drain"] = f"{len(ping.lost)} of {ping.sent} lost"
    assert not ping.lost, f"lost {ping.lost}"
    project("plan", POP, "--detailed-exitcode")


def check_revert(bench: Bench) -> None:
    """A change that closes sessions is taken back by itself: a wrong password of a provider."""
    before = stamps(bench)
    mistaken = bench.quick.project.copy(bench.folder / "mistaken")
    (mistaken.folder / f".lab/secrets/{MISTAKEN}").write_text("not-what-the-provider-has\n")
    mistaken("deploy", "role:switch", "--yes", "--allow-resets", "99", code=6, timeout_s=180)
    assert stamps(bench) == before
    wait_until(lambda: all_up(bench.quick), timeout_s=60, what="every session is back")


def stamps(bench: Bench) -> dict[str, tuple[str, str]]:
    """Which configuration each device runs and has on disk."""
    return {name: (device["live_stamp"], device["disk_stamp"]) for name, device in devices(bench.quick).items()}


CHECKS: Mapping[str, Callable[[Bench], None]] = {
    "deploy": check_deploy,
    "tables": check_tables,
    "every way": check_ways,
    "again": check_again,
    "drain": check_drain,
    "revert": check_revert,
}
