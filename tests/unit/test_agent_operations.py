"""The agent reads operations without the model's classes: what it takes and refuses is the model's."""

from __future__ import annotations

import dataclasses
import json
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any, get_args

import pytest

from netorch.agent.operations import ITEMS, NEVER_REMOVED, checked_operations
from netorch.agent.outcome import Refused
from netorch.agent.slots import slot_of, slots_of
from netorch.model import codec, items
from netorch.model.overlay import OverlayEntry
from netorch.model.plan import Operation
from netorch.model.types import Family, Mac


def to_json(value: object) -> Any:
    """``value`` as it arrives on a device."""
    return json.loads(json.dumps(codec.to_json(value)))


EXAMPLES = (
    items.FileItem("/etc/bird/bird.conf", "text", daemon="bird"),
    items.SysctlItem("net.ipv4.ip_forward", "1"),
    items.AddressItem("lo", ip_interface("192.0.2.11/32")),
    items.PeerItem("eth0", ip_address("10.1.1.11"), ip_address("203.0.113.1")),
    items.NeighbourItem("eth0", ip_address("203.0.113.1"), Mac("02:00:00:00:00:01")),
    items.RouteItem(ip_network("2001:db8:c::1/128"), "eth0"),
    items.RuleItem(Family.IPV6, 1000, 1001, 1001),
    items.AliasItem("eth0", "uplink"),
    items.OverlayItem(OverlayEntry("drain/x", 1, "drain", ("h1.pop1",), "alice", 1.0)),
    items.ClosedSessionItem("northtel_v4", "bye"),
    items.ServiceItem("mirror"),
)


def test_every_kind_and_member_is_known() -> None:
    """The agent's table has the kinds of the model, each with its members."""
    assert {kind: set(members) for kind, members in ITEMS.items()} == {
        kind.__name__: {member.name for member in dataclasses.fields(kind)} for kind in get_args(items.Item)
    }
    assert {kind.__name__ for kind in items.NEVER_REMOVED} == set(NEVER_REMOVED)


@pytest.mark.parametrize("item", EXAMPLES, ids=lambda item: type(item).__name__)
def test_what_a_controller_sends_is_taken(item: items.Item) -> None:
    """An operation of each kind passes as the controller writes it."""
    documents = [to_json(Operation("add", item)), to_json(Operation("change", item, item))]
    assert checked_operations(documents) == documents


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ({"action": "burn", "item": to_json(EXAMPLES[1])}, "'burn' is no action"),
        ({"action": "remove", "item": to_json(EXAMPLES[0])}, "FileItem is never removed"),
        ({"action": "change", "item": to_json(EXAMPLES[0])}, "does not say of what"),
        ({"action": "add", "item": {"kind": "ServiceItem", "name": "cron"}}, "'cron' is no service of netorch's"),
        ({"action": "add", "item": {"kind": "Bomb"}}, "'Bomb' is no kind of item"),
        ({"action": "add", "item": {"kind": "AliasItem", "interface": "eth0"}}, "alias: expected str, found NoneType"),
        ({"action": "add", "item": {**to_json(EXAMPLES[6]), "mark": True}}, "mark: expected int, found bool"),
    ],
)
def test_nonsense_is_refused(operation: dict[str, Any], said: str) -> None:
    """What is no operation of the model is refused, and the message says what was expected."""
    with pytest.raises(Refused, match=said):
        checked_operations([operation])


@pytest.mark.parametrize(
    "item",
    [
        {**to_json(EXAMPLES[2]), "address": "192.0.2.11"},
        {**to_json(EXAMPLES[2]), "address": "192.0.2.11/33"},
        {**to_json(EXAMPLES[3]), "peer": "203.0.113.256"},
        {**to_json(EXAMPLES[4]), "mac": "02:00:00:00:01"},
        {**to_json(EXAMPLES[5]), "prefix": "2001:db8::g/128"},
    ],
)
def test_address_that_is_none_is_refused(item: dict[str, Any]) -> None:
    """Addresses are checked before anything is changed."""
    with pytest.raises(Refused, match="is no"):
        slot_of(item)


def test_addresses_are_compared_as_the_kernel_writes_them() -> None:
    """Two spellings of an address are one slot, so that nothing is replaced by itself."""
    long = {**to_json(EXAMPLES[5]), "prefix": "2001:0DB8:000c::0001/128"}
    operation = {"action": "change", "item": long, "before": to_json(EXAMPLES[5])}
    assert slots_of(operation) == [slot_of(to_json(EXAMPLES[5]))]
