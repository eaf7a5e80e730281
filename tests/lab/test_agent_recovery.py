"""What the device does by itself after a restart, and when somebody else lays hands on it while a change waits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from netorch.errors import DeviceError, Reverted
from netorch.model.items import (
    AddressItem,
    AliasItem,
    FileItem,
    Item,
    NeighbourItem,
    PeerItem,
    RouteItem,
    RuleItem,
    SysctlItem,
)
from netorch.model.plan import Check, Operation
from netorch.model.request import ApplyRequest, DecideRequest
from netorch.model.types import Family, Mac
from tests.lab.agent_device import BIRD_CONF, LabDevice, bird_file, changed, configuration
from tests.lab.test_agent_faults import Applying, agent_pid
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

STATE = "/var/lib/netorch"
LOAD = changed(bird_file(configuration("old")), bird_file(configuration("new")))
ITEMS: tuple[Item, ...] = (
    SysctlItem("net.ipv4.conf.eth0.rp_filter", "2"),
    AddressItem("lo", ip_interface("192.0.2.11/32")),
    AddressItem("lo", ip_interface("2001:db8:1::11/128")),
    RuleItem(Family.IPV4, 1001, 1001, 1001),
    AliasItem("eth0", "uplink to sw1"),
    NeighbourItem("eth0", ip_address("203.0.113.1"), Mac("02:00:00:00:00:01")),
    PeerItem("eth0", ip_address("10.0.0.1"), ip_address("203.0.113.1")),
    RouteItem(ip_network("2001:db8:c::1/128"), "eth0"),
)
ADDS = tuple(Operation("add", item) for item in ITEMS)
FORGET = """
ip address del 192.0.2.11/32 dev lo
ip address del 2001:db8:1::11/128 dev lo
ip address del 10.0.0.1 peer 203.0.113.1 dev eth0
ip rule del priority 1001
ip -6 route del 2001:db8:c::1/128 dev eth0
ip neigh del 203.0.113.1 dev eth0
ip link set dev eth0 alias ""
echo 0 > /proc/sys/net/ipv4/conf/eth0/rp_filter
"""
"""What a restart of the machine does to the kernel's state."""


def applied(device: LabDevice, *operations: Operation, confirm_timeout_s: float = 120.0) -> ApplyRequest:
    request = device.change(*operations, confirm_timeout_s=confirm_timeout_s)
    device.client.apply(request)
    return request


def confirmed(device: LabDevice, *operations: Operation) -> None:
    device.client.confirm(DecideRequest(applied(device, *operations).id, "alice@control"))


def run_boot_unit(device: LabDevice) -> dict[str, object]:
    """What the boot unit runs, and what it says."""
    said = device.namespace.run("python3", "-I", "-S", f"{STATE}/boot", "recover")
    return dict(json.loads(said))


def restart_bird(device: LabDevice) -> None:
    device.bird = device.namespace.restart_bird(device.bird)


def test_boot_gives_the_kernel_back_what_was_confirmed(device: LabDevice) -> None:
    """Addresses, rules, neighbours, next hops, aliases and sysctls are there again without the controller."""
    confirmed(device, LOAD, *ADDS)
    before = device.owned()
    device.namespace.run("sh", "-ec", FORGET)
    lost = {item.key for item in ITEMS} - {item.key for item in device.client.facts(device.REQUEST).items}
    assert len(lost) == len(ITEMS) - 1, "a sysctl is always there, with another value"
    assert run_boot_unit(device)["notes"] == []
    assert device.owned() == before


def test_boot_undoes_what_nobody_can_confirm_any_more(device: LabDevice) -> None:
    """Long before its deadline a pending change is gone, what was confirmed before it is back, and the reason is told."""
    confirmed(device, *ADDS)
    before = device.owned()
    other = SysctlItem("net.ipv4.conf.eth0.rp_filter", "1")
    request = applied(device, LOAD, changed(ITEMS[0], other))
    device.namespace.run("sh", "-ec", FORGET)
    restart_bird(device)
    (note,) = run_boot_unit(device)["notes"]  # type: ignore[misc]
    assert note == f"change {request.id} was undone: the machine was restarted before it was confirmed"
    wait_until(device.is_established, what="the session is back")
    assert device.owned() == before
    with pytest.raises(Reverted, match="the machine was restarted"):
        device.client.confirm(DecideRequest(request.id, "alice@control"))


def test_restart_between_confirmation_and_rename_ends_on_the_confirmed_state(device: LabDevice) -> None:
    """The journal says confirmed, the file is the old one, BIRD came back with it: afterwards both are new."""
    request = applied(device, LOAD)
    folder = f"{STATE}/pending/{request.id}"
    journal = device.namespace.path(f"{folder}/journal.json")
    journal.write_text(json.dumps({**json.loads(journal.read_text()), "phase": "confirmed"}))
    restart_bird(device)
    wait_until(lambda: device.live_stamp() == "old", what="BIRD is back with the file on disk")
    run_boot_unit(device)
    facts = device.client.facts(device.REQUEST)
    assert (facts.generation, facts.daemon.live_stamp, facts.daemon.disk_stamp) == (1, "new", "new")


def test_missing_interface_delays_but_does_not_stop_recovery(device: LabDevice) -> None:
    """What belongs to an interface that is gone is named; the rest is put back."""
    confirmed(device, *ADDS)
    device.namespace.run("ip", "link", "set", "eth0", "name", "eth9")
    device.namespace.run("ip", "address", "del", "192.0.2.11/32", "dev", "lo")
    notes = run_boot_unit(device)["notes"]
    assert any("neighbour 203.0.113.1 on eth0" in note for note in notes)  # type: ignore[attr-defined]
    assert "192.0.2.11" in device.namespace.run("ip", "address", "show", "dev", "lo")


