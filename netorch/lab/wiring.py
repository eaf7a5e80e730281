"""What nodes of every kind are wired with: cables, bridges, addresses, the kernel's settings."""

from __future__ import annotations

from ipaddress import IPv4Network

from netorch.lab.plan import Cable, End, mac_of

MANAGEMENT = IPv4Network("198.18.0.0/15")  # RFC 2544: benchmarking networks, never on the Internet
BRIDGE = "type bridge stp_state 0 forward_delay 0 mcast_snooping 0"
QUIET_IPV6 = {
    f"net.ipv6.conf.{scope}.{name}": "0"
    for scope in ("all", "default")
    # Duplicate detection costs a second per address, and nothing here sends router advertisements.
    for name in ("accept_dad", "accept_ra", "autoconf", "router_solicitations")
}
FORWARDING = {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"}


def ipv4_conf(**values: int) -> dict[str, str]:
    """Settings of IPv4 for the interfaces that are there and those to come."""
    return {
        f"net.ipv4.conf.{scope}.{name}": str(value) for scope in ("all", "default") for name, value in values.items()
    }


def cable_between(node_a: str, interface_a: str, node_b: str, interface_b: str) -> Cable:
    """A cable between two nodes' interfaces."""
    return Cable(
        End(node_a, interface_a, mac_of(node_a, interface_a)), End(node_b, interface_b, mac_of(node_b, interface_b))
    )


def bridge_line(node: str, name: str) -> str:
    """The line that makes a bridge, for ``Node.create``."""
    return f"link add name {name} address {mac_of(node, name)} {BRIDGE}"


def port_lines(name: str, *, bridge: str) -> list[str]:
    """The lines that put an interface into a bridge, without an address of its own."""
    return [f"link set dev {name} addrgenmode none", f"link set dev {name} master {bridge} up"]


def address_lines(interface: str, *given: object) -> list[str]:
    """The lines that give ``interface`` addresses with prefix lengths; None is left out."""
    return [
        f"addr replace {address} dev {interface}{' nodad' if ':' in str(address) else ''}"
        for address in given
        if address is not None
    ]


def device_lines(management_address: str) -> list[str]:
    """The lines that every device with an sshd begins with."""
    return [
        "link set dev lo up",
        f"addr replace {management_address}/{MANAGEMENT.prefixlen} dev mgmt0",
        "link set dev mgmt0 up",
    ]
