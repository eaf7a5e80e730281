"""Desired items and facts to operations."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address, ip_interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.errors import PluginError
from netorch.model.facts import DaemonFacts, DeviceFacts, FileFact
from netorch.model.items import (
    AddressItem,
    AliasItem,
    ClosedSessionItem,
    FileItem,
    Item,
    NeighbourItem,
    PeerItem,
    RuleItem,
    SysctlItem,
)
from netorch.model.plan import Check, Operation
from netorch.model.types import Family, Mac
from netorch.plan import plan_device, summarise

BIRD = DaemonFacts("bird", "2.0.12", running=True, live_stamp="s1", disk_stamp="s1")
CONFIG = FileItem("/etc/bird/bird.conf", "protocol bgp north_v4 { }\n", daemon="bird", group="bird")
ITEMS: tuple[Item, ...] = (
    PeerItem("eth0", ip_address("10.1.1.11"), ip_address("203.0.113.1")),
    NeighbourItem("eth0", ip_address("203.0.113.1"), Mac("02:00:00:00:00:01")),
    RuleItem(Family.IPV4, 10001, 1001, 1001),
    AddressItem("lo", ip_interface("192.0.2.11/32")),
    SysctlItem("net.ipv4.conf.all.rp_filter", "0"),
    AliasItem("eth0", "sw1.pop1 swp11"),
    CONFIG,
)


def facts(items: tuple[Item, ...] = (), text: str | None = None, daemon: DaemonFacts = BIRD) -> DeviceFacts:
    """Facts of a device that has ``items``, and ``text`` as its configuration."""
    file = FileFact(CONFIG.path, None if text is None else "hash", None if text is None else CONFIG.mode, text)
    return DeviceFacts("h1.pop1", "agent", "base", 1, daemon, files=(file,), items=items)


def apply(operations: tuple[Operation, ...], before: DeviceFacts) -> DeviceFacts:
    """The facts after ``operations``, as a device would report them."""
    items = {item.key: item for item in before.items}
    text = before.files[0].text
    for operation in operations:
        if isinstance(operation.item, FileItem):
            text = None if operation.action == "remove" else operation.item.text
        elif operation.action == "remove":
            del items[operation.item.key]
        else:
            items[operation.item.key] = operation.item
    return dataclasses.replace(facts(tuple(items.values()), text), base=before.base)


def test_an_empty_device_gets_everything_in_the_order_that_is_safe() -> None:
    """The neighbour's MAC comes before the peer address that makes it reachable, sysctls before all."""
    kinds = [type(operation.item) for operation in plan_device(ITEMS, facts()).operations]
    assert kinds == [SysctlItem, AddressItem, NeighbourItem, PeerItem, RuleItem, FileItem, AliasItem]


def test_a_device_that_has_everything_has_an_empty_plan() -> None:
    """Nothing to do is no operation at all."""
    have = tuple(item for item in ITEMS if item is not CONFIG)
    assert plan_device(ITEMS, facts(have, CONFIG.text)).is_empty


def inverse(operation: Operation) -> Operation:
    """The operation that takes this one back, from what the plan knows of it."""
    if operation.action == "add":
        return Operation("remove", operation.item, operation.item)
    if operation.action == "remove":
        return Operation("add", operation.item)
    assert operation.before is not None, "a change knows what it replaces"
    return Operation("change", operation.before, operation.item)


@given(st.sets(st.sampled_from(ITEMS)), st.sets(st.sampled_from(ITEMS)))
def test_applying_a_plan_twice_does_nothing_and_reverting_gives_the_facts_back(
    have: set[Item], want: set[Item]
) -> None:
    """For any state and any wish: apply, plan again: empty; undo in reverse: the former facts."""
    before = facts(tuple(i for i in ITEMS if i in have and i is not CONFIG), CONFIG.text if CONFIG in have else None)
    plan = plan_device([i for i in ITEMS if i in want], before)
    after = apply(plan.operations, before)
    assert plan_device([i for i in ITEMS if i in want], after).is_empty
    restored = apply(tuple(inverse(o) for o in reversed(plan.operations)), after)
    assert set(restored.items) == set(before.items)
    assert restored.files[0].text == before.files[0].text


