"""Routes held against validators and an IRR, by BIRD and FRR: what is refused and kept, and what when these fail."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Any

import pytest

from netorch.inventory import load_inventory
from netorch.lab import lab_status, restart_node, set_service
from netorch.lab.nodes import Machine
from netorch.lab.plan import plan_from_json
from netorch.lab.routes import good_routes
from netorch.lab.validators import LIST, roas_text
from netorch.model.lab import LabValidator, Roa
from netorch.model.types import Family
from tests.lab.quick_lab import QuickLab, quick_example, quick_lab
from tests.registry_servers import CUT, EMPTY, SILENT, WELL, Registry, whois
from tests.unit.inventory_texts import edited
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

BIRD_SWITCH, FRR_SWITCH = "sw1.pop1", "sw2.pop1"
SWITCHES = (BIRD_SWITCH, FRR_SWITCH)
FIRST, SECOND = "rpki1", "rpki2"
VALIDATORS = (FIRST, SECOND)
OTHER_ASN = 3999
TIMEOUT_S = 60.0
"""Nothing here takes more than seconds on an idle machine."""

SOURCES = """
rpki:
  validators:
    - {name: rpki1, address: 198.18.9.1, port: 8282}
    - {name: rpki2, address: 198.18.9.2}
  refresh_s: 1
  retry_s: 1

