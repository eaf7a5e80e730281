"""Announcements changed for single providers, each previewed, and then held against what ExaBGP and GoBGP have heard, by switches
that run BIRD and FRR."""

from __future__ import annotations

import json
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
VALIDATORS = """validators:
  - name: rpki1
    refresh_s: 1
    retry_s: 1
    expire_s: 600
    roas:
      - {prefix: 192.0.2.0/24, max_length: 24, asn: 64500}
"""
RPKI = """
rpki:
  validators:
    - {name: rpki1, address: 198.18.9.1, port: 8282}
  refresh_s: 1
  retry_s: 1
"""
READERS = {"northtel": by_exabgp, "southnet": by_gobgp, "meadow": by_gobgp}
OWN, PART, OWN_V6 = "192.0.2.0/24", "192.0.2.128/25", "2001:db8:1::/48"
"""``PART`` has a length that BIRD does not see to be new in a set of prefixes (docs/daemons.md)."""
HOSTS = ("h1.pop1", "h2.pop1", "h3.pop1")
SWITCHES = ("sw1.pop1", "sw2.pop1")
LATER = {
    "LD_PRELOAD": "/usr/$LIB/faketime/libfaketime.so.1",
    "FAKETIME": "+3h",
    "FAKETIME_DONT_FAKE_MONOTONIC": "1",
}
"""What makes a program believe that three hours have passed."""
PLAIN = Path((64500,))
CIRCUITS = {
    "northtel": ("northtel-pop1-a", "northtel-pop1-b"),
    "southnet": ("southnet-pop1",),
    "meadow": ("meadow-pop1",),
}
EVERYWHERE = [name for names in CIRCUITS.values() for name in names]


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    """The first POP with BIRD on one switch and FRR 8.4.4, which tells least of itself, on the other; the hosts run BIRD 2.0.12,
    FRR 8.4.4 and BIRD 2.17."""
    files = {**quick_example(), "lab.yml": SPEAKERS + VALIDATORS}
    del files["pops/pop2.yml"]
    files = edited(files, "network.yml", ("\nplugins:", f"{RPKI}\nplugins:"))
    files = edited(
        files,
        "pops/pop1.yml",
        ("  - name: sw2\n", "  - name: sw2\n    daemon: frr\n    version: 8.4.4\n"),
        ("  - name: h2\n", "  - name: h2\n    daemon: frr\n    version: 8.4.4\n"),
        ("  - name: h3\n", "  - name: h3\n    version: '2.17'\n"),
    )
    with quick_lab(tmp_path_factory.mktemp("announce"), files, name="ann") as up:
        up.deploy("pop1")
        wait_until(lambda: heard(up.lab, OWN) == dict.fromkeys(EVERYWHERE, PLAIN), timeout_s=60, what="all hear it")
        wait_until(lambda: heard(up.lab, OWN_V6) == dict.fromkeys(EVERYWHERE, PLAIN), timeout_s=60, what="all hear it")
        wait_until(lambda: rpki_of(up, OWN) == {"valid"}, timeout_s=60, what="the validator has answered both switches")
        yield up


def heard(lab: Lab, prefix: str) -> dict[str, Path]:
    """What speakers hold of ``prefix``, by circuit; nothing where they do not hear it."""
    found: dict[str, Path] = {}
    for circuit in lab.inventory.circuits:
        all_of_it = heard_over(lab, circuit, Family.IPV6 if ":" in prefix else Family.IPV4)
        if prefix in all_of_it:
            found[circuit.name] = all_of_it[prefix]
    return found


def rpki_of(quick: QuickLab, prefix: str) -> set[str]:
    """What ``netorch announcements`` says that validators say of ``prefix``."""
    rows = rows_of(quick.project("announcements", "-o", "json"))
    return {row["rpki"] for row in rows if row["prefix"] == prefix}


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
    """Carry ``command`` out, and see that speakers hear just what it previewed, and heard what it said before."""
    before = heard(quick.lab, command[1])
    rows = rows_of(quick.project(*command, "--yes", "-o", "json"))
    assert told(rows, "_before") == before
    after = told(rows, "_after")
    wait_until(lambda: heard(quick.lab, command[1]) == after, timeout_s=20, what=f"speakers hear {after}")
    return rows


