"""A station that says in RIP what is not true: that the way to a network is through it."""

from __future__ import annotations

import socket
import struct
import sys
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

COUNT = 20
"""Packets to each destination: half of them are more than routers tell each other in the time."""
METRIC = 5

_RESPONSE = struct.pack("!BBH", 2, 2, 0)  # RFC 2453 section 4
_RESPONSE_NG = struct.pack("!BBH", 2, 1, 0)  # RFC 2080 section 2.1
_GROUPS = {4: "224.0.0.9", 6: "ff02::9"}
_PORTS = {4: 520, 6: 521}
_MULTICAST_IF = {4: (socket.IPPROTO_IP, socket.IP_MULTICAST_IF), 6: (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF)}


def response(network: IPv4Network | IPv6Network) -> bytes:
    """One network, ``METRIC`` hops away."""
    where = network.network_address.packed
    if isinstance(network, IPv4Network):
        return _RESPONSE + struct.pack("!HH4s4s4sI", socket.AF_INET, 0, where, network.netmask.packed, bytes(4), METRIC)
    return _RESPONSE_NG + struct.pack("!16sHBB", where, 0, network.prefixlen, METRIC)


def main(interface: str, source: str, router: str, network: str) -> None:
    """Tell the router at ``interface``, by its address and as one of the group, from ``source`` and RIP's port."""
    version = ip_address(source).version
    index = socket.if_nametoindex(interface)
    scope = (0, index) if version == 6 else ()
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.bind((source, _PORTS[version], *scope))
        own = struct.pack("@i", index) if version == 6 else ip_address(source).packed
        sender.setsockopt(*_MULTICAST_IF[version], own)
        if version == 6:  # RFC 2080 section 2.4.2: with any other hop limit routers need not read it
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        for _ in range(COUNT):
            for destination in (_GROUPS[version], router):
                sender.sendto(response(ip_network(network)), (destination, _PORTS[version], *scope))


if __name__ == "__main__":
    main(*sys.argv[1:])