registries: {irr: {server: 127.0.0.1, port: 4343}, timeout_s: 20}
"""
WHOIS_PORT = 4343


def files() -> dict[str, str]:
    """The first POP with BIRD on one switch and FRR on the other; validators that are asked every second."""
    pop, texts = "pops/pop1.yml", quick_example()
    del texts["pops/pop2.yml"]
    texts = edited(texts, pop, ("  - name: sw2\n", "  - name: sw2\n    daemon: frr\n    version: 8.4.4\n"))
    texts = edited(texts, "network.yml", ("\nplugins:", f"{SOURCES}\nplugins:"))
    texts = edited(texts, "providers.yml", ("relation: transit", "relation: transit\n    irr: AS-NORTHTEL"))
    timers = "refresh_s: 1, retry_s: 1, expire_s: 600"
    roas = "".join(
        f"\n      - {{prefix: {roa.prefix}, max_length: {roa.max_length}, asn: {roa.asn}}}" for roa in listed()
    )
    played = "".join(
        f"  - name: {name}\n    {timers.replace(', ', chr(10) + '    ')}\n    roas:{roas}\n" for name in VALIDATORS
    )
    return {**texts, "lab.yml": f"{texts['lab.yml']}validators:\n{played}"}


def announced(family: Family = Family.IPV4) -> list[tuple[str, int]]:
    """What northtel announces that is good otherwise: prefix and origin."""
    inventory = load_inventory(quick_example(), folder="/srv/inventory")
    routes = good_routes(inventory, "northtel", family)
    return [(str(ip_network((address, length))), path[-1]) for address, length, path in routes]


def roa(prefix: str, asn: int) -> Roa:
    network = ip_network(prefix)
    return Roa(network, network.prefixlen, asn)


VALID, INVALID, UNLISTED, UNREGISTERED, STRANGE = announced()[:5]
"""Valid; invalid; on no list of a validator; on none of the IRR; there by another origin. Each is a prefix with its origin."""

INVALID6 = announced(Family.IPV6)[0]
ACCEPTED = (40 - 3, 40 - 1)


def registered() -> Registry:
    """An IRR in which northtel has registered all that it announces, but for two prefixes."""
    routes: dict[int, list[str]] = {OTHER_ASN: [STRANGE[0]], UNREGISTERED[1]: []}
    for prefix, origin in (*announced(), *announced(Family.IPV6)):
        if prefix not in (UNREGISTERED[0], STRANGE[0]):
            routes.setdefault(origin, []).append(prefix)
    return Registry({"AS-NORTHTEL": [f"AS{asn}" for asn in routes]}, routes)


def listed() -> list[Roa]:
    """One route is valid, one invalid of each family, all others not found; and our own prefix is valid."""
    fill = [roa(f"45.{number}.0.0/16", OTHER_ASN) for number in range(8)]
    own = [roa("192.0.2.0/24", 64500)]
    return [roa(*VALID), roa(INVALID[0], OTHER_ASN), roa(INVALID6[0], OTHER_ASN), *own, *fill]


@dataclass
class Bed:
    """The lab, and what is looked at again and again."""

    quick: QuickLab
    irr: Registry

    def accepted(self, switch: str, prefix: str) -> bool:
        """Whether the switch has ``prefix`` from northtel, to be sent to hosts."""
        if switch == BIRD_SWITCH:
            return prefix in self.quick.lab.run(switch, "birdc", "show", "route", "where", "net", "=", prefix)
        family = "ipv6" if ":" in prefix else "ipv4"
        said = self.quick.lab.run(switch, "vtysh", "-c", f"show bgp {family} unicast {prefix} json")
        return said.lstrip().startswith("{") and bool(json.loads(said).get("paths"))

    def counts(self, switch: str) -> tuple[int, int]:
        """How many routes of northtel the switch has accepted, of each family."""
        found = {row["name"]: row for row in self.device(switch)["sessions"] if row["peer"] == "northtel"}
        by_family = {row["family"]: row["routes_imported"] for row in found.values()}
        return by_family["ipv4"], by_family["ipv6"]

    def device(self, switch: str) -> Any:
        """What ``netorch status`` says of it."""
        said = self.quick.project("status", switch, "--interval", "0.1", "-o", "json", code=None)
        return said.document["devices"][0]

    def beginnings(self) -> dict[str, str]:
        """Since when BIRD's sessions are what they are, by name."""
        return {row["name"]: row["since"] for row in self.device(BIRD_SWITCH)["sessions"]}

    def states(self, switch: str) -> dict[str, str]:
        """The validators' states as ``netorch status`` says them."""
        return {row["validator"]: row["state"] for row in self.device(switch)["validators"]}

    def entries(self, switch: str) -> int:
        """How many IPv4 entries the switch's daemon has, asked directly."""
        if switch == BIRD_SWITCH:
            said = self.quick.lab.run(switch, "birdc", "show", "route", "table", "validated_ipv4", "count")
            return int(said.partition(" routes for ")[2].split()[0])  # each is there once for each validator
        said = self.quick.lab.run(switch, "vtysh", "-c", "show rpki prefix-table")
        return len({line for line in said.splitlines() if line[:1].isdigit() and ":" not in line})

    def list(self, name: str, roas: list[Roa]) -> None:
        """Give a validator another list, whole or not at all; it reads it within a second."""
        text = roas_text(LabValidator(name, tuple(roas)))
        self.quick.lab.sh(name, f"cat > {LIST}.new << 'END'\n{text}\nEND\nmv {LIST}.new {LIST}")

    def run_validators(self, *, running: bool, names: tuple[str, ...] = VALIDATORS) -> None:
        """Start or kill validators."""
        for name in names:
            set_service(name, "stayrtr", self.quick.lab.settings, running=running)

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a validator's process."""
        settings = self.quick.lab.settings
        node = plan_from_json(settings.plan_file.read_text()).node(name)
        pid = next(one.pid for one in Machine(node, settings).services() if one.name == "stayrtr")
        self.quick.lab.run(name, "kill", f"-{number}", str(pid))

    def check(self) -> tuple[int, str]:
        """What a monitoring system is told."""
        said = self.quick.project("check", "pop1", code=None)
        return said.code, said.out

    def asks_all(self) -> bool:
        """Whether BIRD asks both, and FRR the first one, as it does anew once netorch has looked."""
        wanted = {BIRD_SWITCH: ("up", "up"), FRR_SWITCH: ("up", "standby")}
        return all(tuple(self.states(switch).values()) == states for switch, states in wanted.items())

    def is_well(self) -> bool:
        """Whether both switches know both lists, and hold routes against them."""
        return all(
            self.entries(switch) == 11
            and self.accepted(switch, VALID[0])
            and not self.accepted(switch, INVALID[0])
            and not self.accepted(switch, INVALID6[0])
            for switch in SWITCHES
        )


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """The POP, deployed."""
    irr = registered()
    with quick_lab(tmp_path_factory.mktemp("sources"), files(), name="sources") as quick, whois(irr, WHOIS_PORT):
        refused = quick.project("deploy", BIRD_SWITCH, "--yes", code=1)
        assert "expected what is registered under AS-NORTHTEL, found no good answer in" in refused.out + refused.err
        quick.project("filters", "update")
        quick.project("deploy", "pop1", "--yes", timeout_s=300)
        yield Bed(quick, irr)


