"""What somebody did on a device is told apart from what the inventory wants anew."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from ipaddress import ip_address, ip_interface
from typing import Optional

import pytest

from netorch.cli.plan_view import file_diff
from netorch.model.facts import Confirmed, ConfirmedFile, DaemonFacts, DeviceFacts, FileFact, Pending
from netorch.model.items import (
    AddressItem,
    ClosedSessionItem,
    FileItem,
    Item,
    NeighbourItem,
    ServiceItem,
    SysctlItem,
)
from netorch.model.plan import DevicePlan
from netorch.model.types import Mac
from netorch.plan import plan_device, summarise

PATH = "/etc/bird/bird.conf"
RP_FILTER = "net.ipv4.conf.all.rp_filter"
ADDRESS = AddressItem("lo", ip_interface("192.0.2.11/32"))
NEIGHBOUR = NeighbourItem("eth0", ip_address("203.0.113.1"), Mac("02:00:00:00:00:01"))
MOVED = NeighbourItem("eth0", ip_address("203.0.113.1"), Mac("02:00:00:00:00:02"))
SESSION = "protocol bgp northtel_1_v4 {\n}\n"


def configuration(text: str) -> FileItem:
    return FileItem(PATH, text, daemon="bird")


def device(
    *, confirmed: str, disk: Optional[str], live: str = "", kept: tuple[Item, ...] = (), items: tuple[Item, ...] = ()
) -> DeviceFacts:
    """Facts: texts stand for their own hashes and stamps; ``kept`` is what the generation holds, ``items`` what is there."""
    fact = FileFact(PATH, disk, 0o640 if disk is not None else None, disk)
    daemon = DaemonFacts("bird", "2.0.12", True, live or confirmed, disk)
    held = Confirmed((ConfirmedFile(PATH, confirmed, confirmed),), kept)
    return DeviceFacts("sw1.pop1", "1", "base", 1, daemon, files=(fact,), items=items, confirmed=held)


def cause(facts: DeviceFacts, *desired: Item) -> str:
    (operation,) = plan_device(desired, facts).operations
    return operation.cause


@pytest.mark.parametrize(
    ("confirmed", "disk", "live", "wanted", "expected"),
    [
        ("one", "one", "one", "two", "behind the inventory"),
        ("one", "one # by hand", "one", "one", "edited by hand"),
        ("one", "one # by hand", "one", "two", "edited by hand"),
        ("one", None, "one", "one", "removed by hand"),
        ("one", "one", "another", "one", "the daemon runs another configuration"),
    ],
)
def test_cause_of_a_file(confirmed: str, disk: Optional[str], live: str, wanted: str, expected: str) -> None:
    """Disk, live, generation and intent are four things."""
    assert cause(device(confirmed=confirmed, disk=disk, live=live), configuration(wanted)) == expected


@pytest.mark.parametrize(
    ("kept", "there", "wanted", "expected"),
    [
        ((ADDRESS,), (), (ADDRESS,), "removed by hand"),
        ((), (), (ADDRESS,), "behind the inventory"),
        ((ADDRESS,), (ADDRESS,), (), "behind the inventory"),
        ((), (ADDRESS,), (), "added by hand"),
        ((NEIGHBOUR,), (NEIGHBOUR,), (MOVED,), "behind the inventory"),
        ((NEIGHBOUR,), (MOVED,), (NEIGHBOUR,), "changed by hand"),
        (
            (SysctlItem(RP_FILTER, "2"),),
            (SysctlItem(RP_FILTER, "1"),),
            (SysctlItem(RP_FILTER, "2"),),
            "changed by hand",
        ),
        (
            (SysctlItem(RP_FILTER, "1"),),
            (SysctlItem(RP_FILTER, "1"),),
            (SysctlItem(RP_FILTER, "2"),),
            "behind the inventory",
        ),
    ],
)
def test_cause_of_a_kernel_item(
    kept: tuple[Item, ...], there: tuple[Item, ...], wanted: tuple[Item, ...], expected: str
) -> None:
    """What the generation holds decides who is to blame."""
    assert cause(device(confirmed="one", disk="one", kept=kept, items=there), configuration("one"), *wanted) == expected


def test_session_closed_by_hand() -> None:
    """A session that is down although the configuration in force wants it up."""
    closed = ClosedSessionItem("northtel_1_v4")
    facts = device(confirmed=SESSION, disk=SESSION, items=(closed,))
    assert cause(facts, configuration(SESSION)) == "closed by hand"


def test_session_that_the_next_configuration_opens() -> None:
    """The end of a drain opens a session: nobody's hand."""
    closed = ClosedSessionItem("northtel_1_v4")
    drained = SESSION.replace("{\n", "{\n    disabled;\n")
    facts = device(confirmed=drained, disk=drained, items=(closed,))
    causes = {operation.cause for operation in plan_device([configuration(SESSION)], facts).operations}
    assert causes == {"behind the inventory"}


