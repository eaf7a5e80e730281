"""Why a route is refused, found out from the route itself: the table of tests/policy, and both daemons' answers."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from netorch.intent import derive_intent
from netorch.model.bogons import DOCUMENTATION_ASNS, refused_asns
from netorch.model.intent import DeviceIntent, Session
from netorch.model.reject_reasons import REJECT_REASONS, reason_named, reason_of
from netorch.model.rejected import Received, RejectedRoute
from netorch.parse.frr.received import read_accepted, read_received, read_withdrawn
from netorch.parse.rejected import read_refused
from netorch.plan.verdict import refused_for
from netorch.render import rules_of
from tests.policy.table import DROPPING, FOLDER, Entry, table
from tests.unit.inventory_texts import ROOT, load, texts

INTENT = derive_intent(load(texts(FOLDER / "inventory")))
BY_DAEMON_ALONE = {"blackhole", "otc_leak", "rpki_invalid", "irr_prefix", "irr_origin"}
SWITCH = INTENT.device("sw1.pop1")


def session_of(device: DeviceIntent, entry: Entry) -> Session:
    return next(s for s in device.sessions if (s.peer, s.family) == (entry.provider, entry.family))


def received(entry: Entry) -> Received:
    """The route of an entry as the switch of the first POP gets it, a set in braces as FRR shows it."""
    session = session_of(SWITCH, entry)
    path = (entry.path or f"{session.peer_asn} 3000").replace("(", "{").replace(")", "}")
    words = [word for part in path.split("{") for word in [part]]
    tokens = words[0].split()
    for part in words[1:]:
        numbers, _, rest = part.partition("}")
        tokens += ["{" + ",".join(numbers.split()) + "}", *rest.split()]
    hop = session.neighbor
    if entry.hop == "ours":
        hop = session.local
    elif entry.hop[:1].isdigit():
        hop = ip_address(entry.hop)
    elif entry.hop:
        hop = session_of(SWITCH, replace(entry, provider=entry.hop)).neighbor
    return Received(ip_network(entry.prefix), tuple(tokens), hop)


def verdict(entry: Entry) -> str:
    code = refused_for(received(entry), rules_of(SWITCH, session_of(SWITCH, entry)))
    reason = None if code is None else reason_of(code)
    return reason.name if reason else ""


BAD = [entry for entry in table("bad") if entry.provider != DROPPING]
"""Without those of a customer that FRR, whose routes are judged here, cannot have."""


@pytest.mark.parametrize("entry", BAD, ids=lambda entry: f"{entry.provider}-{entry.prefix}")
def test_bad_route_has_its_reason(entry: Entry) -> None:
    """Every one of the table whose reason shows in prefix, path or next hop."""
    assert verdict(entry) == ("" if entry.refused in BY_DAEMON_ALONE else entry.refused)


@pytest.mark.parametrize("section", ["good", "scrubbed", "exported"])
def test_good_routes_have_none(section: str) -> None:
    """Nothing that daemons accept would be refused."""
    assert [entry.prefix for entry in table(section) if verdict(entry)] == []


def test_every_reason_of_netorchs_filters_is_in_the_table() -> None:
    """Each has a row, and each row a reason that there is; ``other`` is what an operator's own template refuses."""
    assert {entry.refused for entry in table("bad")} == {reason.name for reason in REJECT_REASONS} - {"other"}


def test_documentation_lists_every_reason_with_its_code() -> None:
    """docs/policy.md has each in the first column of its table, and no other."""
    text = (ROOT / "docs/policy.md").read_text()
    rows = [line.split("|")[1:3] for line in text.splitlines() if line.startswith("| `") and line.count("|") == 5]
    listed = {(name, int(code)) for names, codes in rows for name, code in zip(words(names), words(codes), strict=True)}
    assert listed == {(reason.name, reason.code) for reason in REJECT_REASONS}


def words(cell: str) -> list[str]:
    """The members of a cell: ``a``, ``b``."""
    return [word.strip(" `") for word in cell.split(",")]


def test_reasons_are_found_by_name_and_code() -> None:
    """Each once."""
    assert [reason_named(reason.name) for reason in REJECT_REASONS] == list(REJECT_REASONS)
    assert [reason_of(reason.code) for reason in REJECT_REASONS] == list(REJECT_REASONS)
    assert reason_of(1) is None


