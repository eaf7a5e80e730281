"""Prefix sets that change as BIRD itself does not see: after ``configure`` neighbours, tables and kernels have what the new set
says, with every release."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Any

import pytest

from netorch.model.bogons import AsnRange
from netorch.model.intent import DeviceIntent, PrefixExport, Session, StaticRoute, Steer
from netorch.model.sources import IrrFilter
from netorch.model.types import IPNetwork
from tests.lab.set_bed import NODES, Node, device_of, set_bed
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

PROVIDER_4, PROVIDER_6, HOST_4, HOST_6 = "northtel_1_v4", "northtel_1_v6", "h1_v4", "h1_v6"
SWITCH_4, SWITCH_6 = "sw1_v4", "sw1_v6"
ROUTER_4 = "r2_to2_v4"
FROM_NORTHTEL = "bgp_large_community.add((64500, 1, 1));"
DROP = "bgp_community.add((65535, 666));"

ANNOUNCED = {
    PROVIDER_4: (
        "20.1.0.0/22",
        "20.1.4.0/22",
        "20.2.0.0/20",
        "20.2.0.0/21",
        "20.2.0.0/24",
        "20.3.0.0/22",
        "20.3.0.0/23",
        f"20.4.1.9/32 {DROP}",
        f"20.4.8.9/32 {DROP}",
        "20.5.0.0/24 bgp_path.prepend(3000);",
        "20.6.0.0/24 bgp_path.prepend(65534);",
    ),
    HOST_4: ("192.0.2.0/24", "192.0.2.0/25", "198.51.96.0/22", "198.51.96.0/23"),
    HOST_6: ("2001:db8:1::/48", "2001:db8:1::/49"),
    SWITCH_4: (f"20.5.0.0/20 {FROM_NORTHTEL}", f"20.5.0.0/21 {FROM_NORTHTEL}", f"20.5.0.0/24 {FROM_NORTHTEL}"),
    ROUTER_4: ("172.30.0.0/24", "172.30.0.0/25"),
}
"""What neighbours say."""


@dataclass(frozen=True)
class Change:
    """A change of a device, and what is ``found`` of ``session`` before and after it, of the prefixes in ``was`` and ``becomes``
    alone. ``was`` is not empty: nothing may be there only because the one before is still at work."""

    title: str
    before: DeviceIntent
    after: DeviceIntent
    found: Callable[[Node, str], set[str]]
    session: str
    was: set[str]
    becomes: set[str]

    def seen(self, node: Node) -> set[str]:
        """What there is of it."""
        return self.found(node, self.session) & (self.was | self.becomes)


def networks(*texts: str) -> tuple[IPNetwork, ...]:
    return tuple(map(ip_network, texts))


SWITCH, HOST, ROUTER = (device_of(role) for role in ("switch", "host", "router"))


def announcing(device: DeviceIntent, *prefixes: str) -> DeviceIntent:
    return replace(device, originated=networks(*prefixes))


def importing(**changes: Any) -> DeviceIntent:
    """The switch, with changes of what it accepts of its provider."""

    def other(session: Session) -> Session:
        if session.name != PROVIDER_4 or session.import_policy is None:
            return session
        return replace(session, import_policy=replace(session.import_policy, **changes))

    return replace(SWITCH, sessions=tuple(map(other, SWITCH.sessions)))


def exporting(*prefixes: PrefixExport) -> DeviceIntent:
    """The switch, with a /24 and a /25 to announce, some of it in another way."""

    def other(session: Session) -> Session:
        policy = session.export_policy
        return session if policy is None else replace(session, export_policy=replace(policy, prefixes=prefixes))

    device = announcing(SWITCH, "192.0.2.0/24", "192.0.2.0/25")
    return replace(device, sessions=tuple(map(other, SWITCH.sessions)))


def registered(*prefixes: str, asns: tuple[int, ...] = (64496,)) -> DeviceIntent:
    """The switch that accepts what its provider has registered."""
    return importing(irr=IrrFilter("AS-NORTHTEL", networks(*prefixes), asns))


def steering(prefix: str) -> DeviceIntent:
    return replace(HOST, steers=(Steer(ip_network(prefix), "northtel", 1),))


def telling(*announced: str) -> DeviceIntent:
    """The host with two routes of programs, those that are ``announced`` told to switches."""
    prefixes = networks("192.0.2.64/26", "192.0.2.64/27")
    routes = [StaticRoute(prefix, "blackhole", announced=str(prefix) in announced) for prefix in prefixes]
    return replace(HOST, routes=tuple(routes))


def underlay(*prefixes: str) -> DeviceIntent:
    assert ROUTER.underlay is not None
    return replace(ROUTER, underlay=replace(ROUTER.underlay, networks=networks(*prefixes)))


WHOLE, HALF = "192.0.2.0/24", "192.0.2.0/25"
WHOLE_6, HALF_6 = "2001:db8:1::/48", "2001:db8:1::/49"
WIDE, NARROW = "198.51.96.0/22", "198.51.96.0/23"
CHANGES = (
    # A switch: what hosts may announce to it, what providers hear, what is in its kernel.
    Change(
        "announced: a half more",
        announcing(SWITCH, WHOLE),
        announcing(SWITCH, WHOLE, HALF),
        Node.heard,
        PROVIDER_4,
        {WHOLE},
        {WHOLE, HALF},
    ),
    Change(
        "announced: let in",
        announcing(SWITCH, WHOLE, HALF),
        announcing(SWITCH, HALF),
        Node.accepted,
        HOST_4,
        {WHOLE, HALF},
        {HALF},
    ),
    Change(
        "announced: installed",
        announcing(SWITCH, NARROW),
        announcing(SWITCH, WIDE),
        Node.installed,
        HOST_4,
        {NARROW},
        {WIDE},
    ),
    Change(
        "announced: IPv6",
        announcing(SWITCH, WHOLE_6),
        announcing(SWITCH, WHOLE_6, HALF_6),
        Node.heard,
        PROVIDER_6,
        {WHOLE_6},
        {WHOLE_6, HALF_6},
    ),
    Change(
        "withheld",
        exporting(PrefixExport(ip_network(HALF), withheld=True)),
        exporting(PrefixExport(ip_network(WHOLE), withheld=True)),
        Node.heard,
        PROVIDER_4,
        {WHOLE},
        {HALF},
    ),
    # A switch: what it accepts of a provider.
    Change(
        "own",
        replace(SWITCH, own_prefixes=networks("20.1.0.0/22")),
        replace(SWITCH, own_prefixes=networks("20.1.0.0/21")),
        Node.accepted,
        PROVIDER_4,
        {"20.1.4.0/22"},
        set(),
    ),
    Change(
        "listed",
        importing(prefixes=networks("20.2.0.0/21")),
        importing(prefixes=networks("20.2.0.0/20")),
        Node.accepted,
        PROVIDER_4,
        {"20.2.0.0/21", "20.2.0.0/24"},
        {"20.2.0.0/20", "20.2.0.0/21", "20.2.0.0/24"},
    ),
    Change(
        "droppable",
        importing(prefixes=networks("20.4.0.0/20"), blackhole=True),
        importing(prefixes=networks("20.4.0.0/21"), blackhole=True),
        Node.accepted,
        PROVIDER_4,
        {"20.4.1.9/32", "20.4.8.9/32"},
        {"20.4.1.9/32"},
    ),
    Change(
        "registered",
        registered("20.3.0.0/22"),
        registered("20.3.0.0/23"),
        Node.accepted,
        PROVIDER_4,
        {"20.3.0.0/22"},
        {"20.3.0.0/23"},
    ),
    Change(
        "registered origins",
        registered("20.5.0.0/24", asns=(3000, 64496)),
        registered("20.5.0.0/24"),
        Node.accepted,
        PROVIDER_4,
        {"20.5.0.0/24"},
        set(),
    ),
    Change(
        "AS numbers",
        importing(bogon_asns=(AsnRange(64512, 65533, ""),)),
        importing(bogon_asns=(AsnRange(64512, 65534, ""),)),
        Node.accepted,
        PROVIDER_4,
        {"20.6.0.0/24"},
        set(),
    ),
    # A host.
    Change(
        "originated: a half more",
        announcing(HOST, WHOLE),
        announcing(HOST, WHOLE, HALF),
        Node.heard,
        SWITCH_4,
        {WHOLE},
        {WHOLE, HALF},
    ),
    Change(
        "originated: wider", announcing(HOST, NARROW), announcing(HOST, WIDE), Node.heard, SWITCH_4, {NARROW}, {WIDE}
    ),
    Change(
        "originated: IPv6",
        announcing(HOST, WHOLE_6),
        announcing(HOST, WHOLE_6, HALF_6),
        Node.heard,
        SWITCH_6,
        {WHOLE_6},
        {WHOLE_6, HALF_6},
    ),
    Change(
        "routes of programs",
        telling("192.0.2.64/26"),
        telling("192.0.2.64/26", "192.0.2.64/27"),
        Node.heard,
        SWITCH_4,
        {"192.0.2.64/26"},
        {"192.0.2.64/26", "192.0.2.64/27"},
    ),
    Change(
        "steered",
        steering("20.5.0.0/21"),
        steering("20.5.0.0/20"),
        Node.first_choice,
        SWITCH_4,
        {"20.5.0.0/21", "20.5.0.0/24"},
        {"20.5.0.0/20", "20.5.0.0/21", "20.5.0.0/24"},
    ),
    # A router.
    Change(
        "underlay: let in",
        underlay("172.30.0.0/24"),
        underlay("172.30.0.0/24", "172.30.0.0/25"),
        Node.accepted,
        ROUTER_4,
        {"172.30.0.0/24"},
        {"172.30.0.0/24", "172.30.0.0/25"},
    ),
    Change(
        "underlay: told",
        underlay("172.18.100.0/24"),
        underlay("172.18.100.0/25"),
        Node.heard,
        ROUTER_4,
        {"172.18.100.0/24"},
        set(),
    ),
)
TRIALS = [(name, change) for name, (role, _) in NODES.items() for change in CHANGES if change.before.role == role]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    with set_bed(tmp_path_factory.mktemp("sets"), ANNOUNCED) as up:
        yield up


@pytest.mark.parametrize(("name", "change"), TRIALS, ids=[f"{name}-{change.title}" for name, change in TRIALS])
def test_changed_set_is_applied_at_once(nodes: dict[str, Node], name: str, change: Change) -> None:
    """By nothing but ``configure``."""
    node = nodes[name]
    for device, expected in ((change.before, change.was), (change.after, change.becomes)):
        node.load(device)
        wait_until(lambda expected=expected: change.seen(node) == expected, what=f"{expected}")  # type: ignore[misc]