def test_session_closed_by_hand_beside_an_edited_file() -> None:
    """Two hands' work at once: the edit does not hide that the session was closed at birdc."""
    closed = ClosedSessionItem("northtel_1_v4")
    facts = device(confirmed=SESSION, disk=f"{SESSION}# by hand\n", items=(closed,))
    causes = {
        operation.item.key[0]: operation.cause for operation in plan_device([configuration(SESSION)], facts).operations
    }
    assert causes == {"file": "edited by hand", "closed": "closed by hand"}


def test_a_file_that_others_may_read_now() -> None:
    """Its mode was changed: the passwords in it are everybody's, and the plan mends that."""
    item = FileItem(PATH, "one", daemon="bird")
    held = Confirmed((ConfirmedFile(PATH, hashlib.sha256(b"one").hexdigest(), "one"),))
    fact = FileFact(PATH, held.files[0].sha256, 0o666, "one")
    facts = replace(device(confirmed="one", disk="one"), files=(fact,), confirmed=held)
    (operation,) = plan_device([item], facts).operations
    assert operation.cause == "changed by hand"
    assert file_diff(operation, str, DevicePlan("h1.pop1", "", 1)) == ["(its mode is 0666, expected 0640)"]


def test_a_daemon_that_is_dead() -> None:
    """The right file on disk, and nothing that runs it: the plan starts it, and says that it does not run."""
    facts = device(confirmed="one", disk="one")
    facts = replace(facts, daemon=DaemonFacts("bird", "2.0.12", False, None, "one"))
    assert cause(facts, configuration("one")) == "the daemon does not run"


@pytest.mark.parametrize("is_running", [True, False])
def test_a_service_that_is_meant_to_go(*, is_running: bool) -> None:
    """The inventory has it no more: it is stopped, also where it does not run now, since it would come back with the machine;
    and no hand's work is seen in it."""
    service = ServiceItem("mirror")
    facts = device(confirmed="one", disk="one", items=(service,) if is_running else ())
    assert facts.confirmed is not None
    facts = replace(facts, confirmed=replace(facts.confirmed, items=(service,)))
    operations = plan_device([configuration("one")], facts).operations
    assert [(operation.action, operation.item, operation.cause) for operation in operations] == [
        ("remove", service, "behind the inventory")
    ]


def test_nothing_is_said_before_the_first_generation() -> None:
    """A device that netorch has never changed has no hand's work."""
    facts = replace(device(confirmed="one", disk="one"), confirmed=None)
    assert cause(facts, configuration("two")) == ""


def test_nothing_is_said_while_a_change_waits() -> None:
    """What is live is the candidate: nobody's hand."""
    facts = replace(device(confirmed="one", disk="one", live="two"), pending=Pending("c1", "bob", 1.0, 42.0))
    assert cause(facts, configuration("one")) == ""


def test_only_what_a_hand_did_is_shown() -> None:
    """The plan names it behind the operation; what is merely new needs no word."""
    edited = plan_device([configuration("one")], device(confirmed="one", disk="edited")).operations
    behind = plan_device([configuration("two")], device(confirmed="one", disk="one")).operations
    assert [summarise(operation) for operation in (*edited, *behind)] == [
        f"~ file {PATH} [edited by hand]",
        f"~ file {PATH}",
    ]
