"""The agent's transaction on a device with a real BIRD: applied, confirmed, undone, and left alone when it must be."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from netorch.errors import DeviceError, Locked, Reverted
from netorch.model.facts import ConfirmedFile
from netorch.model.items import (
    AddressItem,
    AliasItem,
    ClosedSessionItem,
    Item,
    NeighbourItem,
    OverlayItem,
    PeerItem,
    RouteItem,
    RuleItem,
    SysctlItem,
)
from netorch.model.overlay import OverlayEntry
from netorch.model.plan import Check, Operation
from netorch.model.request import DecideRequest, Proof
from netorch.model.types import Family, Mac
from tests.lab.agent_device import LabDevice, bird_file, changed, configuration
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

DRAIN = OverlayEntry("drain/provider/northtel", 1, "drain", ("h1.pop1",), "alice", 1000.0, "maintenance")
ITEMS: tuple[Item, ...] = (
    SysctlItem("net.ipv4.conf.eth0.rp_filter", "2"),
    AddressItem("lo", ip_interface("192.0.2.11/32")),
    AddressItem("lo", ip_interface("2001:db8:1::11/128")),
    RuleItem(Family.IPV4, 1001, 1001, 1001),
    RuleItem(Family.IPV6, 1001, 1001, 1001),
    OverlayItem(DRAIN),
    AliasItem("eth0", 'uplink "to" sw1; port 3'),
    NeighbourItem("eth0", ip_address("203.0.113.1"), Mac("02:00:00:00:00:01")),
    NeighbourItem("eth0", ip_address("2001:db8:c::1"), Mac("02:00:00:00:00:01")),
    PeerItem("eth0", ip_address("10.0.0.1"), ip_address("203.0.113.1")),
    RouteItem(ip_network("2001:db8:c::1/128"), "eth0"),
)
UP = Check(up=("northtel_v4",), timeout_s=10.0)


def adds(*items: Item) -> tuple[Operation, ...]:
    return tuple(Operation("add", item) for item in items)


def new_configuration(device: LabDevice, stamp: str, *extra: str) -> Operation:
    before = bird_file(device.namespace.path("/etc/bird/bird.conf").read_text())
    return changed(before, bird_file(configuration(stamp, *extra)))


def decide(request_id: str) -> DecideRequest:
    return DecideRequest(request_id, "alice@control")


def test_applied_items_are_the_facts_afterwards(device: LabDevice) -> None:
    """Every kind of item that was applied and confirmed is reported as it was asked for, and nothing else is."""
    request = device.change(*adds(*ITEMS), check=UP)
    device.client.apply(request)
    device.client.confirm(decide(request.id))
    facts = device.client.facts(device.REQUEST)
    assert sorted(map(repr, facts.items)) == sorted(map(repr, ITEMS))
    assert facts.overlay == (DRAIN,)
    assert facts.generation == 1


def test_bridge_that_nobody_gave_a_mac_is_told(device: LabDevice) -> None:
    """Of two bridges the one whose MAC is its port's; it has its own once somebody sets it."""
    run = device.namespace.run
    run("mount", "-t", "sysfs", "sysfs", "/sys")
    run("ip", "link", "add", "br0", "type", "bridge")
    run("ip", "link", "add", "br1", "address", "02:00:00:00:00:b1", "type", "bridge")
    run("ip", "link", "add", "p0", "type", "veth", "peer", "name", "p1")
    run("ip", "link", "set", "p0", "master", "br0")

    def moving() -> list[str]:
        facts = device.client.facts(replace(device.REQUEST, wants=("links",)))
        assert {"br0", "br1", "p0", "eth0"} <= {link.name for link in facts.links}
        return [link.name for link in facts.links if link.mac_follows_ports]

    assert moving() == ["br0"]
    run("ip", "link", "set", "br0", "address", "02:00:00:00:00:b0")
    assert moving() == []


def test_reverting_gives_the_facts_back(device: LabDevice) -> None:
    """A change of the configuration, a closed session and items of every kind leave no trace once reverted."""
    before = device.owned()
    closed = Operation("add", ClosedSessionItem("northtel_v4", "maintenance"))
    request = device.change(closed, new_configuration(device, "new"), *adds(*ITEMS))
    device.client.apply(request)
    assert device.live_stamp() == "new"
    device.client.revert(decide(request.id))
    wait_until(device.is_established, what="the closed session is back")
    assert device.owned() == before
    assert device.live_stamp() == "old"


