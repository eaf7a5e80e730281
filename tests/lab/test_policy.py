"""What is accepted, refused and announced, by every release of BIRD and FRR: tests/policy/bad_routes.yml."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from ipaddress import ip_network

import pytest

from netorch.lab import log_files
from netorch.model.types import Family
from tests.lab.policy_lab import DAEMONS, RELEASES, SWITCHES, PolicyLab, plain, policy_lab
from tests.policy.table import DROPPING, table
from tests.waiting import wait_until, wait_until_equal

pytestmark = pytest.mark.lab

EACH_POP = pytest.mark.parametrize("pop", RELEASES, ids=lambda pop: "-".join(RELEASES[pop]))
REFUSED_EVERYWHERE = "0.0.0.0/0", "::/0"
"""Good from one provider, bad from others."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolicyLab]:
    with policy_lab(tmp_path_factory.mktemp("policy")) as up:
        yield up


def test_table_is_long_enough_and_names_its_sources() -> None:
    """At least 60 bad routes, each with who says that it is bad; every reason that a filter without lists can find is there."""
    assert len(table("bad")) >= 60
    assert [entry.prefix for entry in table("bad") if not entry.source] == []


@EACH_POP
def test_every_bad_route_is_refused_for_the_right_reason(lab: PolicyLab, pop: str) -> None:
    """``netorch rejected`` has each with its reason; what a daemon drops by itself is not there, and not accepted."""
    wrong = {}
    accepted = lab.all_accepted(pop)
    for entry in lab.sent(pop, "bad"):
        found = lab.rejected(pop, entry.provider).get(entry.written)
        wanted = None if DAEMONS[pop] in entry.unseen else entry.refused
        if found != wanted:
            wrong[entry.provider, entry.prefix] = (found, wanted)
        if entry.written in accepted[entry.provider, entry.family]:
            wrong[entry.provider, entry.prefix] = ("accepted", wanted)
    assert wrong == {}


@EACH_POP
def test_nothing_else_is_refused(lab: PolicyLab, pop: str) -> None:
    """Every good route is accepted, and refused routes are those of the table."""
    for provider in lab.providers(pop):
        bad = {entry.written for entry in table("bad") if entry.provider == provider.name}
        assert set(lab.rejected(pop, provider.name)) <= bad, provider.name


@EACH_POP
def test_accepted_routes_keep_what_is_theirs_alone(lab: PolicyLab, pop: str) -> None:
    """Our own, private and reserved communities are gone, the others are there, and netorch's are added."""
    wrong = {}
    for entry in table("scrubbed"):
        found = lab.communities(pop, entry)
        if plain(found, 64500) != entry.kept:
            wrong[entry.prefix] = (sorted(found), sorted(entry.kept or ()))
    assert wrong == {}


@EACH_POP
def test_every_neighbour_hears_of_what_it_may_and_of_nothing_else(lab: PolicyLab, pop: str) -> None:
    """By the neighbours' own record: our prefixes, customers' routes but their own, and the default route for who wants it."""
    for provider in lab.providers(pop):
        wanted = expected(lab, pop, provider.name)
        hears = partial(lab.heard, pop, provider.name)
        wait_until_equal(hears, wanted, timeout_s=60, what=f"what {provider.name} in {pop} hears of")


def expected(lab: PolicyLab, pop: str, name: str) -> dict[str, tuple[int, ...]]:
    """What a provider is to hear of a switch: paths by prefix."""
    inventory = lab.quick.lab.inventory
    heard: dict[str, tuple[int, ...]] = {str(own.prefix): (64500,) for own in inventory.pop(pop).prefixes}
    for entry in (*lab.sent(pop, "good"), *lab.sent(pop, "scrubbed"), *lab.sent(pop, "exported")):
        sender = inventory.provider(entry.provider)
        if sender.relation == "customer" and entry.to != "nobody" and sender.name != name:
            path = entry.path or f"{sender.asn} 3000"
            heard[entry.written] = (64500, *map(int, path.split()))
    if inventory.provider(name).default_route:
        heard |= dict.fromkeys(REFUSED_EVERYWHERE, (64500, 64496, 3000))
    return heard


