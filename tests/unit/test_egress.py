"""Which path is taken and why each other is not; which rule and table a packet comes to; where a kernel does otherwise."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from netorch.model.state import BgpAttributes, Route, RouteNextHop
from netorch.model.trace import KernelAnswer, KernelHop, KernelRoute, KernelRule
from netorch.model.types import Family
from netorch.plan.egress import LOCAL, Decision, Table, choose, decide, disagreement, exported

PREFIX = ip_network("1.2.0.0/16")


def path(hop: str, **attributes: object) -> Route:
    """A route of BIRD's to PREFIX, with BGP attributes other than the usual."""
    usual: dict[str, object] = {"origin": "IGP", "as_path": ("64496", "1", "2"), "local_preference": 100}
    bgp = BgpAttributes(**{**usual, "next_hops": (ip_address(hop),), **attributes})  # type: ignore[arg-type]
    return Route(
        prefix=str(PREFIX),
        destination="unicast",
        protocol="sw1",
        since=None,
        preference=100,
        metric=0,
        next_hops=(RouteNextHop("eth0", ip_address(hop)),),
        source="BGP",
        bgp=bgp,
    )


BEST = path("10.0.0.1")


@pytest.mark.parametrize(
    ("attributes", "reason", "words"),
    [
        ({"local_preference": 90}, "local_preference", "local preference 90, the one taken has 100"),
        ({"as_path": ("1", "2", "3", "4")}, "path_length", "its AS path is 4 long, that of the one taken 3"),
        ({"origin": "Incomplete"}, "origin", "origin Incomplete, the one taken has IGP"),
        ({"med": 7}, "med", "MED 7, the one taken of the same neighbour AS has 0"),
    ],
)
def test_why_a_path_loses(attributes: dict[str, object], reason: str, words: str) -> None:
    """The first of BGP's criteria that tells the two apart is the reason, with both values."""
    choice = choose([path("10.0.0.2", **attributes), BEST])
    assert choice.chosen == (BEST,)
    assert [(lost.reason, lost.words) for lost in choice.lost] == [(reason, words)]


def test_next_hop_further_away() -> None:
    """What the way to the next hop costs counts last."""
    assert [lost.reason for lost in choose([BEST, replace(path("10.0.0.2"), metric=5)]).lost] == ["igp_metric"]


def test_unresolved_path_loses_to_any() -> None:
    """A path whose next hop cannot be sent to hides no other, however good it is."""
    unresolved = replace(path("10.0.0.2", local_preference=900), destination="unreachable", next_hops=())
    choice = choose([unresolved, BEST])
    assert choice.chosen == (BEST,)
    assert [lost.reason for lost in choice.lost] == ["unresolved"]


def test_equal_paths_share() -> None:
    """Paths that are equal in all that counts are all taken; sets count as one, another neighbour's MED not at all."""
    other = path("10.0.0.2", as_path=("64497", "1", "{2 3}"), med=9)
    assert set(choose([BEST, other]).chosen) == {BEST, other}


def test_nothing_to_choose_from() -> None:
    """No path, no choice."""
    assert choose([]).chosen == ()


RULES = (
    KernelRule(Family.IPV4, 0, 255),
    KernelRule(Family.IPV4, 10001, 1001, mark=1001, mask=0xFFFFFFFF),
    KernelRule(Family.IPV4, 10002, 1002, mark=1002, mask=0xFFFFFFFF),
    KernelRule(Family.IPV6, 32766, 254),
    KernelRule(Family.IPV4, 32766, 254),
    KernelRule(Family.IPV4, 32767, 253),
)
CONNECTED = KernelRoute(ip_network("10.1.1.0/24"), 254, 1, 2, (KernelHop(None, "eth0"),))
TABLES = {
    254: Table((BEST, path("10.0.0.2", local_preference=50)), (CONNECTED,)),
    1001: Table((path("10.0.0.2"),)),
    1002: Table(),
}
ELSEWHERE = {254: Table((), (CONNECTED,)), 1001: Table(), 1002: Table()}


def hops(route: Route) -> list[KernelHop]:
    """Where a path leads."""
    return [KernelHop(hop.address, hop.interface) for hop in route.next_hops]