def test_configuration_is_on_disk_only_once_confirmed(device: LabDevice) -> None:
    """BIRD runs the candidate while the file still is the old one; confirmation puts it there and opens a new connection."""
    request = device.change(new_configuration(device, "new"), check=UP)
    device.client.apply(request)
    pending = device.client.facts(device.REQUEST)
    assert (pending.daemon.live_stamp, pending.daemon.disk_stamp) == ("new", "old")
    assert pending.pending is not None
    assert (pending.pending.id, pending.pending.author) == (request.id, "alice@control")
    assert not pending.pending.replaced
    connections = device.transport.connections
    answer = device.client.confirm(decide(request.id))
    facts = device.client.facts(device.REQUEST)
    assert (facts.daemon.live_stamp, facts.daemon.disk_stamp, facts.pending) == ("new", "new", None)
    assert (answer.generation, device.transport.connections) == (1, connections + 1)
    assert answer.proof == Proof("new", (ConfirmedFile("/etc/bird/bird.conf", request.sha256[0], "new"),))


def test_proof_is_read_anew(device: LabDevice) -> None:
    """Asked once more after somebody's ``configure``, the device still says confirmed, and reads back what is live now."""
    request = device.change(new_configuration(device, "new"), check=UP)
    device.client.apply(request)
    device.client.confirm(decide(request.id))
    device.namespace.path("/run/bird/other.conf").write_text(configuration("other"))
    device.namespace.birdc('configure "/run/bird/other.conf"')
    proof = device.client.confirm(decide(request.id)).proof
    assert proof is not None
    assert proof.live_stamp == "other"
    assert [file.stamp for file in proof.files] == ["new"]


def test_history_tells_who_and_why(device: LabDevice) -> None:
    """Confirmed changes are kept with author, reason and files, the newest first."""
    for stamp in ("one", "two"):
        request = device.change(new_configuration(device, stamp))
        device.client.apply(request)
        device.client.confirm(decide(request.id))
    newest, oldest = device.client.history()
    assert (newest.number, newest.author, newest.reason) == (2, "alice@control", "a test")
    assert (oldest.number, oldest.files) == (1, ("/etc/bird/bird.conf",))


def test_kernel_items_alone_load_no_configuration(device: LabDevice) -> None:
    """A change of the mirror alone leaves BIRD as it is: its log shows no reconfiguration."""
    request = device.change(*adds(*ITEMS[-4:]), check=UP)
    device.client.apply(request)
    device.client.confirm(decide(request.id))
    assert "Reconfigur" not in device.namespace.path("/run/bird/log").read_text()


def test_syntax_error_is_shown_with_line_and_caret(device: LabDevice) -> None:
    """A configuration that BIRD does not understand is refused in BIRD's words, and nothing is changed."""
    before = device.owned()
    request = device.change(new_configuration(device, "new", "protocol bgpp oops { }"), *adds(*ITEMS))
    with pytest.raises(DeviceError) as error:
        device.client.apply(request)
    first, source, caret = error.value.message.splitlines()
    assert first.startswith("BIRD refuses /etc/bird/bird.conf:17:10 syntax error")
    assert source == "  17 | protocol bgpp oops { }"
    assert caret == "     |          ^", "the caret is below the first letter of bgpp"
    assert device.owned() == before


def test_password_is_not_shown_in_a_complaint(device: LabDevice) -> None:
    """The source line of an error hides what it holds in secret."""
    request = device.change(new_configuration(device, "new", 'password "s3cret" nonsense'))
    with pytest.raises(DeviceError) as error:
        device.client.apply(request)
    assert 'password "******" nonsense' in error.value.message
    assert "s3cret" not in error.value.message


def test_candidate_that_drops_a_session_is_undone(device: LabDevice) -> None:
    """Valid syntax that ends a session which must stay fails the checks, and is taken back without anyone's help."""
    before = device.owned()
    text = configuration("new").replace("neighbor 10.0.0.2 as 64496", "neighbor 10.0.0.2 as 64499")
    operation = changed(bird_file(configuration("old")), bird_file(text))
    request = device.change(operation, *adds(*ITEMS), check=Check(up=("northtel_v4",), timeout_s=1.0))
    with pytest.raises(Reverted, match=r"northtel_v4: .*expected Established"):
        device.client.apply(request)
    wait_until(device.is_established, what="the session is back")
    assert device.owned() == before