@EACH_POP
def test_hosts_and_kernels_have_no_refused_route(lab: PolicyLab, pop: str) -> None:
    """A host's kernel has what was accepted, none of what was refused or is dropped; a switch's has customers' routes."""
    accepted = (*lab.sent(pop, "good"), *lab.sent(pop, "scrubbed"))
    good = {entry.written for entry in accepted if entry.prefix not in REFUSED_EVERYWHERE}
    bad = {entry.written for entry in (*table("bad"), *table("dropped"))} - {entry.written for entry in table("good")}
    names = {provider.name for provider in lab.providers(pop) if provider.relation == "customer"}
    customers = {
        entry.written
        for section in ("good", "scrubbed", "exported", "dropped")
        for entry in lab.sent(pop, section)
        if entry.provider in names
    }
    host = f"h1.{pop}"
    wait_until_equal(lambda: routes(lab, host) & (good | bad), good, timeout_s=60, what="the host's routes")
    own = {str(prefix) for prefix in lab.quick.lab.inventory.own_prefixes}
    everything = good | bad | {entry.written for entry in table("exported")}
    kernel = partial(routes, lab, SWITCHES[pop])
    wait_until_equal(lambda: kernel() & everything - own, customers, timeout_s=60, what="the switch's routes")


@EACH_POP
def test_switch_itself_follows_no_provider_but_for_the_default_route(lab: PolicyLab, pop: str) -> None:
    """Its kernel has none of the refused default routes, nor of our own prefixes that others announced."""
    strangers = {
        lab.neighbor(pop, provider.name, family)
        for provider in lab.providers(pop)
        for family in Family
        if provider.relation != "customer"
    }
    wanted = {("default", lab.neighbor(pop, "northtel", family)) for family in Family}
    assert {(route, gateway) for route, gateway in gateways(lab, SWITCHES[pop]) if gateway in strangers} == wanted


@pytest.mark.parametrize("pop", [pop for pop in RELEASES if DAEMONS[pop] == "bird"])
def test_kernel_drops_what_a_customer_asks_to_have_dropped(lab: PolicyLab, pop: str) -> None:
    """Single addresses of its own; the route carries NO_EXPORT, and what is around it goes to the customer still."""
    sent = lab.sent(pop, "dropped")
    assert sent
    for entry in sent:
        show = ("ip", f"-{entry.family.number}", "route", "show", entry.written)
        wait_until(
            lambda: lab.run(pop, *show).startswith("blackhole "),  # noqa: B023
            timeout_s=60,
            what=f"the kernel of {SWITCHES[pop]} drops {entry.written}",
        )
        assert {"65535:666", "65535:65281"} <= lab.communities(pop, entry)
    assert lab.neighbor(pop, DROPPING, Family.IPV4) in lab.run(pop, "ip", "route", "get", "45.66.1.2")


def gateways(lab: PolicyLab, node: str) -> Iterator[tuple[str, str]]:
    """Every route of a node's main table with every next hop that it has."""
    for family in Family:
        for route in json.loads(
            lab.quick.lab.run(node, "ip", "-j", f"-{family.number}", "route", "show", "table", "main")
        ):
            for hop in (route, *route.get("nexthops", ())):
                if "gateway" in hop:
                    yield route["dst"], hop["gateway"]


def routes(lab: PolicyLab, node: str) -> set[str]:
    """The destinations in a node's main table, as prefixes."""
    found = set()
    for family in Family:
        for line in lab.quick.lab.run(node, "ip", f"-{family.number}", "route", "show", "table", "main").splitlines():
            if "proto kernel" in line:  # connected networks: management is in space that nobody may announce
                continue
            word = line.split()[0]
            word = line.split()[1] if word in ("blackhole", "unreachable") else word
            if re.match(r"[0-9a-f:.]+(/\d+)?$", word):
                found.add(word if "/" in word else f"{word}/{family.host_length}")
    return found