def test_file_edited_while_the_change_waits_is_set_aside(device: LabDevice) -> None:
    """Confirming is refused, the last good file is back on disk and live, and the other's text is kept beside it."""
    request = applied(device, LOAD)
    path = device.namespace.path(BIRD_CONF)
    path.write_text(configuration("by hand"))
    with pytest.raises(Reverted, match=rf"{BIRD_CONF} was changed by somebody else while the change waited"):
        device.client.confirm(DecideRequest(request.id, "alice@control"))
    assert device.live_stamp() == "old"
    assert path.read_text() == configuration("old")
    assert device.namespace.path(f"{BIRD_CONF}.set-aside").read_text() == configuration("by hand")


def test_broken_file_and_a_reload_do_not_keep_the_change(device: LabDevice) -> None:
    """A reload of garbage disarms BIRD's own timer; the watchdog brings the last good one back, in memory and on disk."""
    applied(device, LOAD, confirm_timeout_s=2.0)
    path = device.namespace.path(BIRD_CONF)
    path.write_text("garbage")
    assert "syntax error" in device.namespace.run("sh", "-c", "birdc configure || true")
    assert device.live_stamp() == "new"
    wait_until(lambda: device.live_stamp() == "old", what="the last good one is live", timeout_s=12.0)
    wait_until(lambda: path.read_text() == configuration("old"), what="and on disk")


def test_reload_during_the_checks_is_told(device: LabDevice) -> None:
    """A SIGHUP while checks run loads the old file: the apply itself fails and says so."""
    check = Check(up=("northtel_v4",), prefix_drop_percent=50.0, settle_s=3.0, timeout_s=10.0)
    applying = Applying(device, device.change(LOAD, check=check))
    wait_until(lambda: device.live_stamp() == "new", what="the change is live")
    os.kill(device.bird, signal.SIGHUP)
    wait_until(lambda: device.live_stamp() == "old", what="the reload has happened")
    applying.wait()
    assert isinstance(applying.error, Reverted)
    assert "somebody reloaded or restarted BIRD" in applying.error.message


def test_stored_generation_holds_everything(device: LabDevice) -> None:
    """A generation whose change touched the kernel only still has the file of the one before, and what was removed is gone."""
    confirmed(device, LOAD, *ADDS)
    confirmed(device, Operation("remove", ITEMS[3], ITEMS[3]))
    stored = device.client.generation(2)
    assert (stored.generation.number, stored.generation.author) == (2, "alice@control")
    (file,) = [item for item in stored.items if isinstance(item, FileItem)]
    assert (file.path, file.text) == (BIRD_CONF, configuration("new"))
    kernel = {item for item in stored.items if not isinstance(item, FileItem)}
    assert kernel == set(ITEMS) - {ITEMS[3]}
    confirmed_items = device.client.facts(device.REQUEST).confirmed
    assert confirmed_items is not None
    assert set(confirmed_items.items) == kernel
    with pytest.raises(DeviceError, match="generation 7 is not kept here: 1 to 2 are"):
        device.client.generation(7)


def test_generations_beyond_the_wanted_number_go(device: LabDevice) -> None:
    """The oldest one goes once there are more than the change says."""
    for number in range(3):
        request = replace(device.change(changed(ITEMS[1], ITEMS[1])), keep_generations=2, id=f"kept-{number}")
        device.client.apply(request)
        device.client.confirm(DecideRequest(request.id, "alice@control"))
    assert [generation.number for generation in device.client.history()] == [3, 2]


def test_watchdog_ends_the_holder_and_nobody_else(device: LabDevice) -> None:
    """A process that only stands in the lock's file, as one that got a dead holder's number does, is left alone."""
    check = Check(up=("absent_v4",), timeout_s=2.0)
    applying = Applying(device, device.change(LOAD, check=check, confirm_timeout_s=1.0))
    wait_until(lambda: device.live_stamp() == "new", what="the change is live")
    holder = agent_pid(device)
    with subprocess.Popen(device.namespace.enter("sleep", "300")) as bystander:
        try:
            lock = device.namespace.path(f"{STATE}/lock")
            lock.write_text(json.dumps({**json.loads(lock.read_text()), "pid": bystander.pid}))
            os.kill(holder, signal.SIGSTOP)
            applying.wait()
            wait_until(lambda: device.live_stamp() == "old", what="the change is undone", timeout_s=12.0)
            assert bystander.poll() is None
        finally:
            bystander.kill()


def test_state_is_for_root_alone(device: LabDevice) -> None:
    """No file or folder of the state can be read by others, also where the folder was there before."""
    device.namespace.run("mkdir", "-p", "-m", "755", STATE)
    confirmed(device, LOAD, *ADDS)
    applied(device, changed(bird_file(configuration("new")), bird_file(configuration("newer"))))
    names = device.namespace.run("find", STATE, "-type", "l", "-o", "-perm", "/077", "-print").split()
    assert names == []
    candidate = device.namespace.path("/etc/bird/.bird.conf.netorch").stat().st_mode
    assert candidate & 0o777 == 0o640


def test_damaged_journal_is_told(device: LabDevice) -> None:
    """A journal that lost its content is an error with its path, not a change that is forgotten."""
    request = applied(device, LOAD)
    device.namespace.path(f"{STATE}/pending/{request.id}/journal.json").write_text("")
    with pytest.raises(DeviceError, match=r"pending/change-1/journal.json is damaged"):
        device.client.facts(device.REQUEST)