def test_candidate_that_refuses_prefixes_is_undone(device: LabDevice) -> None:
    """A session that comes up again but accepts less than it must of its prefixes fails the checks."""
    text = configuration("new").replace("import all; export all", "import none; export all")
    text = text.replace(
        "connect delay time", "enable route refresh off; connect delay time"
    )  # which restarts the session
    operation = changed(bird_file(configuration("old")), bird_file(text))
    check = Check(up=("northtel_v4",), prefix_drop_percent=50.0, settle_s=3.0, timeout_s=5.0)
    with pytest.raises(Reverted, match="accepts 0 ipv4 prefixes, 10 before"):
        device.client.apply(device.change(operation, check=check))
    assert device.live_stamp() == "old"


def test_operation_that_fails_undoes_those_before(device: LabDevice) -> None:
    """When the kernel refuses the last item, the items and the configuration before it are taken back."""
    before = device.owned()
    device.namespace.run("ip", "-6", "route", "add", "2001:db8:c::9/128", "dev", "eth0")
    foreign = RouteItem(ip_network("2001:db8:c::9/128"), "eth0")
    request = device.change(*adds(*ITEMS), new_configuration(device, "new"), *adds(foreign))
    with pytest.raises(Reverted, match=r"route 2001:db8:c::9/128 through eth0: a route that is not netorch's"):
        device.client.apply(request)
    assert device.owned() == before


def test_watchdog_undoes_what_nobody_confirms(device: LabDevice) -> None:
    """A controller that dies after the apply leaves the device on its last good state at the deadline."""
    before = device.owned()
    request = device.change(new_configuration(device, "new"), *adds(*ITEMS), check=UP, confirm_timeout_s=2.0)
    device.client.apply(request)
    assert device.live_stamp() == "new"
    wait_until(lambda: device.live_stamp() == "old", what="the watchdog has undone the change")
    wait_until(lambda: device.owned() == before, what="everything else is back")
    undone = device.client.facts(device.REQUEST).undone
    assert undone is not None
    assert (undone.id, undone.author) == (request.id, request.author)
    assert undone.reason == "nobody confirmed it before its deadline"


def test_late_confirmation_is_a_failure(device: LabDevice) -> None:
    """A confirmation that comes after the change was undone never reports success."""
    request = device.change(new_configuration(device, "new"), check=UP, confirm_timeout_s=1.0)
    device.client.apply(request)
    wait_until(lambda: device.live_stamp() == "old", what="the watchdog has undone the change")
    with pytest.raises(Reverted, match="undone: nobody confirmed it before its deadline"):
        device.client.confirm(decide(request.id))
    assert device.client.facts(device.REQUEST).generation == 0


def test_confirmation_fails_when_bird_is_back_on_the_old_configuration(device: LabDevice) -> None:
    """Somebody's ``configure`` in the window took the change away: facts tell so, and confirming, which undoes the rest."""
    before = device.owned()
    request = device.change(new_configuration(device, "new"), *adds(*ITEMS), check=UP)
    device.client.apply(request)
    device.namespace.birdc("configure")
    pending = device.client.facts(device.REQUEST).pending
    assert pending is not None
    assert pending.replaced
    with pytest.raises(Reverted, match="no longer the one that was applied"):
        device.client.confirm(decide(request.id))
    assert device.owned() == before


def test_confirming_twice_is_harmless(device: LabDevice) -> None:
    """A controller that lost the first answer may ask again."""
    request = device.change(new_configuration(device, "new"))
    device.client.apply(request)
    first = device.client.confirm(decide(request.id))
    assert device.client.confirm(decide(request.id)).generation == first.generation


def test_change_of_the_base_is_refused(device: LabDevice) -> None:
    """A plan is not applied to a device that somebody changed since it was made."""
    request = device.change(new_configuration(device, "new"))
    device.namespace.path("/etc/bird/bird.conf").write_text(configuration("by hand"))
    with pytest.raises(DeviceError, match="has changed since the plan was made"):
        device.client.apply(request)
    assert device.live_stamp() == "old"


