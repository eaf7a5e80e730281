"""Echo requests of the agent, by mark and table, against a real neighbour."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from netorch.model.request import PingBatch, PingRequest, PingWatch, PingWay
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


def test_what_took_another_table_is_told_neither_as_sent_nor_as_lost(device: LabDevice) -> None:
    """A rule that goes while packets are sent ends them with a reason, although they would be answered; back, they go on."""
    target, rule = "198.51.0.1", ("fwmark", "1001", "lookup", "1001")
    batches: list[PingBatch] = []
    device.namespace.run("ip", "route", "add", target, "via", "10.0.0.2")

    done: list[str] = []

    def interfere(batch: PingBatch) -> None:
        batches.append(batch)
        is_gone = any(reason for _, _, reason in batch.changes)
        action = "add" if is_gone else "del" if batch.samples and not done else ""
        if action:
            device.namespace.run("ip", "rule", action, *rule)
            done.append(action)

    try:
        device.client.watch_pings(PingWatch((PingWay(ip_address(target), 1001),), 200, 0.01), interfere)
    finally:
        device.namespace.run("ip", "route", "del", target, "via", "10.0.0.2")
    assert done == ["del", "add"]
    changes = [change for batch in batches for change in batch.changes]
    samples = [sample for batch in batches for sample in batch.samples]
    assert [reason for _, _, reason in changes] == ["no route through this provider", ""]
    gone_ms, back_ms = (at_ms for _, at_ms, _ in changes)
    assert not [sent_ms for _, sent_ms, _ in samples if gone_ms < sent_ms < back_ms]
    assert [sent_ms for _, sent_ms, _ in samples if sent_ms > back_ms]
    assert all(rtt_ms is not None for _, _, rtt_ms in samples)


@pytest.mark.parametrize("destination", ["198.51.0.1", "2001:db8:f::1"])
def test_a_closed_port_answers_too(device: LabDevice, destination: str) -> None:
    """Each connection is a packet and a time; the way without a route says so."""
    ways = (PingWay(ip_address(destination), 1001), PingWay(ip_address(destination), 1002))
    batches: list[PingBatch] = []
    device.client.watch_pings(PingWatch(ways, 5, 0.02, tcp_port=81), batches.append)
    samples = [sample for batch in batches for sample in batch.samples]
    assert [way for way, _, _ in samples] == [0] * 5
    assert all(rtt_ms is not None and rtt_ms > 0 for _, _, rtt_ms in samples)
    assert [(way, reason) for batch in batches for way, _, reason in batch.changes] == [(1, "Network is unreachable")]


def test_a_connection_that_nobody_answers_is_lost(device: LabDevice) -> None:
    """Before the kernel repeats what opens it: a later answer would be one to another packet."""
    batches: list[PingBatch] = []
    way = PingWay(ip_address("198.51.0.99"), 1001)
    device.client.watch_pings(PingWatch((way,), 2, 0.05, timeout_s=5.0, tcp_port=81), batches.append)
    assert [rtt_ms for batch in batches for _, _, rtt_ms in batch.samples] == [None, None]
    assert batches[-1].at_ms < 5000
