"""Kernel events read by hand: they are those that pyroute2 reads, and garbage harms nobody."""

from __future__ import annotations

import os
import socket
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink import nlmsg
from pyroute2.netlink.rtnl import RTM_DELNEIGH, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWNEIGH, RTM_NEWROUTE
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import NUD_PERMANENT, NUD_VALUES, ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from netorch.io.netlink.events import (
    AddressEvent,
    EventSocket,
    LinkEvent,
    NeighbourEvent,
    RouteEvent,
    events_in,
)
from netorch.io.netlink.neighbour_writer import neighbour_message

addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(
    lambda address: socket.inet_ntop(socket.AF_INET if address.version == 4 else socket.AF_INET6, address.packed)
)
macs = st.binary(min_size=6, max_size=6).map(lambda data: data.hex(":"))
states = st.sampled_from([state for state, name in NUD_VALUES.items() if name not in ("NUD_NOARP", "NUD_NONE")])


def family_of(address: str) -> int:
    return int(socket.AF_INET6 if ":" in address else socket.AF_INET)


def encoded(made: nlmsg, kind: int, **fields: Any) -> bytes:
    """A message of pyroute2's on the wire."""
    made["header"].update(type=kind, flags=0, sequence_number=1, pid=0)
    made.update(fields)
    made.encode()
    return bytes(made.data)


def neighbour(address: str, mac: str, *, state: int = NUD_PERMANENT, kind: int = RTM_NEWNEIGH) -> bytes:
    made = ndmsg()
    made["attrs"] = [["NDA_DST", address], ["NDA_LLADDR", mac], ["NDA_PROTOCOL", 110]]
    return encoded(made, kind, family=family_of(address), ifindex=7, state=state)


@given(addresses, macs, states, st.booleans())
def test_neighbour_is_read_as_pyroute2_wrote_it(address: str, mac: str, state: int, is_gone: bool) -> None:
    """Address, MAC, state, protocol and interface."""
    data = neighbour(address, mac, state=state, kind=RTM_DELNEIGH if is_gone else RTM_NEWNEIGH)
    (event,) = events_in(data)
    assert isinstance(event, NeighbourEvent)
    assert (event.index, event.address, event.mac, event.protocol) == (7, address, mac, 110)
    assert (event.state, event.is_gone) == (NUD_VALUES[state][4:].lower(), is_gone)


@given(st.ip_addresses(v=4).map(str), st.ip_addresses(v=4).map(str))
def test_address_pair_is_read_as_pyroute2_wrote_it(local: str, peer: str) -> None:
    """A pair has a peer; an address alone has none."""
    made = ifaddrmsg()
    made["attrs"] = [["IFA_LOCAL", local], ["IFA_ADDRESS", peer], ["IFA_PROTO", 110]]
    (event,) = events_in(encoded(made, RTM_NEWADDR, family=2, prefixlen=32, index=7))
    assert isinstance(event, AddressEvent)
    assert (event.index, event.local, event.peer) == (7, local, peer if peer != local else None)
    assert (event.protocol, event.is_gone) == (110, False)


@given(addresses, st.integers(1, 255))
def test_route_is_read_as_pyroute2_wrote_it(address: str, protocol: int) -> None:
    """Prefix, interface and protocol of a device route."""
    made = rtmsg()
    made["attrs"] = [["RTA_DST", address], ["RTA_OIF", 7]]
    length = 128 if ":" in address else 32
    (event,) = events_in(
        encoded(made, RTM_NEWROUTE, family=family_of(address), dst_len=length, table=254, proto=protocol)
    )
    assert isinstance(event, RouteEvent)
    assert (event.index, event.prefix, event.protocol) == (7, f"{address}/{length}", protocol)


@given(macs, st.booleans())
def test_link_is_read_as_pyroute2_wrote_it(mac: str, up: bool) -> None:
    """Name, number, MAC and whether it is up."""
    made = ifinfmsg()
    made["attrs"] = [["IFLA_IFNAME", "eth0"], ["IFLA_ADDRESS", mac]]
    (event,) = events_in(encoded(made, RTM_NEWLINK, index=7, flags=int(up)))
    assert isinstance(event, LinkEvent)
    assert (event.index, event.name, event.mac, event.up, event.is_gone) == (7, "eth0", mac, up, False)


def test_port_that_leaves_a_bridge_has_not_gone() -> None:
    """What a bridge tells of its ports is no news of interfaces."""
    made = ifinfmsg()
    made["attrs"] = [["IFLA_IFNAME", "eth0"]]
    assert events_in(encoded(made, RTM_NEWLINK, index=7, family=socket.AF_BRIDGE)) == []


def test_link_address_of_another_length_is_no_mac() -> None:
    """A neighbour of a tunnel has no MAC."""
    body = neighbour_message(7, "203.0.113.1", state=2, flags=0, attributes=struct.pack("=HHI", 8, 2, 1))
    (event,) = events_in(struct.pack("=IHHII", 16 + len(body), RTM_NEWNEIGH, 0, 1, 0) + body)
    assert isinstance(event, NeighbourEvent)
    assert event.mac is None


@given(st.lists(st.tuples(addresses, macs), max_size=5), st.integers(0, 400))
def test_cut_data_gives_the_whole_messages_before_the_cut(entries: list[tuple[str, str]], cut: int) -> None:
    """What is cut off is left out, what came before it is read."""
    messages = [neighbour(address, mac) for address, mac in entries]
    data = b"".join(messages)[:cut]
    whole, used = 0, 0
    for message in messages:
        used += len(message)
        whole += used <= cut
    assert len(events_in(data)) == whole


@given(st.binary(max_size=300))
def test_garbage_is_harmless(data: bytes) -> None:
    """Lengths that lie and attributes that are none end the reading, and raise nothing."""
    events_in(data)
    events_in(struct.pack("=IHHII", 16 + len(data), RTM_NEWNEIGH, 0, 0, 0) + data)
    events_in(struct.pack("=IHHII", 16 + len(data), RTM_NEWLINK, 0, 0, 0) + data)


@given(addresses, macs)
def test_message_by_hand_is_pyroute2s(address: str, mac: str) -> None:
    """The writer's request is what pyroute2 would send."""
    octets = bytes.fromhex(mac.replace(":", ""))
    attributes = struct.pack("=HH6s2xHHB3x", 10, 2, octets, 5, 12, 110)
    body = neighbour_message(7, address, state=NUD_PERMANENT, flags=0, attributes=attributes)
    assert body == neighbour(address, mac)[16:]


@pytest.fixture
def subscription() -> Any:
    made = EventSocket(neighbours=True, links=True)
    yield made
    made.close()


def test_nothing_to_read_is_no_event(subscription: EventSocket) -> None:
    """A subscription does not wait."""
    assert subscription.read() == []


@pytest.mark.lab  # only root may send to another process's netlink socket
def test_other_processes_are_not_believed(subscription: EventSocket) -> None:
    """A message from another process's socket is not taken for the kernel's."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as liar:
        with socket.socket(fileno=os.dup(subscription.fileno())) as own:
            port = own.getsockname()[0]
        liar.sendto(neighbour("203.0.113.1", "02:00:00:00:00:01"), (port, 0))
    assert [event for event in subscription.read() if isinstance(event, NeighbourEvent)] == []
