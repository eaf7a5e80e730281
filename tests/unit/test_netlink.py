"""What is made of the kernel's messages; the kernel itself answers in tests/lab."""

from __future__ import annotations

import errno
import os
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink import NLMSG_DONE, NLMSG_ERROR
from pyroute2.netlink.rtnl import RTM_GETROUTE, RTM_NEWLINK, RTM_NEWROUTE
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from netorch.io.netlink.links import read_links
from netorch.io.netlink.route_counts import count_part, route_protocols
from netorch.io.netlink.route_socket import RouteSocket, decoded


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute on the wire, padded."""
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def message(kind: int, body: bytes, *, flags: int = 0) -> bytes:
    """One message on the wire."""
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body


def route(table: int, *, first: bytes = b"") -> bytes:
    """A route to 198.51.0.0/24 in ``table``, ``first`` ahead of its table's attribute."""
    head = struct.pack("=BBBBBBBBI", 2, 24, 0, 0, table if table < 256 else 252, 12, 0, 1, 0)
    return message(RTM_NEWROUTE, head + first + attribute(15, struct.pack("=I", table)) + attribute(1, b"\xc6\x33\0\0"))


def refusal(number: int, *attributes: bytes) -> bytes:
    """The kernel's answer to a request that it refuses, the request in it."""
    body = struct.pack("=i", -number) + route(254) + b"".join(attributes)
    return message(NLMSG_ERROR, body, flags=0x200 if attributes else 0)


class Interfaces(RouteSocket):
    """A kernel with the interfaces that it is given."""

    def __init__(self, *links: bytes) -> None:
        self._links = links

    def dump(self, kind: int, message: Any) -> list[Any]:
        return [entry for data in self._links for entry in decoded(data, kind, type(message))]


def link(*attributes: bytes) -> bytes:
    """An interface with these attributes."""
    return message(RTM_NEWLINK, struct.pack("=BBHiII", 0, 0, 1, 7, 1, 0) + b"".join(attributes))


def test_kernel_error_keeps_its_own_message() -> None:
    """An extended acknowledgement's text is part of the error."""
    with pytest.raises(OSError, match=r"Invalid argument \(No such\)") as error:
        list(decoded(refusal(errno.EINVAL, attribute(1, b"No such\0")), RTM_NEWROUTE, rtmsg))
    assert error.value.errno == errno.EINVAL


def test_kernel_error_without_a_message_has_the_systems() -> None:
    """An error number alone is told in the system's words."""
    with pytest.raises(OSError, match=os.strerror(errno.EPERM)) as error:
        list(decoded(refusal(errno.EPERM), RTM_NEWROUTE, rtmsg))
    assert error.value.errno == errno.EPERM


def test_dump_that_ends_with_an_error_is_one() -> None:
    """A dump that the kernel broke off is not taken for a short one."""
    data = route(254) + message(NLMSG_DONE, struct.pack("=i", -errno.ENOMEM))
    with pytest.raises(OSError, match=os.strerror(errno.ENOMEM)):
        list(decoded(data, RTM_GETROUTE, rtmsg))


def test_answer_that_is_cut_is_an_error() -> None:
    """A message that ends within its fixed part raises EBADMSG."""
    with pytest.raises(OSError, match="cannot be read"):
        list(decoded(message(RTM_NEWROUTE, b"\x02"), RTM_GETROUTE, rtmsg))


@given(st.lists(st.tuples(st.integers(1, 5000), st.booleans())))
def test_counts_are_those_of_pyroute2(routes: list[tuple[int, bool]]) -> None:
    """Counting by hand finds the tables that pyroute2 finds, wherever the table's number stands."""
    parts = [route(table, first=attribute(7, b"\xc0\0\2\1") if later else b"") for table, later in routes]
    data = b"".join(parts) + message(NLMSG_DONE, struct.pack("=i", 0))
    expected: dict[int, int] = {}
    for entry in decoded(data, RTM_GETROUTE, rtmsg):
        if entry["header"]["type"] == RTM_NEWROUTE:
            table = entry.get_attr("RTA_TABLE")
            expected[table] = expected.get(table, 0) + 1
    counts: dict[int, int] = {}
    count_part(data, counts)
    assert counts == expected


@given(st.binary(max_size=200))
def test_garbage_never_hangs_the_counter(data: bytes) -> None:
    """Lengths that lie end the counting."""
    counts: dict[int, int] = {}
    try:
        count_part(data, counts)
    except (OSError, ValueError):
        return
    assert sum(counts.values()) <= len(data) / 16


def test_routes_tell_who_wrote_them() -> None:
    """Other messages between them do not."""
    written = [rtmsg(), rtmsg()]
    for entry, protocol in zip(written, (186, 110), strict=True):
        entry["header"]["type"], entry["proto"] = RTM_NEWROUTE, protocol
        entry.encode()
    data = message(RTM_NEWLINK, bytes(32)).join(bytes(entry.data) for entry in written)
    assert list(route_protocols(data + message(NLMSG_DONE, bytes(4)))) == [186, 110]


def test_address_of_a_tunnel_is_no_mac() -> None:
    """Link addresses of four and of twenty bytes are not read as a MAC."""
    addresses = (b"\x0a\0\0\1", bytes(range(20)), b"\x02\0\0\0\0\x01")
    kernel = Interfaces(*(link(attribute(1, address), attribute(3, b"eth0\0")) for address in addresses))
    assert [entry.mac for entry in read_links(kernel, counters=False)] == [None, None, "02:00:00:00:00:01"]


def test_alias_that_is_no_text_is_read() -> None:
    """Bytes that somebody else wrote and that are not UTF-8 become replacement characters."""
    (entry,) = read_links(Interfaces(link(attribute(20, b"Stra\xdfe\0"))), counters=False)
    assert entry.alias == "Stra\ufffde"


def test_request_can_be_sent_again() -> None:
    """A request's bytes differ in their sequence number only when it is sent a second time."""
    request = ifinfmsg()
    request["index"] = 1
    request["attrs"] = [["IFLA_IFALIAS", "uplink"]]
    sent = []
    with RouteSocket() as kernel:
        for _ in range(2):
            kernel.send(99, request, flags=0)
            sent.append(bytes(request.data))
    assert sent[0] != sent[1]
    assert sent[0][:8] + sent[0][12:] == sent[1][:8] + sent[1][12:]


def test_vlan_knows_its_number_and_what_is_below() -> None:
    """An interface that is a VLAN says which, and of which interface; a cable's other end is no such thing."""
    below, number = attribute(5, struct.pack("=I", 3)), attribute(1, struct.pack("=H", 100))
    vlan = link(below, attribute(18, attribute(1, b"vlan\0") + attribute(2, number)))
    veth = link(below, attribute(18, attribute(1, b"veth\0")))
    entries = read_links(Interfaces(vlan, veth), counters=True)
    assert [(entry.vlan, entry.below) for entry in entries] == [(100, 3), (None, 3)]