def test_what_netorch_owns_and_nobody_wants_is_removed_with_reachability_first() -> None:
    """The peer address goes before the neighbour: a next hop without its MAC would be asked for by ARP."""
    plan = plan_device([], facts(ITEMS[:2]))
    assert [(o.action, type(o.item)) for o in plan.operations] == [("remove", PeerItem), ("remove", NeighbourItem)]


def test_sysctls_and_aliases_stay_when_they_are_no_longer_wanted() -> None:
    """Their former value is not netorch's to guess."""
    assert plan_device([], facts((ITEMS[4], ITEMS[5]))).is_empty


def test_a_changed_mac_is_one_change_that_names_the_former() -> None:
    """The neighbour is replaced in one step."""
    new = NeighbourItem("eth0", ip_address("203.0.113.1"), Mac("02:00:00:00:00:02"))
    (operation,) = plan_device([ITEMS[0], new], facts(ITEMS[:2])).operations
    assert operation.action == "change"
    assert summarise(operation).endswith("(was 02:00:00:00:00:01)")


def test_the_right_file_is_loaded_when_the_daemon_runs_another_one() -> None:
    """Disk and live are told apart by their stamps."""
    stale = dataclasses.replace(BIRD, live_stamp="older")
    (operation,) = plan_device([CONFIG], facts((), CONFIG.text, stale)).operations
    assert (operation.action, operation.item) == ("change", CONFIG)


def test_a_session_closed_by_hand_is_opened_again() -> None:
    """A closed session that the configuration has and nobody wants closed is drift."""
    closed: tuple[Item, ...] = (ClosedSessionItem("north_v4"), ClosedSessionItem("somebody_elses"))
    plan = plan_device([CONFIG], facts(closed, CONFIG.text))
    assert [(o.action, o.item.key[1]) for o in plan.operations] == [("remove", "north_v4")]
    assert [(r.session, r.effect) for r in plan.resets] == [("north_v4", "start")]


def test_a_session_to_close_is_closed_with_its_message_before_the_file_is_loaded() -> None:
    """The message reaches the neighbour only over a session that still stands."""
    disabled = dataclasses.replace(CONFIG, text="protocol bgp north_v4 {\n disabled;\n}\n")
    plan = plan_device([disabled, ClosedSessionItem("north_v4", "maintenance")], facts((), CONFIG.text))
    assert [type(o.item) for o in plan.operations] == [ClosedSessionItem, FileItem]
    assert [(r.effect, r.reason) for r in plan.resets] == [("close", "maintenance")]


def test_two_values_for_one_slot_are_refused() -> None:
    """Two plugins that disagree are an error that shows both values."""
    with pytest.raises(PluginError, match=r"two plugins want different values for sysctl net\.x"):
        plan_device([SysctlItem("net.x", "0"), SysctlItem("net.x", "1")], facts())


def test_prefix_counts_are_watched_where_imports_may_change() -> None:
    """A new comment is judged at once; another filter, or a daemon that runs something else, after a while."""
    compared = Check(prefix_drop_percent=50.0)
    comment = dataclasses.replace(CONFIG, text=f"# new\n{CONFIG.text}")
    session = dataclasses.replace(CONFIG, text="protocol bgp north_v4 { ipv4 { import none; }; }\n")
    stale = dataclasses.replace(BIRD, live_stamp="s0")
    settle_s = [
        plan_device([item], facts((), CONFIG.text, daemon), check=compared).check.settle_s
        for item, daemon in ((comment, BIRD), (session, BIRD), (comment, stale))
    ]
    assert settle_s == [0.0, 3.0, 3.0]
