"""Announcements changed for single providers, each previewed, and then held against what ExaBGP and GoBGP have heard, by switches
that run BIRD and FRR."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Optional

import pytest

from netorch.model.inventory import Circuit
from netorch.model.types import Family
from tests.lab.heard import Heard, Path, by_exabgp, by_gobgp
from tests.lab.labs import Lab
from tests.lab.operator_shell import cron_environment
from tests.lab.quick_lab import QuickLab, quick_example, quick_lab
from tests.unit.inventory_texts import edited
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

SPEAKERS = """speakers:
  - {provider: northtel, speaker: exabgp, prefixes_ipv4: 5, prefixes_ipv6: 5, delay_ms: 0}
  - {provider: southnet, speaker: gobgp, prefixes_ipv4: 5, prefixes_ipv6: 5, delay_ms: 0}
  - {provider: meadow, speaker: gobgp, prefixes_ipv4: 5, prefixes_ipv6: 5, delay_ms: 0}
"""
READERS = {"northtel": by_exabgp, "southnet": by_gobgp, "meadow": by_gobgp}
OWN, PART, OWN_V6 = "192.0.2.0/23", "192.0.3.0/24", "2001:db8:1::/48"
HOSTS = ("h1.pop1", "h2.pop1", "h3.pop1")
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
PLAIN = Path((64500,))
CIRCUITS = {
    "northtel": ("northtel-pop1-a", "northtel-pop1-b"),
    "southnet": ("southnet-pop1",),
    "meadow": ("meadow-pop1",),
}
EVERYWHERE = [name for names in CIRCUITS.values() for name in names]


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    """The first POP with BIRD on one switch and FRR 8.4.4, which tells least of itself, on the other."""
    files = {**quick_example(), "lab.yml": SPEAKERS}
    del files["pops/pop2.yml"]
    files = edited(files, "network.yml", ("  - 192.0.2.0/24\n", f"  - {OWN}\n"))
    files = edited(
        files,
        "pops/pop1.yml",
        ("  - prefix: 192.0.2.0/24", f"  - prefix: {OWN}"),
        ("  - name: sw2\n", "  - name: sw2\n    daemon: frr\n    version: 8.4.4\n"),
    )
    with quick_lab(tmp_path_factory.mktemp("announce"), files, name="ann") as up:
        up.project("deploy", "pop1", "--yes")
        wait_until(lambda: heard(up.lab, OWN) == dict.fromkeys(EVERYWHERE, PLAIN), timeout_s=60, what="all hear it")
        wait_until(lambda: heard(up.lab, OWN_V6) == dict.fromkeys(EVERYWHERE, PLAIN), timeout_s=60, what="all hear it")
        yield up


@pytest.fixture
def as_it_was(quick: QuickLab) -> Iterator[QuickLab]:
    """The lab, whose announcements are as the inventory has them again after the test."""
    yield quick
    for prefix in (OWN, OWN_V6, PART):
        quick.project("announce", prefix, "--as-inventory", "--yes", "--allow-changes", "99")
    assert all(
        row["as_intended"] and row["change"] is None for row in rows_of(quick.project("announcements", "-o", "json"))
    )


def heard(lab: Lab, prefix: str) -> dict[str, Path]:
    """What speakers hold of ``prefix``, by circuit; nothing where they do not hear it."""
    found: dict[str, Path] = {}
    for circuit in lab.inventory.circuits:
        all_of_it = heard_over(lab, circuit, Family.IPV6 if ":" in prefix else Family.IPV4)
        if prefix in all_of_it:
            found[circuit.name] = all_of_it[prefix]
    return found


def heard_over(lab: Lab, circuit: Circuit, family: Family) -> Heard:
    return READERS[circuit.provider](lab, circuit, family)


def rows_of(said: Any) -> list[dict[str, Any]]:
    """The rows of the first thing that a command reported."""
    rows: list[dict[str, Any]] = said.document[0]["rows"]
    return rows


def told(rows: list[dict[str, Any]], when: str) -> dict[str, Path]:
    """What a preview, or ``announcements`` (``when`` is then empty), says that providers hear, by circuit."""
    return {
        row["circuit"]: Path(
            tuple(row[f"as_path{when}"]), tuple(row[f"communities{when}"]), tuple(row[f"large_communities{when}"])
        )
        for row in rows
        if row[f"state{when}"] == "announced"
    }


def change(quick: QuickLab, *command: str) -> list[dict[str, Any]]:
    """Preview ``command``, carry it out, and see that speakers hear just what was previewed, and heard what it said before."""
    prefix, before = command[1], heard(quick.lab, command[1])
    checked = rows_of(quick.project(*command, "--check", "-o", "json"))
    assert heard(quick.lab, prefix) == before == told(checked, "_before")
    carried_out = rows_of(quick.project(*command, "--yes", "-o", "json"))
    assert carried_out == checked or any(row["until"] for row in checked)
    after = told(checked, "_after")
    wait_until(lambda: heard(quick.lab, prefix) == after, timeout_s=20, what=f"speakers hear {after}")
    return checked


CHANGES: dict[str, tuple[tuple[str, ...], dict[str, Optional[Path]]]] = {
    "prepends and a community": (
        ("announce", OWN, "--to", "northtel", "--prepend", "2", "--community", "64496:100"),
        {"northtel": Path((64500,) * 3, ("64496:100",))},
    ),
    "actions by name": (
        ("announce", OWN, "--to", "northtel", "--action", "not-to-meadow", "--action", "prepend-twice-overseas"),
        {"northtel": Path((64500,), ("64496:498",), ("64496:32:2",))},
    ),
    "large and well-known communities": (
        (
            "announce",
            OWN_V6,
            "--to",
            "southnet",
            "--to",
            "meadow",
            "--community",
            "64497:1:2",
            "--community",
            "no-export",
        ),
        dict.fromkeys(("southnet", "meadow"), Path((64500,), ("65535:65281",), ("64497:1:2",))),
    ),
    "withheld": (("withdraw", OWN, "--from", "southnet", "--from", "meadow"), {"southnet": None, "meadow": None}),
    "withheld in IPv6": (("withdraw", OWN_V6, "--from", "northtel"), {"northtel": None}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_speakers_hear_what_was_previewed(as_it_was: QuickLab, name: str) -> None:
    """Every provider, on either daemon, hears exactly the path and the communities of the preview; the others what they heard."""
    command, wanted = CHANGES[name]
    rows = change(as_it_was, *command)
    expected = {circuit: wanted.get(provider, PLAIN) for provider, names in CIRCUITS.items() for circuit in names}
    assert told(rows, "_after") == {circuit: path for circuit, path in expected.items() if path is not None}
    now = [row for row in rows_of(as_it_was.project("announcements", "-o", "json")) if row["prefix"] == command[1]]
    assert told(now, "") == heard(as_it_was.lab, command[1])
    assert all(row["as_intended"] for row in now)


def test_a_part_is_heard_by_who_it_was_announced_to(as_it_was: QuickLab) -> None:
    """Hosts originate it, the switches' kernels send it to them, one provider hears it and no other; then nothing is left."""
    lab = as_it_was.lab
    for host in HOSTS:
        lab.run(host, "ip", "address", "add", "192.0.3.9/32", "dev", "lo")
    rows = change(as_it_was, "announce", PART, "--to", "northtel", "--prepend", "1")
    assert told(rows, "_after") == dict.fromkeys(CIRCUITS["northtel"], Path((64500, 64500)))
    assert heard(lab, OWN) == dict.fromkeys(EVERYWHERE, PLAIN)
    for switch in ("sw1.pop1", "sw2.pop1"):
        assert lab.run(switch, "ip", "route", "show", PART).startswith(PART)
    assert lab.ping("northtel", "192.0.3.9")
    assert told(change(as_it_was, "withdraw", PART), "_after") == {}
    for switch in ("sw1.pop1", "sw2.pop1"):
        assert lab.run(switch, "ip", "route", "show", PART) == ""
    assert PART not in lab.run("h1.pop1", "birdc", "show", "route")
    for host in HOSTS:
        lab.run(host, "ip", "address", "del", "192.0.3.9/32", "dev", "lo")