def test_numbers_of_examples_are_refused_by_whoever_has_none() -> None:
    """RFC 5398: a network with real numbers refuses those of examples, in the order of the numbers."""
    assert set(DOCUMENTATION_ASNS) <= set(refused_asns((3000, 174)))
    assert not set(DOCUMENTATION_ASNS) & set(refused_asns((3000, 64496)))
    found = refused_asns((3000,))
    assert list(found) == sorted(found, key=lambda one: one.first)


BIRD_2 = """\
Table master4:
1.0.3.0/24           unreachable [p1 16:33:41.762 from 10.0.0.2] * (100) [i]
\tType: BGP univ
\tBGP.origin: IGP
\tBGP.as_path: 64496 1 {2 3}
\tBGP.next_hop: 10.0.0.2
\tBGP.local_pref: 100
\tBGP.large_community: (64501, 9, 3) (64500, 9, 21)
2001:db8::/32        unicast [p1 16:33:41.762 from 10.0.0.2] * (100) [AS5i]
\tvia 10.0.0.2 on br0
\tType: BGP univ
\tBGP.as_path: 64496 5
\tBGP.next_hop: 2001:db8::1 fe80::1
"""
BIRD_3 = """\
Table master4:
1.0.3.0/24           unicast [p1 16:33:41.762 from 10.0.0.2] * (100) [i]
\tvia 10.0.0.2 on br0
\tpreference: 100
\tsource: BGP
\tbgp_path: 64496 5
\tbgp_next_hop: 10.0.0.2
\tbgp_large_community: (64500, 9, 14)
\tInternal route handling values: 0L 2G 0S id 1
"""


def test_reasons_are_read_from_what_bird_keeps() -> None:
    """By the community of our own number alone; a route without one has the reason that nobody gave."""
    assert list(read_refused(BIRD_2.splitlines(), 64500)) == [
        RejectedRoute("1.0.3.0/24", 21, "64496 1 {2 3}", "10.0.0.2"),
        RejectedRoute("2001:db8::/32", 99, "64496 5", "2001:db8::1"),
    ]
    assert list(read_refused(BIRD_3.splitlines(), 64500)) == [RejectedRoute("1.0.3.0/24", 14, "64496 5", "10.0.0.2")]
    assert list(read_refused([], 64500)) == []


FRR_10 = """\
{"bgpTableVersion":3,"localAS":64500,"receivedRoutes":{"1.0.2.0/24":{"addrPrefix":"1.0.2.0","prefixLen":24,
"network":"1.0.2.0/24","nextHop":"203.0.113.133","weight":0,"path":"64496 1 {2,3}","origin":"IGP","valid":true}},
"totalPrefixCounter":1,"filteredPrefixCounter":0}"""
FRR_8 = """\
{"bgpTableVersion":3,"localAS":64500,"receivedRoutes":{"2001:db8::/32":{"addrPrefix":"2001:db8::","prefixLen":32,
"network":"2001:db8::/32","nextHopGlobal":"2001:db8:c:21::1","weight":0,"path":"64496 5","bgpOriginCode":"i",
"appliedStatusSymbols":{"*":true,">":true}}},"totalPrefixCounter":1,"filteredPrefixCounter":0}"""


def test_what_frr_keeps_is_read() -> None:
    """Of either release and family; an answer without a count is that of a session whose routes are not kept."""
    assert read_received(FRR_10) == (
        Received(ip_network("1.0.2.0/24"), ("64496", "1", "{2,3}"), ip_address("203.0.113.133")),
    )
    assert read_received(FRR_8) == (
        Received(ip_network("2001:db8::/32"), ("64496", "5"), ip_address("2001:db8:c:21::1")),
    )
    assert read_received('{"warning":"Inbound soft reconfiguration not enabled"}') is None
    assert read_received('{"totalPrefixCounter":0,"filteredPrefixCounter":0}') == ()
    assert read_accepted('{"routes": {"1.0.1.0/24": [{"valid":true}]}}') == {"1.0.1.0/24"}


@pytest.mark.parametrize(("release", "count"), [("8.4.4", None), ("10.3", 0)])
def test_what_frr_took_as_withdrawals_is_counted_by_10_3_alone(release: str, count: int | None) -> None:
    """Of a neighbour by itself; one that FRR does not know has no count."""
    samples = ROOT / f"tests/parse/samples/frr_{release}"
    assert read_withdrawn((samples / "bgp_neighbor.raw").read_text()) == count
    assert read_withdrawn((samples / "bgp_neighbor_unknown.raw").read_text()) is None
    assert read_withdrawn('{"203.0.113.1": {"prefixStats": {"inboundFiltered": 2, "withdrawn": 7}}}') == 7
