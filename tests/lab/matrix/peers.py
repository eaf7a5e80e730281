"""The second POP of a cell: its providers are ExaBGP and GoBGP, and its circuits have a hundred hostile descriptions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netorch.lab import expected_prefixes
from netorch.model.types import Family
from tests.lab import hostile_circuits
from tests.lab.deployed_pop import kernel_routes, mark, service
from tests.lab.faults.frr_strings import as_frr_has_it
from tests.lab.hostile_circuits import DESCRIBED, SWITCH
from tests.lab.hostile_texts import read_back, unmarked
from tests.lab.matrix.bench import Bench, Cell, stamps
from tests.lab.matrix.pop import Release, all_up, moments, of_releases, restarted, sessions
from tests.lab.matrix.tables import KERNEL_NAMES
from tests.lab.quick_lab import QuickLab, quick_lab
from tests.waiting import wait_until

POP = "pop2"
HOSTS = ("h1.pop2", "h2.pop2")
SPEAKERS = {"northtel": "exabgp", "meadow": "gobgp"}
PREFIXES = 40
"""Of each provider and family: GoBGP takes about fifty a second from its command line."""

CIRCUITS = 20
TEXTS = 100


@contextmanager
def second_pop(cell: Cell, folder: Path) -> Iterator[QuickLab]:
    """Its lab."""
    quick_lines = [
        f"  - {{provider: {provider}, {f'speaker: {speaker}, ' if speaker else ''}"
        f"prefixes_ipv4: {PREFIXES}, prefixes_ipv6: {PREFIXES}, delay_ms: 0}}\n"
        for provider, speaker in {**SPEAKERS, "southnet": ""}.items()
    ]
    files = {**_files(cell), "lab.yml": "speakers:\n" + "".join(quick_lines)}
    with quick_lab(folder, files, name="peers") as quick:
        yield quick


def _files(cell: Cell, descriptions: tuple[str, ...] = ()) -> dict[str, str]:
    releases: dict[str, Release] = {"sw1": cell.switch, "h1": cell.host, "h2": cell.host}
    return of_releases(hostile_circuits.inventory(CIRCUITS, descriptions), hostile_circuits.FILE, releases)


def check_peers(bench: Bench) -> None:
    """Every session with ExaBGP and GoBGP comes up, hosts hold exactly what these announce, each is reached by its mark, a drain
    closes one of them and an undrain brings it back."""
    quick = bench.quick
    quick.deploy(POP)
    wait_until(lambda: all_up(quick, POP), timeout_s=90, what="every session is up")
    wait_until(lambda: not _differences(bench), timeout_s=60, what="exact tables")
    lab = quick.lab
    for host, provider, family in itertools.product(HOSTS, SPEAKERS, Family):
        prefixes, _ = expected_prefixes(lab.inventory, provider, family)
        (other,) = (expected_prefixes(lab.inventory, name, family)[0] for name in SPEAKERS if name != provider)
        target = str(min(prefixes - other, key=str).network_address + 7)
        options = ("-m", mark(lab.inventory, provider), "-I", service(lab.inventory, host, family))
        # Answers may have to wait until their provider is known where they come from.
        wait_until(
            lambda host=host, target=target, options=options: lab.ping(host, target, *options),  # type: ignore[misc]
            what=f"{host} is answered through {provider} by {target}",
        )
    for provider in SPEAKERS:
        quick.project("drain", "provider", provider, "--pop", POP, "--wait", "0s", "--reason", "matrix")
        states = {s["state"] for s in sessions(quick, POP).values() if s["peer"] == provider}
        assert states == {"down"}, states
        quick.project("undrain", "provider", provider, "--pop", POP)
    wait_until(lambda: all_up(quick, POP), timeout_s=90, what="every session is back")
    wait_until(lambda: not _differences(bench), timeout_s=60, what="exact tables again")
    quick.project("plan", POP, "--detailed-exitcode")


def _differences(bench: Bench) -> list[str]:
    """Prefixes that a host has too many or too few of, in words; [] where there are none."""
    lab, daemon, found = bench.quick.lab, bench.cell.host.daemon, []
    for host, family in itertools.product(HOSTS, Family):
        announced = {name: expected_prefixes(lab.inventory, name, family)[0] for name in SPEAKERS}
        held = kernel_routes(lab, host, family, "main", proto=KERNEL_NAMES[daemon]).keys()
        services = {prefix for prefix in held if prefix.prefixlen == family.host_length}
        if held - services != frozenset.union(*announced.values()):
            found.append(f"{host}: main table of {family.value}")
        for name, prefixes in announced.items():
            if daemon == "bird" and kernel_routes(lab, host, family, mark(lab.inventory, name)).keys() != prefixes:
                found.append(f"{host}: table of {name}, {family.value}")
    return found


def check_texts(bench: Bench) -> None:
    """A hundred hostile descriptions come out as text, where the daemon shows them and as aliases of ports, and change no
    session; what the inventory refuses reaches no device."""
    quick, daemon = bench.quick, bench.cell.switch.daemon
    accepted = [text for text in hostile_circuits.STRINGS if hostile_circuits.is_accepted(DESCRIBED, text)]
    refused = [text for text in hostile_circuits.STRINGS if text not in accepted]
    assert len(accepted) >= TEXTS
    before = moments(quick, POP)
    for batch in hostile_circuits.batched(accepted[:TEXTS], CIRCUITS):
        _describe(bench, batch)
        quick.project("deploy", SWITCH, "--yes", timeout_s=180)
        wanted = {number: hostile_circuits.label(number, text) for number, text in enumerate(batch)}
        aliases = hostile_circuits.aliases(quick.lab)
        wrong: dict[str, object] = {f"p{n}": aliases[f"p{n}"] for n, text in wanted.items() if aliases[f"p{n}"] != text}
        shown = (hostile_circuits.shown_by_bird if daemon == "bird" else hostile_circuits.shown_by_frr)(quick.lab)
        as_shown = unmarked if daemon == "bird" else as_frr_has_it
        for number, text in wanted.items():
            name, as_text = hostile_circuits.session(number), as_shown(text)
            if as_text is not None and read_back(shown.get(name, "")) != as_text:
                wrong[name] = shown.get(name), as_text
        assert not wrong, f"other texts than {batch}: {wrong}"
        assert restarted(before, moments(quick, POP)) == []
        quick.project("plan", SWITCH, "--detailed-exitcode")
    unchanged = stamps(bench, POP)
    _describe(bench, refused[:CIRCUITS])
    said = quick.project("deploy", SWITCH, "--yes", code=1)
    assert said.err.count("].description: expected a text") == len(refused[:CIRCUITS]), said.err
    _describe(bench, [])  # so that the network can be asked
    assert stamps(bench, POP) == unchanged
    bench.notes["texts"] = f"{len(accepted[:TEXTS])} shown, {len(refused[:CIRCUITS])} refused"


def _describe(bench: Bench, texts: list[str]) -> None:
    file = hostile_circuits.FILE
    text = _files(bench.cell, tuple(texts))[file]
    (bench.quick.project.folder / "inventory" / file).write_text(text)
