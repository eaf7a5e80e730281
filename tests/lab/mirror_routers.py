"""Providers' routers behind a switch, for tests of the mirror's agents: they answer, announce themselves, and lie."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, IPv6Address

from tests.lab.agent_device import Namespace
from tests.lab.mirror_bed import V4, V6, Bed, batch
from tests.lab.namespaces import inside

_ETH_P_ARP = 0x0806  # linux/if_ether.h
_ARP = struct.Struct("!HHBBH6s4s6s4s")  # RFC 826
_ARP_REQUEST = 1
_NEIGHBOUR_ADVERTISEMENT, _OVERRIDE, _TARGET_LINK_ADDRESS = 136, 1 << 29, 2  # RFC 4861 sections 4.4 and 4.6.1


class Router:
    """A namespace with both of the provider's addresses, and a port of the switch that it can be plugged into."""

    def __init__(self, bed: Bed, name: str, mac: str, *, addresses: tuple[str, ...] = (V4, V6)) -> None:
        self.space = Namespace()
        self.mac = mac
        self.addresses = addresses
        self._bed = bed
        self._port = name
        bed.switch.ip(f"link add {name} type veth peer name eth0 netns {self.space.pid}")
        bed.switch.ip(f"link set {name} up")
        self.space.run("ip", "link", "set", "eth0", "address", mac, "up")
        # What it says before the kernel has found its own address unique needs a source as well.
        link_local = f"fe80::{mac.replace(':', '')[-4:]}"
        for address in (link_local, *addresses):
            options = ["nodad"] if ":" in address else []
            length = 64 if ":" in address else 30
            self.space.run("ip", "address", "add", f"{address}/{length}", "dev", "eth0", *options)
        self._frames = inside(self.space.pid, self._frame_socket)
        self._packets = inside(self.space.pid, self._packet_socket)

    @staticmethod
    def _frame_socket() -> socket.socket:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        made.bind(("eth0", _ETH_P_ARP))
        return made

    @staticmethod
    def _packet_socket() -> socket.socket:
        made = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        return made

    def plug(self) -> None:
        """Connect it to the switch."""
        self._bed.switch.ip(f"link set {self._port} master br0")

    def unplug(self) -> None:
        """Disconnect it; it says nothing."""
        self._bed.switch.ip(f"link set {self._port} nomaster")

    @staticmethod
    def swap(old: Router, new: Router, *, announced: bool = True) -> None:
        """At once another router in the place of one; it tells everybody, or waits to be asked."""
        batch(old._bed.switch.space, f"link set {old._port} nomaster", f"link set {new._port} master br0")
        if announced:
            for address in new.addresses:
                new.announce(address)

    def announce(self, address: str = V4, *, mac: str | None = None) -> None:
        """Tell everybody that ``address`` is at ``mac``, by default its own: gratuitous ARP, or an unsolicited advertisement."""
        source = _bytes_of(mac or self.mac)
        if ":" in address:
            self._advertise(IPv6Address(address), source)
            return
        owner = IPv4Address(address).packed
        arp = _ARP.pack(1, 0x0800, 6, 4, _ARP_REQUEST, source, owner, bytes(6), owner)  # RFC 5227 section 3
        self._frames.send(b"\xff" * 6 + _bytes_of(self.mac) + struct.pack("!H", _ETH_P_ARP) + arp)

    def _advertise(self, address: IPv6Address, source: bytes) -> None:
        option = struct.pack("!BB", _TARGET_LINK_ADDRESS, 1) + source
        message = struct.pack("!BBHI", _NEIGHBOUR_ADVERTISEMENT, 0, 0, _OVERRIDE) + address.packed + option
        index = inside(self.space.pid, lambda: socket.if_nametoindex("eth0"))
        self._packets.sendto(message, ("ff02::1", 0, 0, index))

    def close(self) -> None:
        """End everything inside."""
        self._frames.close()
        self._packets.close()
        self.space.close()


def _bytes_of(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def set_neighbour_sysctls(space: Namespace) -> None:
    """What a deploy sets on a switch's fabric interface."""
    values = {"retrans_time_ms": 250, "ucast_solicit": 1, "mcast_resolicit": 3}
    for family in ("ipv4", "ipv6"):
        for name, value in values.items():
            space.run("sh", "-c", f"echo {value} > /proc/sys/net/{family}/neigh/br0/{name}")
    space.run("sh", "-c", "echo 0 > /proc/sys/net/ipv4/neigh/br0/locktime")