@pytest.fixture
def bed(up: Bed) -> Bed:
    """The same, with validators that run and list what they did at first."""
    for name in VALIDATORS:
        up.list(name, listed())
    up.run_validators(running=True)
    wait_until(up.asks_all, timeout_s=TIMEOUT_S, what="the validators are asked")
    wait_until(up.is_well, timeout_s=TIMEOUT_S, what="routes are held against both lists")
    return up


def test_invalid_is_refused_with_its_reason_and_the_rest_is_kept(bed: Bed) -> None:
    """Valid and not found are accepted, as is what is registered; each other route is listed with its reason."""
    for switch in SWITCHES:
        assert bed.accepted(switch, UNLISTED[0])
        wait_until(
            lambda switch=switch: bed.counts(switch) == ACCEPTED, timeout_s=TIMEOUT_S, what="the rest is accepted"
        )
    refused = (("rpki_invalid", INVALID), ("irr_prefix", UNREGISTERED), ("irr_origin", STRANGE))
    for reason, (prefix, _) in refused:
        said = bed.quick.project("rejected", "northtel", "--reason", reason, "-o", "json").out
        assert said.count(f'"{prefix}"') == len(SWITCHES), said
        assert VALID[0] not in said


@pytest.mark.parametrize("manner", [SILENT, CUT, EMPTY])
def test_registry_that_fails_changes_nothing(bed: Bed, manner: str) -> None:
    """One that hangs, hangs up or has lost its data: told, and there is nothing to deploy."""
    bed.quick.project.edit("network.yml", "timeout_s: 20", "timeout_s: 1")
    bed.irr.manner = manner
    try:
        said = bed.quick.project("filters", "update", code=1)
        assert "northtel: irr: failed: " in said.err
    finally:
        bed.irr.manner = WELL
        bed.quick.project.edit("network.yml", "timeout_s: 1", "timeout_s: 20")
    assert bed.quick.project("plan", "pop1", "--detailed-exitcode").code == 0
    assert all(bed.counts(switch) == ACCEPTED for switch in SWITCHES)


def test_registry_that_loses_a_third_changes_nothing_until_it_is_accepted(bed: Bed) -> None:
    """Held back with exit code 7; what is accepted is put to work by the next deploy, and taken back by another."""
    kept = dict(bed.irr.routes)
    gone = [prefix for prefix, _ in announced()][26:]
    bed.irr.routes.update({asn: [one for one in found if one not in gone] for asn, found in kept.items()})
    try:
        assert "IPv4 prefixes +0 -14 of 39" in bed.quick.project("filters", "update", code=7).err
        assert bed.quick.project("plan", "pop1", "--detailed-exitcode").code == 0
        bed.quick.project("filters", "update", "--accept")
        bed.quick.project("run", "pop1", timeout_s=120)
        for switch in SWITCHES:
            wait_until(lambda switch=switch: bed.counts(switch)[0] == 23, timeout_s=TIMEOUT_S, what="23 are accepted")
    finally:
        bed.irr.routes.update(kept)
        bed.quick.project("filters", "update", "--accept")
        bed.quick.project("deploy", "pop1", "--yes", timeout_s=120)
    for switch in SWITCHES:
        wait_until(lambda switch=switch: bed.counts(switch) == ACCEPTED, timeout_s=TIMEOUT_S, what="all are back")