def test_drained_provider_hears_both(as_it_was: QuickLab) -> None:
    """A drain's community and a change's prepends are on one announcement; the preview and the list say so."""
    project = as_it_was.project
    project("drain", "southnet", "--keep-session", "--wait", "0s")
    rows = change(as_it_was, "announce", OWN, "--to", "southnet", "--prepend", "1", "--community", "64497:7")
    assert told(rows, "_after")["southnet-pop1"] == Path((64500, 64500), ("64497:7", "65535:0"))
    refused = project("withdraw", OWN, "--from", "northtel", "--from", "meadow", "--check", code=7)
    assert "refused (last)" in refused.err
    project("undrain", "southnet", "--wait", "0s")
    after = {"southnet-pop1": Path((64500, 64500), ("64497:7",))}
    wait_until(lambda: heard(as_it_was.lab, OWN).items() >= after.items(), timeout_s=20, what="the drain is over")


def test_other_checkouts_keep_it_until_its_time(as_it_was: QuickLab, tmp_path: Any) -> None:
    """Another checkout sees who, why and until when, and its run changes nothing; past the time any run ends it."""
    project, lab = as_it_was.project, as_it_was.lab
    change(as_it_was, "announce", OWN, "--to", "meadow", "--prepend", "3", "--for", "2h", "--reason", "too full")
    other = project.copy(tmp_path / "other")
    row = next(row for row in rows_of(other("announcements", "pop1", "-o", "json")) if row["change"] is not None)
    assert (row["provider"], row["reason"], row["change"]["prepend"]) == ("meadow", "too full", 3)
    assert row["until"] is not None
    assert other("plan", "pop1", "--detailed-exitcode").code == 0
    assert other("run").out == ""
    assert heard(lab, OWN)["meadow-pop1"] == Path((64500,) * 4)
    other("run", environment={**cron_environment(), "FAKETIME": "+3h", "LD_PRELOAD": FAKETIME})
    wait_until(lambda: heard(lab, OWN)["meadow-pop1"] == PLAIN, timeout_s=20, what="it is as it was")


REFUSED = {
    "own": ("announce", "203.0.113.0/24"),
    "last": ("withdraw", OWN),
    "changes": ("announce", OWN, "--prepend", "1", "--allow-changes", "3"),
    "long": ("announce", "192.0.3.128/25", "--to", "northtel"),
}


@pytest.mark.parametrize("guard", REFUSED)
def test_guards_refuse_before_anything_changes(quick: QuickLab, guard: str) -> None:
    """Exit code 7, with the guard's name and how to override it; speakers hear what they heard."""
    before = heard(quick.lab, OWN)
    refused = quick.project(*REFUSED[guard], "--yes", code=7)
    assert f"refused ({guard})" in refused.err
    assert "hint: " in refused.err
    assert heard(quick.lab, OWN) == before
