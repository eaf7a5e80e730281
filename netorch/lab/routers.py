"""Routers of the underlay, and the stations at their LANs."""

from __future__ import annotations

from netorch.lab.daemons import SSHD, routing_services
from netorch.lab.plan import ROUTER, STATION, Cable, Node
from netorch.lab.rootfs import rootfs_for
from netorch.lab.wiring import (
    FORWARDING,
    QUIET_IPV6,
    address_lines,
    bridge_line,
    cable_between,
    device_lines,
    ipv4_conf,
    port_lines,
)
from netorch.model.inventory import Inventory, Router
from netorch.model.lab import LabStation

STATION_INTERFACE = "eth0"


def routers_of(inventory: Inventory) -> list[Router]:
    """The routers of every POP."""
    return [device for device in inventory.devices if isinstance(device, Router)]


def router_node(inventory: Inventory, router: Router, prefix: str) -> Node:
    """A router. Each of its LANs is a bridge of its own with a port for every station; without a station it has no carrier."""
    create, setup = [], device_lines(router.ssh.address)
    for interface in router.interfaces:
        if interface.link is None:
            create.append(bridge_line(router.name, interface.name))
            for station in inventory.stations:
                if (station.router, station.interface) == (router.name, interface.name):
                    setup += port_lines(_lan_port(inventory, station), bridge=interface.name)
        setup += address_lines(interface.name, interface.ipv4, interface.ipv6)
        setup.append(f"link set dev {interface.name} up")
    return Node(
        name=router.name,
        kind=ROUTER,
        netns=prefix + router.name,
        address=router.ssh.address,
        sysctls={
            **QUIET_IPV6,
            **FORWARDING,
            **ipv4_conf(rp_filter=2, send_redirects=0),
            # A cable that was pulled is plugged into the same addresses again.
            **{f"net.ipv6.conf.{scope}.keep_addr_on_down": "1" for scope in ("all", "default")},
        },
        create=tuple(create),
        setup=tuple(setup),
        services=(SSHD, *routing_services(router.daemon, router.version)),
        rootfs=rootfs_for(router.daemon, router.version),
    )


def station_node(inventory: Inventory, station: LabStation, prefix: str) -> Node:
    """An ordinary machine: an address, and the router as its default gateway."""
    router = next(router for router in routers_of(inventory) if router.name == station.router)
    lan = router.interface(station.interface)
    setup = [
        "link set dev lo up",
        *address_lines(STATION_INTERFACE, station.ipv4, station.ipv6),
        f"link set dev {STATION_INTERFACE} up",
    ]
    for number, own, gateway in ((4, station.ipv4, lan.ipv4), (6, station.ipv6, lan.ipv6)):
        if own is not None and gateway is not None:
            setup.append(f"-{number} route replace default via {gateway.ip} dev {STATION_INTERFACE}")
    return Node(name=station.name, kind=STATION, netns=prefix + station.name, sysctls=QUIET_IPV6, setup=tuple(setup))


def underlay_cables(inventory: Inventory) -> list[Cable]:
    """Those between routers, each once, and those of the stations."""
    links = [
        cable_between(router.name, interface.name, interface.link.router, interface.link.interface)
        for router in routers_of(inventory)
        for interface in router.interfaces
        if interface.link is not None
        and (router.name, interface.name) < (interface.link.router, interface.link.interface)
    ]
    stations = [
        cable_between(station.name, STATION_INTERFACE, station.router, _lan_port(inventory, station))
        for station in inventory.stations
    ]
    return [*links, *stations]


def station_files(inventory: Inventory) -> dict[str, str]:
    """The files of a station, by path: each knows the others by name."""
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    for station in inventory.stations:
        lines += [f"{address.ip} {station.name}" for address in (station.ipv4, station.ipv6) if address is not None]
    return {"/etc/hosts": "\n".join(lines) + "\n"}


def _lan_port(inventory: Inventory, station: LabStation) -> str:
    """The router's end of a station's cable, told apart from interfaces of the inventory by its dot and number."""
    at_router = [other for other in inventory.stations if other.router == station.router]
    return f"station.{at_router.index(station) + 1}"