def test_status_and_check_show_validators(bed: Bed) -> None:
    """State, entries and ages by validator; FRR asks one and has the other stand by; our own prefix is valid."""
    for switch in SWITCHES:
        found = bed.device(switch)
        rows = {row["validator"]: row for row in found["validators"]}
        assert (rows[FIRST]["ipv4_entries"], rows[FIRST]["ipv6_entries"]) == (11, 1)
        assert (rows[FIRST]["address"], rows[FIRST]["port"], rows[SECOND]["port"]) == ("198.18.9.1", 8282, 323)
        assert {row["prefix"]: row["state"] for row in found["own_origins"]}["192.0.2.0/24"] == "valid"
    assert rows[FIRST]["problem"] is None
    assert bed.device(BIRD_SWITCH)["validators"][0]["age_s"] is not None
    code, line = bed.check()
    assert (code, "validators=4;4:" in line) == (0, True), line


def test_killed_validators_leave_the_last_answer(bed: Bed) -> None:
    """Nothing is lost and nothing let in; status, check and run say which does not answer; they recover by themselves."""
    before = {switch: bed.counts(switch) for switch in SWITCHES}
    bed.run_validators(running=False)
    for switch in SWITCHES:
        wait_until(
            lambda switch=switch: set(bed.states(switch).values()) <= {"down", "empty"},
            timeout_s=TIMEOUT_S,
            what=f"{switch} says that they are down",
        )
        assert not bed.accepted(switch, INVALID[0])
        assert bed.counts(switch) == before[switch]
    code, line = bed.check()
    assert code == 1
    assert (
        f"{BIRD_SWITCH}: validator {FIRST}: does not answer (Transport-Error); its last answer stays, good for" in line
    )
    run = bed.quick.project("run", "pop1", "--metrics", "netorch.prom", code=0)
    assert f"warning: {FRR_SWITCH}: validator {FIRST}: does not answer" in run.err
    metrics = (bed.quick.project.folder / "netorch.prom").read_text()
    assert f'netorch_validator_up{{device="{BIRD_SWITCH}",validator="{FIRST}"}} 0.0' in metrics
    assert f'netorch_validator_entries{{device="{BIRD_SWITCH}",family="ipv4",validator="{FIRST}"}} 11.0' in metrics
    bed.run_validators(running=True)
    for switch in SWITCHES:
        wait_until(
            lambda switch=switch: bed.states(switch)[FIRST] == "up", timeout_s=TIMEOUT_S, what=f"{switch} has it back"
        )


def test_hung_validator_leaves_the_last_answer(bed: Bed) -> None:
    """One that takes questions and gives no answer lets nothing in; BIRD tells that it has no answer of late."""
    before = {switch: bed.counts(switch) for switch in SWITCHES}
    for name in VALIDATORS:
        bed.signal(name, signal.SIGSTOP)
    try:
        wait_until(
            lambda: all(row["age_s"] >= 3 for row in bed.device(BIRD_SWITCH)["validators"]),
            timeout_s=TIMEOUT_S,
            what="answers are older than their refresh",
        )
        for switch in SWITCHES:
            assert not bed.accepted(switch, INVALID[0])
            assert bed.counts(switch) == before[switch]
    finally:
        for name in VALIDATORS:
            bed.signal(name, signal.SIGCONT)


