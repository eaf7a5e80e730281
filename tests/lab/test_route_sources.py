"""Routes held against validators and an IRR, by BIRD and FRR: what is refused and kept, and what when the IRR fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netorch.lab import lab_status
from netorch.model.types import Family
from tests.lab.quick_lab import quick_lab
from tests.lab.rpki_lab import (
    ENTRIES,
    FIRST,
    INVALID,
    OTHER_ASN,
    SECOND,
    SENT,
    UNLISTED,
    VALID,
    VALIDATORS,
    Bed,
    announced,
    inventory_files,
)
from tests.lab.three_daemons import SWITCHES
from tests.registry_servers import CUT, EMPTY, SILENT, WELL, Registry, whois

pytestmark = pytest.mark.lab

WHOIS_PORT = 4343
REGISTRIES = f"\nregistries: {{irr: {{server: 127.0.0.1, port: {WHOIS_PORT}}}, timeout_s: 20}}\n"
UNREGISTERED, STRANGE = announced()[3:5]
"""On none of the IRR's lists; there by another origin. Each is a prefix with its origin."""

ACCEPTED = (SENT - 3, SENT - 1)
"""Of each family: one is invalid, and two of IPv4 are not registered."""


def registered() -> Registry:
    """An IRR in which northtel has registered all that it announces, but for two prefixes."""
    routes: dict[int, list[str]] = {OTHER_ASN: [STRANGE[0]], UNREGISTERED[1]: []}
    for prefix, origin in (*announced(), *announced(Family.IPV6)):
        if prefix not in (UNREGISTERED[0], STRANGE[0]):
            routes.setdefault(origin, []).append(prefix)
    return Registry({"AS-NORTHTEL": [f"AS{asn}" for asn in routes]}, routes)


@pytest.fixture(scope="module")
def irr() -> Registry:
    return registered()


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory, irr: Registry) -> Iterator[Bed]:
    """The POP, deployed, which is refused as long as nothing is known of what is registered; and at work with all lists."""
    files = inventory_files(network=REGISTRIES, provider=", irr: AS-NORTHTEL")
    with quick_lab(tmp_path_factory.mktemp("sources"), files, name="sources") as quick, whois(irr, WHOIS_PORT):
        refused = quick.project("deploy", SWITCHES[0], "--yes", code=1)
        assert "expected what is registered under AS-NORTHTEL, found no good answer in" in refused.out + refused.err
        quick.project("filters", "update")
        quick.deploy("pop1")
        found = Bed(quick)
        found.mend()
        found.until(lambda switch: found.counts(switch) == ACCEPTED, what="all that is to be accepted is")
        yield found


def test_invalid_is_refused_with_its_reason_and_the_rest_is_kept(bed: Bed) -> None:
    """Valid and not found are accepted, as is what is registered; each other route is listed with its reason."""
    assert all(bed.accepted(switch, prefix) for switch in SWITCHES for prefix, _ in (VALID, UNLISTED))
    refused = (("rpki_invalid", INVALID), ("irr_prefix", UNREGISTERED), ("irr_origin", STRANGE))
    for reason, (prefix, _) in refused:
        said = bed.quick.project("rejected", "northtel", "--reason", reason, "-o", "json").out
        assert said.count(f'"{prefix}"') == len(SWITCHES), said
        assert VALID[0] not in said


def test_status_and_check_show_validators(bed: Bed) -> None:
    """State, entries and ages by validator; FRR asks one and has the other stand by; our own prefix is valid."""
    for switch in SWITCHES:
        found = bed.device(switch)
        rows = {row["validator"]: row for row in found["validators"]}
        assert (rows[FIRST]["ipv4_entries"], rows[FIRST]["ipv6_entries"]) == ENTRIES
        assert (rows[FIRST]["address"], rows[FIRST]["port"], rows[SECOND]["port"]) == ("198.18.9.1", 8282, 323)
        assert [rows[name]["problem"] for name in VALIDATORS] == [None, None]
        assert rows[SECOND]["state"] == ("up" if switch == SWITCHES[0] else "standby")
        assert {row["prefix"]: row["state"] for row in found["own_origins"]}["192.0.2.0/24"] == "valid"
    assert bed.validators(SWITCHES[0])[FIRST]["age_s"] is not None
    code, line = bed.check()
    assert (code, "validators=6;6:" in line) == (0, True), line


def test_lab_shows_its_validators(bed: Bed) -> None:
    """They are nodes like others, with a service that can be stopped."""
    found = {node.name: node for node in lab_status(bed.quick.lab.settings)}
    assert [found[name].kind for name in VALIDATORS] == ["validator", "validator"]


@pytest.mark.parametrize("manner", [SILENT, CUT, EMPTY])
def test_registry_that_fails_changes_nothing(bed: Bed, irr: Registry, manner: str) -> None:
    """One that hangs, hangs up or has lost its data: told, and there is nothing to deploy."""
    bed.quick.project.edit("network.yml", "timeout_s: 20", "timeout_s: 1")
    irr.manner = manner
    try:
        said = bed.quick.project("filters", "update", code=1)
        assert "northtel: irr: failed: " in said.err
    finally:
        irr.manner = WELL
        bed.quick.project.edit("network.yml", "timeout_s: 1", "timeout_s: 20")
    assert bed.quick.project("plan", "pop1", "--detailed-exitcode").code == 0
    assert all(bed.counts(switch) == ACCEPTED for switch in SWITCHES)


def test_registry_that_loses_a_third_changes_nothing_until_it_is_accepted(bed: Bed, irr: Registry) -> None:
    """Held back with exit code 7; what is accepted is put to work by the next deploy, and taken back by another."""
    kept = dict(irr.routes)
    gone = [prefix for prefix, _ in announced()][26:]
    irr.routes.update({asn: [one for one in found if one not in gone] for asn, found in kept.items()})
    try:
        assert "IPv4 prefixes +0 -14 of 39" in bed.quick.project("filters", "update", code=7).err
        assert bed.quick.project("plan", "pop1", "--detailed-exitcode").code == 0
        bed.quick.project("filters", "update", "--accept")
        bed.quick.project("run", "pop1", timeout_s=120)
        bed.until(lambda switch: bed.counts(switch)[0] == 23, what="23 are accepted")
    finally:
        irr.routes.update(kept)
        bed.quick.project("filters", "update", "--accept")
        bed.quick.project("deploy", "pop1", "--yes", timeout_s=120)
    bed.until(lambda switch: bed.counts(switch) == ACCEPTED, what="all are back")