def originators(quick: QuickLab, switch: str, prefix: str) -> set[str]:
    """The hosts that the switch's kernel sends ``prefix`` to, by name."""
    family = "-6" if ":" in prefix else "-4"
    (route,) = json.loads(quick.lab.run(switch, "ip", "-j", family, "route", "show", prefix)) or [{}]
    hosts = {
        str(address.ip): host.name
        for host in quick.lab.inventory.pop("pop1").hosts
        for uplink in host.uplinks
        for address in (uplink.ipv4, uplink.ipv6)
    }
    return {hosts[hop["gateway"]] for hop in route.get("nexthops", [route]) if "gateway" in hop}


def wait_until_originated(quick: QuickLab, prefix: str, hosts: set[str]) -> None:
    """Return once every switch has just these originators of ``prefix``."""
    for switch in SWITCHES:
        wait_until(
            lambda switch=switch: originators(quick, switch, prefix) == hosts,  # type: ignore[misc]
            timeout_s=20,
            what=f"{switch} sends {prefix} to {sorted(hosts) or 'nobody'}",
        )


ON_NORTHTEL = Path((64500,) * 3, ("64496:100", "64496:498"), ("64496:32:2",))
CHANGES: tuple[tuple[tuple[str, ...], dict[str, Optional[Path]]], ...] = (
    (
        (
            *("announce", OWN, "--to", "northtel", "--prepend", "2", "--community", "64496:100"),
            *("--action", "not-to-meadow", "--action", "prepend-twice-overseas"),
        ),
        {"northtel": ON_NORTHTEL},
    ),
    (
        ("withdraw", OWN, "--from", "southnet", "--from", "meadow"),
        {"northtel": ON_NORTHTEL, "southnet": None, "meadow": None},
    ),
    (
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
    (("announce", OWN, "--as-inventory"), {}),
)


def test_speakers_hear_what_was_previewed(quick: QuickLab) -> None:
    """Each change, of either family, with BIRD and with FRR: every provider hears exactly the path and the communities of the
    preview, and the daemons are asked rightly before and after. --check shows the same, and changes nothing."""
    project, states = quick.project, {OWN: "valid", OWN_V6: "not-found"}
    checked = rows_of(project(*CHANGES[0][0], "--check", "-o", "json"))
    assert heard(quick.lab, OWN) == dict.fromkeys(EVERYWHERE, PLAIN)
    for command, wanted in CHANGES:
        rows = change(quick, *command)
        assert checked in (rows, [])
        expected = {circuit: wanted.get(provider, PLAIN) for provider, names in CIRCUITS.items() for circuit in names}
        assert told(rows, "_after") == {circuit: path for circuit, path in expected.items() if path is not None}
        assert {row["rpki"] for row in rows} == {states[command[1]]}
        checked = []


def test_a_part_is_heard_by_who_it_was_announced_to(quick: QuickLab) -> None:
    """Hosts originate it, the switches' kernels send it to them, one provider hears it and no other; then nothing is left. It is
    invalid by RPKI, which somebody has to want."""
    lab = quick.lab
    assert (
        "refused (invalid)" in quick.project("announce", PART, "--to", "northtel", "--allow-long", "--yes", code=7).err
    )
    for host in HOSTS:
        lab.run(host, "ip", "address", "add", "192.0.2.139/32", "dev", "lo")
    rows = change(quick, "announce", PART, "--to", "northtel", "--prepend", "1", "--allow-long", "--allow-invalid")
    assert {row["rpki"] for row in rows} == {"invalid"}
    assert told(rows, "_after") == dict.fromkeys(CIRCUITS["northtel"], Path((64500, 64500)))
    assert heard(lab, OWN) == dict.fromkeys(EVERYWHERE, PLAIN)
    wait_until_originated(quick, PART, set(HOSTS))
    assert lab.ping("northtel", "192.0.2.139")
    assert told(change(quick, "withdraw", PART), "_after") == {}
    wait_until_originated(quick, PART, set())
    assert PART not in lab.run("h1.pop1", "birdc", "show", "route")
    for host in HOSTS:
        lab.run(host, "ip", "address", "del", "192.0.2.139/32", "dev", "lo")


def test_a_host_keeps_its_own_address(quick: QuickLab) -> None:
    """A provider is asked to drop what comes for one host's address, of BIRD and of FRR: no other host says that it has the
    address, so that the switches go on sending to its owner, and everybody reaches it."""
    lab = quick.lab
    for owner, address, prefix in (
        ("h1.pop1", "192.0.2.11", "192.0.2.11/32"),
        ("h2.pop1", "2001:db8:1::12", "2001:db8:1::12/128"),
    ):
        command = (
            "announce",
            prefix,
            "--to",
            "northtel",
            "--community",
            "blackhole",
            "--allow-long",
            "--allow-invalid",
        )
        rows = change(quick, *command)
        assert told(rows, "_after") == dict.fromkeys(CIRCUITS["northtel"], Path((64500,), ("65535:666",)))
        wait_until_originated(quick, prefix, {owner})
        for sender in (*(host for host in HOSTS if host != owner), "northtel"):
            wait_until(
                lambda sender=sender, to=address: lab.ping(sender, to),  # type: ignore[misc]
                timeout_s=20,
                what=f"{sender} reaches {address}",
            )
        assert told(change(quick, "withdraw", prefix), "_after") == {}
        wait_until_originated(quick, prefix, {owner})


def test_other_checkouts_keep_it_until_its_time(quick: QuickLab, tmp_path: Any) -> None:
    """Another checkout sees who, why and until when, and plans and changes nothing; past the time any run ends it."""
    change(quick, "announce", OWN, "--to", "meadow", "--prepend", "3", "--for", "2h", "--reason", "too full")
    other = quick.project.copy(tmp_path / "other")
    rows = rows_of(other("announcements", "pop1", "-o", "json"))
    assert all(row["as_intended"] for row in rows)
    (row,) = (row for row in rows if row["prefix"] == OWN and row["change"] is not None)
    assert (row["provider"], row["reason"], row["change"]) == ("meadow", "too full", "prepend 3")
    assert row["until"] is not None
    assert other("run").out == ""
    assert heard(quick.lab, OWN)["meadow-pop1"] == Path((64500,) * 4)
    other("run", environment={**cron_environment(), **LATER})
    wait_until(lambda: heard(quick.lab, OWN)["meadow-pop1"] == PLAIN, timeout_s=20, what="it is as it was")


def test_what_is_refused_changes_nothing(quick: QuickLab) -> None:
    """The last announcement, a community after which nobody could use what is heard, too many at once, and what is not ours: exit
    code 7, with the guard's name and how to override it, in a document as well; speakers hear what they heard."""
    before = heard(quick.lab, OWN)
    refused = quick.project("withdraw", OWN, "--yes", "-o", "json", code=7)
    assert "refused (last)" in refused.err
    assert "--allow-last" in refused.err
    preview, error = refused.document
    assert {row["after"] for row in preview["rows"]} == {"withheld"}
    assert "refused (last)" in error["error"]["message"]
    refused = quick.project("announce", OWN, "--community", "no-advertise", "--yes", code=7)
    assert "refused (last)" in refused.err
    refused = quick.project("announce", OWN, "--prepend", "1", "--allow-changes", "3", "--yes", code=7)
    assert "refused (changes): 4 announcements would change at once (limit 3)" in refused.err
    refused = quick.project("announce", "100.128.0.0/24", "--to", "meadow", "--yes", code=7)
    assert "refused (own): 100.128.0.0/24 is outside of our own space" in refused.err
    assert heard(quick.lab, OWN) == before


def test_who_is_asked_has_seen_the_preview(quick: QuickLab) -> None:
    """Also where a document is wanted, which comes at the end: on standard error. Nobody is at the terminal here: code 64."""
    asked = quick.project("announce", OWN, "--to", "meadow", "--prepend", "1", "-o", "json", code=64)
    assert "1 of 4 announcements would change" in asked.err
    assert "path 64500 64500" in asked.err
    assert "nobody is at the terminal" in asked.err