def test_empty_list_of_one_of_two_lets_nothing_in_with_bird(bed: Bed) -> None:
    """BIRD counts what any validator lists. The one that lists nothing any more is told of."""
    bed.list(FIRST, [])
    wait_until(
        lambda: bed.device(BIRD_SWITCH)["validators"][0]["ipv4_entries"] == 0,
        timeout_s=TIMEOUT_S,
        what="BIRD has the empty list",
    )
    assert not bed.accepted(BIRD_SWITCH, INVALID[0])
    problems = [row["problem"] for row in bed.device(BIRD_SWITCH)["validators"]]
    assert problems == ["lists 0 entries, and had 12 within a day", None]
    assert bed.check()[0] > 0


def test_empty_list_is_told_by_frr(bed: Bed) -> None:
    """FRR has the list of the validator that it asks and no other: nothing is invalid then, which is critical."""
    bed.list(FIRST, [])
    wait_until(lambda: bed.entries(FRR_SWITCH) == 0, timeout_s=TIMEOUT_S, what="FRR has the empty list")
    code, line = bed.check()
    assert code == 2
    assert f"{FRR_SWITCH}: no validator has a list: nothing counts as invalid, whoever announces it" in line
    assert f"{FRR_SWITCH}: validator {FIRST}: lists 0 entries, and had 12 within a day" in line
    assert bed.accepted(FRR_SWITCH, VALID[0])


def test_validator_that_restarts_with_a_smaller_list_is_told(bed: Bed) -> None:
    """A new process with half of the entries: a new RTR session, put to work, and told."""
    bed.run_validators(running=False, names=(FIRST,))
    bed.list(FIRST, listed()[:4])
    bed.run_validators(running=True, names=(FIRST,))
    wait_until(
        lambda: bed.device(BIRD_SWITCH)["validators"][0]["problem"] == "lists 4 entries, and had 12 within a day",
        timeout_s=TIMEOUT_S,
        what="the smaller list is told of",
    )
    assert not bed.accepted(BIRD_SWITCH, INVALID[0])


def test_switch_that_boots_without_any_validator_keeps_routes(bed: Bed) -> None:
    """Nothing is lost: all origins pass, which is told as critical; once a validator answers, the invalid one goes."""
    bed.run_validators(running=False)
    restart_node(BIRD_SWITCH, bed.quick.lab.settings)
    wait_until(
        lambda: bed.accepted(BIRD_SWITCH, VALID[0]) and bed.accepted(BIRD_SWITCH, INVALID[0]),
        timeout_s=TIMEOUT_S,
        what="the switch has its routes",
    )
    assert set(bed.states(BIRD_SWITCH).values()) == {"empty"}
    code, line = bed.check()
    assert code == 2
    assert f"{BIRD_SWITCH}: no validator has a list" in line
    bed.run_validators(running=True)
    wait_until(lambda: not bed.accepted(BIRD_SWITCH, INVALID[0]), timeout_s=TIMEOUT_S, what="the invalid one is gone")
    assert bed.accepted(BIRD_SWITCH, VALID[0])


def test_lab_shows_its_validators(bed: Bed) -> None:
    """They are nodes like others, with a service that can be stopped."""
    found = {node.name: node for node in lab_status(bed.quick.lab.settings)}
    assert [found[name].kind for name in VALIDATORS] == ["validator", "validator"]


def test_other_list_is_put_to_work_without_a_reset(bed: Bed) -> None:
    """What was valid is invalid and the other way round: BIRD's routes follow, its sessions stay."""
    before = bed.beginnings()
    swapped = [replace(one, asn=OTHER_ASN) if str(one.prefix) == VALID[0] else one for one in listed()]
    swapped = [replace(one, asn=INVALID[1]) if str(one.prefix) == INVALID[0] else one for one in swapped]
    for name in VALIDATORS:
        bed.list(name, swapped)
    wait_until(
        lambda: bed.accepted(BIRD_SWITCH, INVALID[0]) and not bed.accepted(BIRD_SWITCH, VALID[0]),
        timeout_s=TIMEOUT_S,
        what="routes follow the list",
    )
    assert bed.beginnings() == before
