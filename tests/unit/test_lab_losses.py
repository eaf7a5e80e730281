"""Which packets the lab's lines lose."""

from __future__ import annotations

import random
import struct
from ipaddress import ip_address

import pytest

from netorch.lab.inside.delay import STRATUM, Losses, flow_of

SEED = 7


def echo(identifier: int, *, source: str = "192.0.2.11", target: str = "198.51.100.1") -> bytes:
    """An ICMP echo request of either family."""
    first, second = ip_address(source), ip_address(target)
    body = struct.pack("!BBHHH", 8 if first.version == 4 else 128, 0, 0, identifier, 1)
    if first.version == 4:
        return struct.pack("!BBHHHBBH", 0x45, 0, 28, 1, 0x4000, 64, 1, 0) + first.packed + second.packed + body
    return struct.pack("!IHBB", 6 << 28, len(body), 58, 64) + first.packed + second.packed + body


def tcp(source_port: int, port: int, *, flags: int) -> bytes:
    addresses = ip_address("192.0.2.11").packed + ip_address("198.51.100.1").packed
    head = struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0x4000, 64, 6, 0) + addresses
    return head + struct.pack("!HHIIBBHHH", source_port, port, 0, 0, 5 << 4, flags, 0, 0, 0)


@pytest.mark.parametrize("source", ["192.0.2.11", "2001:db8:1::11"])
@pytest.mark.parametrize("percent", [0, 1, 5, 33, 100])
def test_each_hundred_loses_what_is_configured(percent: int, source: str) -> None:
    """Exactly so many of every hundred packets, in both families."""
    losses, target = Losses(percent / 100, SEED), str(ip_address(source) + 1)
    packet = echo(1, source=source, target=target)
    for _ in range(20):
        assert sum(losses.takes(packet) for _ in range(STRATUM)) == percent


def test_fractions_add_up() -> None:
    """Of 0.3 % three of a thousand are lost, not none."""
    losses = Losses(0.003, SEED)
    assert sum(losses.takes(echo(1)) for _ in range(10_000)) == 30


def test_other_packets_change_nothing() -> None:
    """However many packets of others pass in between, each of two pings loses its own share."""
    losses, draw = Losses(0.05, SEED), random.Random(1)
    lost = {1: 0, 2: 0}
    sent = dict.fromkeys(lost, 0)
    while min(sent.values()) < 2000:
        identifier = draw.choice((1, 2, 3))
        gone = (
            losses.takes(echo(identifier))
            if identifier != 3
            else losses.takes(tcp(draw.randrange(65536), 179, flags=16))
        )
        if identifier != 3 and sent[identifier] < 2000:
            sent[identifier] += 1
            lost[identifier] += gone
    assert lost == {1: 100, 2: 100}


def test_places_are_random() -> None:
    """Where packets are lost differs from hundred to hundred and from flow to flow: no rhythm that a sender could meet."""
    losses = Losses(0.05, SEED)
    places = {tuple(losses.takes(echo(flow)) for _ in range(STRATUM)) for flow in (1, 2) for _ in range(10)}
    assert len(places) == 20


def test_same_seed_same_fate() -> None:
    """Two runs of the same packets lose the same ones."""
    first, second = (Losses(0.05, SEED) for _ in range(2))
    assert [first.takes(echo(1)) for _ in range(500)] == [second.takes(echo(1)) for _ in range(500)]


def test_connections_to_one_port_are_one_flow() -> None:
    """Whatever port they come from; their first packets apart from the rest, which pings of TCP do not count."""
    assert flow_of(tcp(40000, 80, flags=2)) == flow_of(tcp(40001, 80, flags=2))
    assert flow_of(tcp(40000, 80, flags=2)) != flow_of(tcp(40000, 80, flags=4))
    assert flow_of(tcp(40000, 80, flags=2)) != flow_of(tcp(40000, 81, flags=2))


@pytest.mark.parametrize("length", range(20, 41))
def test_packet_that_is_cut_has_its_flow(length: int) -> None:
    """Headers that end early, or belong to a later fragment, are no reason to stop."""
    assert len(flow_of(tcp(40000, 80, flags=2)[:length])) >= 9
    assert flow_of(echo(1)[:6] + b"\0\1" + echo(1)[8:]) == flow_of(echo(2)[:6] + b"\0\1" + echo(2)[8:])