def decided(destination: str, mark: int = 0, rules: tuple[KernelRule, ...] = RULES) -> Decision:
    """What ``rules`` and the tables come to."""
    own, address = frozenset({ip_address("192.0.2.11")}), ip_address(destination)
    tables = TABLES if address in PREFIX else ELSEWHERE
    return decide(address, mark, rules=rules, tables=tables, own=own, hops_of=hops)


@pytest.mark.parametrize(
    ("destination", "mark", "table", "priority"),
    [
        ("1.2.3.4", 0, 254, 32766),
        ("1.2.3.4", 1001, 1001, 10001),
        ("1.2.3.4", 1002, 254, 32766),  # its table is empty
        ("1.2.3.4", 7, 254, 32766),
        ("10.1.1.9", 0, 254, 32766),
        ("192.0.2.11", 1001, 255, 0),
        ("9.9.9.9", 1001, None, None),
    ],
)
def test_rule_and_table(destination: str, mark: int, table: int | None, priority: int | None) -> None:
    """The first rule that the packet meets and whose table has a route."""
    found = decided(destination, mark)
    assert (found.table, found.rule.priority if found.rule else None) == (table, priority)


def test_foreign_rule_is_not_judged() -> None:
    """A rule that asks for more than a mark is said to be beyond netorch, and its table as well."""
    foreign = KernelRule(Family.IPV4, 5, 77, other="iifname")
    assert decided("1.2.3.4", rules=(foreign, *RULES)).unknown == "rule 5 asks for iifname"
    assert decided("1.2.3.4", rules=(replace(foreign, other=""), *RULES)).unknown == "table 77 is none of netorch's"


def answer(prefix: str, *gateways: str, table: int = 254, hop: str = "") -> KernelAnswer:
    """A kernel that takes that route, and sends this packet to ``hop``."""
    found = tuple(KernelHop(ip_address(gateway), "eth0") for gateway in gateways)
    taken = KernelHop(ip_address(hop or gateways[0]), "eth0")
    return KernelAnswer(route=KernelRoute(ip_network(prefix), table, 1, 12, found), hop=taken)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (answer("1.2.0.0/16", "10.0.0.1"), ""),
        (answer("1.2.0.0/16", "10.0.0.2"), "sends to 10.0.0.2 through eth0"),
        (answer("1.2.0.0/16", "10.0.0.1", "10.0.0.2"), "sends to 10.0.0.1 through eth0 or 10.0.0.2"),
        (answer("1.2.0.0/16", "10.0.0.1", hop="10.0.0.3"), "sends this packet to 10.0.0.3"),
        (answer("1.2.3.0/24", "10.0.0.1"), "takes 1.2.3.0/24 of table 254"),
        (answer("1.2.0.0/16", "10.0.0.1", table=1001), "takes 1.2.0.0/16 of table 1001"),
        (KernelAnswer(error="Network is unreachable"), "the kernel says: Network is unreachable"),
    ],
)
def test_disagreement(found: KernelAnswer, words: str) -> None:
    """What the kernel does otherwise is named with what was expected; "" where it does as was concluded."""
    said = disagreement(decided("1.2.3.4"), found)
    assert words in said if words else said == ""


def test_agreement_on_nothing_and_on_oneself() -> None:
    """No route on both sides is agreement; so is delivery to the host itself."""
    assert disagreement(decided("9.9.9.9"), KernelAnswer(error="Network is unreachable")) == ""
    assert "expected none" in disagreement(decided("9.9.9.9"), answer("0.0.0.0/0", "10.0.0.9"))
    own = KernelAnswer(route=KernelRoute(ip_network("192.0.2.11/32"), 255, LOCAL, 2))
    assert disagreement(decided("192.0.2.11"), own) == ""


def test_what_bird_exports() -> None:
    """Of BIRD's table the kernel gets paths of BGP, or an operator's own route; what is only announced stays out."""
    static = Route(prefix=str(PREFIX), destination="blackhole", protocol="own_routes_ipv4", since=None, preference=200)
    originated = replace(static, protocol="originated_ipv4")
    assert exported([BEST, originated], "own_routes_ipv4") == ((BEST,), ())
    mine, others = exported([static, BEST], "own_routes_ipv4")
    assert (mine, others[0].type) == ((), 6)
