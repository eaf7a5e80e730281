"""One session with a full table through all filters, against the same daemon and configuration with ``import all``."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.policy.daemons import (
    Load,
    bird_accepting_all,
    frr_accepting_all,
    load_bird,
    load_frr,
    make_network,
    sender,
    validator,
)
from benchmarks.policy.network import ORIGINS, configuration, write_inventory
from netorch.model.inventory import Inventory

PREFIXES = 1_000_000
ROUNDS = 1
MIB = 1 << 20
BIRD, FRR = ("bird", "2.0.12"), ("frr", "8.4.4")


def run(progress: Callable[[str], None], *, prefixes: int = PREFIXES, rounds: int = ROUNDS) -> dict[str, Any]:
    """A row for each daemon and policy; ``ratio`` and ``cpu_ratio`` are to the same daemon's ``import all`` of the same round."""
    folder = Path(tempfile.mkdtemp(prefix="netorch-bench-"))
    try:
        make_network()
        made = {
            name: write_inventory(folder / name.replace(" ", "-"), prefixes=prefixes, **keys)  # type: ignore[arg-type]
            for name, keys in _KEYS.items()
        }
        with sender(made["transit"], folder):
            rounds_of = [_round(progress, made, folder, number) for number in range(rounds)]
        with sender(made[_ALL], folder, few_origins=True), validator(made[_ALL], folder) as entries:
            for number, found in enumerate(rounds_of):
                found.update(_round_of_all(progress, made, folder, number=number, entries=entries))
    finally:
        shutil.rmtree(folder)
    return {"prefixes": prefixes, "rounds": rounds, "rows": [_row(name, rounds_of) for name in rounds_of[0]]}


_POLICIES: dict[str, dict[str, object]] = {
    "transit": {},
    "peer": {"relation": "peer"},
    "transit, /24 refused and kept": {"longest": 23},
    "transit, /24 refused and not kept": {"longest": 23, "keeps": False},
}
_ALL = "peer, RPKI and IRR"
_KEYS: dict[str, dict[str, object]] = {**_POLICIES, _ALL: {"relation": "peer", "sources": True}}


def _round(
    progress: Callable[[str], None], made: dict[str, Inventory], folder: Path, number: int
) -> dict[str, tuple[str, Load]]:
    """Every contender once: what it is compared with, and its figures."""
    found: dict[str, tuple[str, Load]] = {}
    for (daemon, version), accepting_all, load in (
        (BIRD, bird_accepting_all, load_bird),
        (FRR, frr_accepting_all, load_frr),
    ):
        peer = f"{daemon} {version}, import all"
        texts = {peer: accepting_all(configuration(made["transit"], daemon, version))}
        names = _POLICIES if daemon == "bird" else ("transit", "peer")
        texts |= {f"{daemon} {version}, {name}": configuration(made[name], daemon, version) for name in names}
        for name, text in texts.items():
            progress(f"policy: round {number + 1}, {name}")
            found[name] = (peer, load(text, folder))
    return found


def _round_of_all(
    progress: Callable[[str], None], made: dict[str, Inventory], folder: Path, *, number: int, entries: int
) -> dict[str, tuple[str, Load]]:
    """All filters, with a validator's list of ``entries`` and an IRR's; and what that is compared with."""
    found: dict[str, tuple[str, Load]] = {}
    for (daemon, version), accepting_all, load in (
        (BIRD, bird_accepting_all, load_bird),
        (FRR, frr_accepting_all, load_frr),
    ):
        peer, name = f"{daemon} {version}, import all, {ORIGINS} origins", f"{daemon} {version}, {_ALL}"
        plain, filtered = (configuration(made[each], daemon, version) for each in ("transit", _ALL))
        for each, text, count in ((peer, accepting_all(plain), 0), (name, filtered, entries)):
            progress(f"policy: round {number + 1}, {each}")
            found[each] = (peer, load(text, folder, entries=count))
    return found


def _row(name: str, rounds: list[dict[str, tuple[str, Load]]]) -> dict[str, Any]:
    """The least of the rounds, and the least ratio to the peer of the same round."""
    loads = [one[name][1] for one in rounds]
    peers = [one[one[name][0]][1] for one in rounds]
    best = min(loads, key=lambda load: load.cpu_s)
    return {
        "contender": name,
        "seconds": round(min(load.seconds for load in loads), 2),
        "cpu_s": round(best.cpu_s, 2),
        "cpu_ratio": round(min(a.cpu_s / b.cpu_s for a, b in zip(loads, peers, strict=True)), 2),
        "memory_mib": round(best.rss_bytes / MIB, 1),
        "list_mib": round(best.list_bytes / MIB, 1),
        "memory_ratio": round(min(a.rss_bytes / b.rss_bytes for a, b in zip(loads, peers, strict=True)), 2),
        "accepted": best.accepted,
        "refused_kept": best.refused,
    }
