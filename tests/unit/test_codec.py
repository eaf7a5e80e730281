"""Model to JSON and back."""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from netorch.errors import ParseError
from netorch.model.codec import from_json, to_json
from netorch.model.facts import DaemonFacts, DeviceFacts, FileFact, Link, Neighbour, Pending, RouteCount
from netorch.model.items import (
    AddressItem,
    AliasItem,
    ClosedSessionItem,
    FileItem,
    NeighbourItem,
    OverlayItem,
    PeerItem,
    RouteItem,
    RuleItem,
    SysctlItem,
)
from netorch.model.overlay import OverlayEntry
from netorch.model.plan import Check, Operation
from netorch.model.request import Answer, ApplyRequest, FactsRequest
from netorch.model.state import Channel, Protocol
from netorch.model.types import Family, Mac

MAC = Mac("02:00:00:00:00:01")
ENTRY = OverlayEntry("a/b", 2, "a", ("sw1.pop1",), "ann", 1.5, until=2.5, data={"stage": "closed", "n": [1, None]})
ITEMS = (
    FileItem("/etc/bird/bird.conf", 'password "x";', daemon="bird"),
    SysctlItem("net.ipv4.ip_forward", "1"),
    AddressItem("lo", ip_interface("2001:db8::1/128")),
    PeerItem("eth0", ip_address("10.0.0.1"), ip_address("10.0.0.2")),
    NeighbourItem("eth0", ip_address("2001:db8::2"), MAC),
    RouteItem(ip_network("2001:db8::2/128"), "eth0"),
    RuleItem(Family.IPV6, 10001, 1001, 1001),
    AliasItem("eth0", 'x"; }'),
    OverlayItem(ENTRY),
    ClosedSessionItem("north_v4", "maintenance"),
)
REQUEST = FactsRequest("h1.pop1", "bird", files=("/etc/bird/bird.conf",), wants=("links",))
FACTS = DeviceFacts(
    "h1.pop1",
    "hash",
    "base",
    3,
    DaemonFacts("bird", "2.0.12", True, "s", None, protocols=(Protocol("n", "BGP", channels=(Channel("ipv4"),)),)),
    files=(FileFact("/x", None, None),),
    items=ITEMS,
    overlay=(ENTRY,),
    neighbours=(Neighbour(Family.IPV4, "eth0", ip_address("10.0.0.2"), None, "failed"),),
    links=(Link("eth0", MAC, True, False, "", 1, 2, 3, 4),),
    route_counts=(RouteCount(Family.IPV4, 1001, 5),),
    pending=Pending("id", "ann", 1.0, 2.0),
)


def round_trip(value: object) -> object:
    """``value`` through JSON text."""
    return from_json(type(value), json.loads(json.dumps(to_json(value))))


def test_facts_and_requests_survive_the_wire() -> None:
    """Every kind of item and every part of the facts comes back equal."""
    operations = tuple(Operation("change", item, item, "routing") for item in ITEMS)
    request = ApplyRequest("id", REQUEST, "base", 3, operations, ("hash",), Check(up=("n",)), 60.0, "ann")
    assert round_trip(request) == request
    assert round_trip(Answer("facts", facts=FACTS)) == Answer("facts", facts=FACTS)


@pytest.mark.parametrize(
    "data", [None, [], {}, {"device": 1, "daemon": "bird"}, {"device": "a"}, {"device": "a", "daemon": True}]
)
def test_anything_else_is_a_parse_error(data: object) -> None:
    """A wrong document never becomes a half-filled dataclass."""
    with pytest.raises(ParseError):
        from_json(FactsRequest, data)


def test_an_unknown_kind_of_item_is_a_parse_error() -> None:
    """A newer controller's item is refused by an older agent, not guessed."""
    with pytest.raises(ParseError):
        from_json(Operation, {"action": "add", "item": {"kind": "FutureItem"}})
