"""Echo requests of the agent, by mark and table, against a real neighbour."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from netorch.model.request import PingRequest
from tests.lab.agent_device import LabDevice

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def device() -> Iterator[LabDevice]:
    """Mark 1001 leads to the neighbour, mark 1002 nowhere; the neighbour answers for 198.51.0.1 and 2001:db8:f::1."""
    lab = LabDevice()
    try:
        for address in ("198.51.0.1/32", "2001:db8:f::1/128"):
            lab.neighbour.run("ip", "address", "add", address, "dev", "lo")
        lab.namespace.run("ip", "address", "add", "2001:db8:a::1/64", "dev", "eth0", "nodad")
        lab.neighbour.run("ip", "address", "add", "2001:db8:a::2/64", "dev", "eth0", "nodad")
        lab.namespace.run("ip", "route", "add", "198.51.0.0/16", "via", "10.0.0.2", "table", "1001")
        lab.namespace.run("ip", "-6", "route", "add", "2001:db8:f::/48", "via", "2001:db8:a::2", "table", "1001")
        for family in ("-4", "-6"):
            lab.namespace.run("ip", family, "rule", "add", "fwmark", "1001", "lookup", "1001")
        yield lab
    finally:
        lab.close()


@pytest.mark.parametrize("destination", ["198.51.0.1", "2001:db8:f::1"])
def test_each_mark_takes_its_own_table(device: LabDevice, destination: str) -> None:
    """The mark with a route is answered, the one without says so, in one request."""
    request = PingRequest(ip_address(destination), (1001, 1002), count=3, interval_s=0.05, timeout_s=2.0)
    answered, unreachable = device.client.ping(request).series
    assert answered.mark == 1001
    assert all(rtt is not None and 0 < rtt < 2000 for rtt in answered.rtts_ms)
    assert len(answered.rtts_ms) == 3
    assert (unreachable.mark, unreachable.error) == (1002, "Network is unreachable")


@pytest.mark.parametrize("destination", ["198.51.0.1", "2001:db8:f::1"])
def test_a_detour_is_no_answer(device: LabDevice, destination: str) -> None:
    """When the main table has a route that the mark's own lacks, nothing is sent by it, and the reason is told."""
    via = "2001:db8:a::2" if ":" in destination else "10.0.0.2"
    device.namespace.run("ip", "route", "add", destination, "via", via)
    try:
        request = PingRequest(ip_address(destination), (1001, 1002), count=1, timeout_s=2.0)
        answered, detoured = device.client.ping(request).series
    finally:
        device.namespace.run("ip", "route", "del", destination, "via", via)
    assert answered.error == ""
    assert (detoured.rtts_ms, detoured.error) == ((), "no route through this provider")


def test_lost_packets_are_none(device: LabDevice) -> None:
    """What is not answered in time is reported as lost, not left out."""
    request = PingRequest(ip_address("198.51.0.99"), (1001,), count=2, interval_s=0.05, timeout_s=0.3)
    (series,) = device.client.ping(request).series
    assert (series.rtts_ms, series.error) == ((None, None), "")


def test_source_is_the_one_asked_for(device: LabDevice) -> None:
    """A source that the device does not have is an error of the kernel's, not an echo from elsewhere."""
    request = PingRequest(ip_address("198.51.0.1"), (1001,), source=ip_address("192.0.2.77"), count=1)
    (series,) = device.client.ping(request).series
    assert (series.rtts_ms, series.error) == ((), "Cannot assign requested address")
