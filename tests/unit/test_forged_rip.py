"""tests/lab/forged_rip.py speaks RIP as routers read it: who refuses what it says does not refuse garbage."""

from __future__ import annotations

from ipaddress import ip_network

from tests.lab import forged_rip


def test_rip_is_laid_out_as_routers_read_it() -> None:
    """RFC 2453 section 4: a header of 4 bytes, then one entry of 20."""
    packet = forged_rip.response(ip_network("172.16.20.0/24"))
    assert packet[0:1] == b"\x02"  # a response
    assert packet[1:2] == b"\x02"  # version 2
    assert packet[2:4] == b"\x00\x00"
    assert packet[4:6] == b"\x00\x02"  # addresses of IP
    assert packet[6:8] == b"\x00\x00"  # no tag
    assert packet[8:12] == bytes([172, 16, 20, 0])
    assert packet[12:16] == bytes([255, 255, 255, 0])
    assert packet[16:20] == bytes(4)  # the next hop is the sender
    assert packet[20:24] == b"\x00\x00\x00\x05"  # the metric, below 16
    assert len(packet) == 24


def test_ripng_is_laid_out_as_routers_read_it() -> None:
    """RFC 2080 section 2.1: a header of 4 bytes, then one entry of 20."""
    packet = forged_rip.response(ip_network("fd00:20::/64"))
    assert packet[0:1] == b"\x02"  # a response
    assert packet[1:2] == b"\x01"  # version 1
    assert packet[2:4] == b"\x00\x00"
    assert packet[4:20] == bytes([0xFD, 0x00, 0x00, 0x20]) + bytes(12)
    assert packet[20:22] == b"\x00\x00"  # no tag
    assert packet[22:23] == bytes([64])  # the prefix length
    assert packet[23:24] == b"\x05"  # the metric, below 16
    assert len(packet) == 24