@EACH_POP
def test_refused_routes_are_in_order_of_their_prefixes(lab: PolicyLab, pop: str) -> None:
    """With every daemon, also the few that a limit leaves."""
    for family in Family:
        session = f"northtel_{lab.circuit(pop, 'northtel').id}_v{family.number}"
        prefixes = [ip_network(text) for text in lab.rejected(pop, "northtel") if (":" in text) == (family.number == 6)]
        assert prefixes == sorted(prefixes, key=lambda prefix: (int(prefix.network_address), prefix.prefixlen))
        few = lab.quick.project("rejected", "northtel", "--pop", pop, "--limit", "3", "-o", "json").document
        assert [row["prefix"] for row in few["routes"] if row["session"] == session] == list(map(str, prefixes[:3]))


@EACH_POP
def test_what_a_daemon_drops_by_itself_is_counted(lab: PolicyLab, pop: str) -> None:
    """BIRD counts what no filter saw, for each session that sent such; FRR 8.4.4 does not, 10.3 malformed attributes alone."""
    for provider in lab.providers(pop):
        sessions = [row for row in lab.rejections_of(provider.name)["sessions"] if row["pop"] == pop]
        for row in sessions:
            sent = [
                entry.refused
                for entry in table("bad")
                if (entry.provider, entry.family.value) == (provider.name, row["family"])
                and DAEMONS[pop] in entry.unseen
            ]
            if DAEMONS[pop] == "frr":
                malformed = sent.count("path_bogon_asn")
                counted = None if row["dropped"] is None else sum(one["announcements"] for one in row["dropped"])
                assert counted == (None if RELEASES[pop][1] == "8.4.4" else malformed), row
                continue
            invalid = sent.count("prefix_bogon")
            withdrawn = len(sent) - invalid
            dropped = {one["kind"]: one["announcements"] for one in row["dropped"]}
            assert ("invalid" in dropped, dropped.get("invalid", 0) >= invalid) == (invalid > 0, True), row
            # BIRD takes those off that were accepted until the validator's list came.
            assert withdrawn - late(provider.name, row["family"]) <= dropped.get("withdrawn", 0) <= withdrawn, row


def late(provider: str, family: str) -> int:
    """How many routes of a provider a list can take back that were accepted before it came."""
    return sum(
        (entry.provider, entry.family.value, entry.refused) == (provider, family, "rpki_invalid")
        for entry in table("bad")
    )


@EACH_POP
def test_rejected_counts_are_of_the_reason_asked_for(lab: PolicyLab, pop: str) -> None:
    """``--reason`` counts and lists that one alone; ``--limit 0`` lists nothing and counts all."""
    wanted = sum(
        (entry.provider, entry.refused) == ("northtel", "prefix_bogon") and DAEMONS[pop] not in entry.unseen
        for entry in table("bad")
    )
    document = lab.quick.project(
        "rejected", "northtel", "--pop", pop, "--reason", "prefix_bogon", "--limit", "0", "-o", "json"
    ).document
    assert document["routes"] == []
    assert [(one["reason"], one["code"], one["routes"]) for one in document["reasons"]] == [
        ("prefix_bogon", 12, wanted)
    ]


def test_a_second_deploy_changes_nothing(lab: PolicyLab) -> None:
    """Whatever was refused meanwhile. Neighbours that a switch's kernel has forgotten are asked for again."""
    plan = partial(lab.quick.project, "plan", *RELEASES, "--detailed-exitcode", code=None)
    wait_until_equal(lambda: plan().code, 0, timeout_s=90, what="nothing is left to do")


def test_what_bird_drops_by_itself_is_in_its_log(lab: PolicyLab) -> None:
    """Of a leak by its attribute, which no filter sees, the log tells the session and the reason."""
    log = "".join(path.read_text() for path in log_files("sw1.pop1", lab.quick.lab.settings))
    for entry in table("bad"):
        if "bird" in entry.unseen:
            assert f" {entry.written} " in log, entry.prefix
    assert "Route leak detected" in log
