"""The agent on Debian 12's PyPy, which is a Python 3.9, the oldest that devices may have: a transaction from first to last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from netorch.model.items import (
    AddressItem,
    AliasItem,
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
from netorch.model.request import DecideRequest
from netorch.model.types import Family, Mac
from tests.lab.agent_device import LabDevice, bird_file, changed, configuration, install_program, systemd_device
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

ITEMS: tuple[Item, ...] = (
    SysctlItem("net.ipv4.conf.eth0.rp_filter", "2"),
    AddressItem("lo", ip_interface("192.0.2.11/32")),
    RuleItem(Family.IPV6, 1001, 1001, 1001),
    OverlayItem(OverlayEntry("routes/edge@h1.pop1", 1, "routes", ("h1.pop1",), "ann", 1000.0, data={"routes": []})),
    AliasItem("eth0", "uplink"),
    NeighbourItem("eth0", ip_address("203.0.113.1"), Mac("02:00:00:00:00:01")),
    PeerItem("eth0", ip_address("10.0.0.1"), ip_address("203.0.113.1")),
    RouteItem(ip_network("2001:db8:c::1/128"), "eth0"),
)


SHIM = """
import ctypes, gc, os, runpy, socket, sys

libc = ctypes.CDLL(None, use_errno=True)

def called(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

def if_indextoname(index):
    name = ctypes.create_string_buffer(16)
    if not libc.if_indextoname(index, name):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return name.value.decode()

def if_nametoindex(name):
    return libc.if_nametoindex(name.encode()) or called(-1)

socket.if_indextoname, socket.if_nametoindex = if_indextoname, if_nametoindex
socket.SO_MARK, socket.SO_BINDTODEVICE, socket.SO_RCVBUFFORCE = 36, 25, 33
gc.set_threshold = lambda *_: None
os.pidfd_open = lambda pid, flags=0: called(libc.syscall(434, pid, flags))
sys.executable = "/usr/local/sbin/python3"
words = [word for word in sys.argv[1:] if word not in ("-I", "-S")]
if words[0] == "-c":
    sys.argv = ["-c", *words[2:]]
    exec(compile(words[1], "<string>", "exec"), {"__name__": "__main__"})
else:
    sys.argv = words
    runpy.run_path(words[0], run_name="__main__")
"""
"""Puts in what CPython 3.9's standard library has and PyPy's lacks, as far as a transaction needs it."""


@pytest.fixture
def device() -> Iterator[LabDevice]:
    with systemd_device() as lab:
        install_program(lab, "python39.py", SHIM)
        install_program(lab, "python3", '#!/bin/sh\nexec /usr/bin/pypy3 -I -S /usr/local/sbin/python39.py "$@"\n')
        # Debian 12's is Python 3.9; later Debians have none so old, and run what their pypy3 is.
        said = lab.namespace.run(
            "python3", "-c", "import sys; print(sys.implementation.name, sys.version_info >= (3, 9))"
        )
        assert said == "pypy True\n", "expected Debian's pypy3: ./dev setup installs it"
        yield lab


def change(device: LabDevice, stamp: str, *items: Item, confirm_timeout_s: float = 30.0) -> DecideRequest:
    """Apply another configuration and these items; whom to confirm it to."""
    before = bird_file(device.namespace.path("/etc/bird/bird.conf").read_text())
    operations = (*(Operation("add", item) for item in items), changed(before, bird_file(configuration(stamp))))
    check = Check(up=("northtel_v4",), timeout_s=10.0)
    request = device.change(*operations, check=check, confirm_timeout_s=confirm_timeout_s)
    assert device.client.apply(request).outcome == "pending"
    return DecideRequest(request.id, "ann@control")


def test_a_change_is_applied_and_confirmed(device: LabDevice) -> None:
    """Every kind of item, read back as it was asked for; what is live is proven."""
    assert device.client.confirm(change(device, "new", *ITEMS)).outcome == "confirmed"
    wants = ("neighbours", "links", "protocols", "route_counts")
    facts = device.client.facts(replace(device.REQUEST, wants=wants))
    kept = [item for item in ITEMS if not isinstance(item, OverlayItem)]
    assert [item for item in kept if item not in facts.items] == []
    assert [entry.id for entry in facts.overlay] == ["routes/edge@h1.pop1"]
    assert (facts.daemon.live_stamp, facts.daemon.disk_stamp, facts.generation) == ("new", "new", 1)
    found = facts.protocol("northtel_v4")
    assert found is not None
    assert found.bgp_state == "Established"


def test_a_change_is_undone(device: LabDevice) -> None:
    """By request, and by the watchdog where nobody confirms: what was before is back."""
    before = device.owned()
    device.client.revert(change(device, "new", *ITEMS))
    assert device.owned() == before
    change(device, "newer", *ITEMS, confirm_timeout_s=5.0)
    wait_until(lambda: device.live_stamp() == "old", what="the watchdog has undone it")
    wait_until(lambda: device.client.facts(device.REQUEST).pending is None, what="nothing is pending")
    assert device.owned() == before