def test_second_change_waits_for_the_first(device: LabDevice) -> None:
    """While one change is pending another is refused, with the name of its author."""
    request = device.change(new_configuration(device, "new"))
    device.client.apply(request)
    with pytest.raises(Locked, match="change change-1 by alice@control waits for its confirmation"):
        device.client.apply(device.change(new_configuration(device, "newer")))


def test_closed_session_tells_its_neighbour_why(device: LabDevice) -> None:
    """The message reaches the neighbour, whatever is in it, and closes that session only."""
    hostile = 'drained"; disable all; "' + "\n" + "x" * 300
    request = device.change(Operation("add", ClosedSessionItem("northtel_v4", hostile)))
    device.client.apply(request)
    wait_until(
        lambda: "drained'; disable all; ' xxx" in device.neighbour.birdc("show protocols all pop"),
        what="the neighbour has the message",
    )
    states = {p.name: p.state for p in device.client.facts(device.REQUEST).daemon.protocols}
    assert (states["northtel_v4"], states["absent_v4"]) == ("down", "start")


def test_session_named_like_a_keyword_is_not_taken_for_one(device: LabDevice) -> None:
    """Closing a session called ``all`` that does not exist closes none."""
    request = device.change(Operation("add", ClosedSessionItem("all", "no")))
    device.client.apply(request)
    assert device.is_established()


def test_reopened_session_comes_back(device: LabDevice) -> None:
    """Removing a closed session without a new configuration lets it start again."""
    device.namespace.birdc("disable northtel_v4")
    facts = device.client.facts(device.REQUEST)
    assert ClosedSessionItem("northtel_v4") in facts.items
    closed = ClosedSessionItem("northtel_v4")
    request = device.change(Operation("remove", closed, closed), check=UP)
    device.client.apply(request)
    assert device.is_established()


def test_session_over_its_limit_is_not_closed_by_anyone(device: LabDevice) -> None:
    """A session that BIRD shut down over a prefix limit is down with its reason, and no closed session."""
    text = configuration("old").replace(
        "import all; export all;", "import all; export all; import limit 5 action disable;"
    )
    device.namespace.path("/etc/bird/bird.conf").write_text(text)
    device.namespace.birdc("configure")
    wait_until(lambda: "down" in device.namespace.birdc("show protocols northtel_v4"), what="the limit is hit")
    facts = device.client.facts(device.REQUEST)
    session = facts.protocol("northtel_v4")
    assert session is not None
    assert (session.bgp_state, session.info) == ("Down", "Automatic shutdown: Route limit exceeded")
    assert ClosedSessionItem("northtel_v4") not in facts.items


def test_short_and_full_facts_of_a_session_agree(device: LabDevice) -> None:
    """What is told of every protocol in short is the same as in the full report."""
    device.namespace.birdc("disable northtel_v4")
    short = device.client.facts(device.REQUEST).daemon.protocols
    full = device.client.facts(replace(device.REQUEST, wants=("protocols",))).daemon.protocols
    for few, many in zip(short, full, strict=True):
        assert (few.name, few.protocol, few.table, few.state) == (many.name, many.protocol, many.table, many.state)
        assert (few.since, few.bgp_state) == (many.since, many.bgp_state)


def test_foreign_items_are_left_alone(device: LabDevice) -> None:
    """Removing what is not netorch's takes nothing away."""
    device.namespace.run("ip", "address", "add", "192.0.2.99/32", "dev", "lo")
    item = AddressItem("lo", ip_interface("192.0.2.99/32"))
    request = device.change(Operation("remove", item, item))
    device.client.apply(request)
    assert "192.0.2.99" in device.namespace.run("ip", "address", "show", "dev", "lo")


def test_adopted_items_go_back_to_their_owner(device: LabDevice) -> None:
    """A permanent neighbour of somebody else's is replaced with a note, and put back as it was by a revert."""
    device.namespace.run("ip", "neigh", "add", "203.0.113.1", "lladdr", "02:00:00:00:00:99", "dev", "eth0")
    before = device.owned()
    neighbour = NeighbourItem("eth0", ip_address("203.0.113.1"), Mac("02:00:00:00:00:01"))
    request = device.change(*adds(neighbour))
    answer = device.client.apply(request)
    assert answer.notes == (
        "neighbour 203.0.113.1 on eth0 was there already, not netorch's (02:00:00:00:00:99); it is netorch's now",
    )
    device.client.revert(decide(request.id))
    assert device.owned() == before
