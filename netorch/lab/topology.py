"""Inventory -> LabPlan: which namespaces, cables, addresses and daemons play the network. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Union

from netorch.errors import NetorchError
from netorch.lab.daemons import SSHD, internet_services, routing_services, speaker_services
from netorch.lab.plan import HOST, INTERNET, PROVIDER, ROOT, SWITCH, VALIDATOR, Cable, LabPlan, Node
from netorch.lab.rootfs import rootfs_for
from netorch.lab.routers import router_node, routers_of, station_node, underlay_cables
from netorch.lab.validators import validator_node, validators_of
from netorch.lab.wiring import (
    FORWARDING,
    MANAGEMENT,
    QUIET_IPV6,
    address_lines,
    bridge_line,
    cable_between,
    device_lines,
    ipv4_conf,
    port_lines,
)
from netorch.model.inventory import Circuit, Host, Inventory, Provider, Switch
from netorch.model.lab import LabSpeaker
from netorch.model.types import Family, IPAddress, family_of

ROOT_ADDRESS = IPv4Address("198.19.255.254")
MANAGEMENT_BRIDGE = "netorch-mgmt"
INTERNET_NODE = "internet"


def plan_lab(
    inventory: Inventory, *, prefix: str = "netorch-", exabgp: str = "exabgp", binds: tuple[str, ...] = ()
) -> LabPlan:
    """The lab of ``inventory``. ``exabgp`` is that program's path, ``binds`` the folders that it needs.

    Raises NetorchError for what a lab cannot play: a management address outside 198.18.0.0/15, a name that is taken.
    """
    _check_names(inventory)
    nodes = _nodes(inventory, prefix=prefix, exabgp=exabgp, binds=binds)
    ports = {node.name: _root_port(node.name) for node in nodes if node.address or node.kind == VALIDATOR}
    root_setup = [
        f"link set dev {MANAGEMENT_BRIDGE} addrgenmode none",
        *address_lines(MANAGEMENT_BRIDGE, f"{ROOT_ADDRESS}/{MANAGEMENT.prefixlen}"),
        f"link set dev {MANAGEMENT_BRIDGE} up",
    ]
    for port in ports.values():
        root_setup += port_lines(port, bridge=MANAGEMENT_BRIDGE)
    plan = LabPlan(
        nodes=nodes,
        cables=(
            *(cable_between(ROOT, port, name, "mgmt0") for name, port in ports.items()),
            *_pop_cables(inventory),
            *underlay_cables(inventory),
        ),
        bridge=MANAGEMENT_BRIDGE,
        root_create=(bridge_line(ROOT, MANAGEMENT_BRIDGE),),
        root_setup=tuple(root_setup),
    )
    return LabPlan(
        **{
            **vars(plan),
            "fingerprint": hashlib.sha256(
                (plan.to_json() + repr((inventory.lab, inventory.validators))).encode()
            ).hexdigest(),
        }
    )


def _nodes(inventory: Inventory, *, prefix: str, exabgp: str, binds: tuple[str, ...]) -> tuple[Node, ...]:
    providers = played(inventory)
    return (
        *(_switch(inventory, device, prefix) for device in inventory.devices if isinstance(device, Switch)),
        *(_host(device, prefix) for device in inventory.devices if isinstance(device, Host)),
        *(router_node(inventory, router, prefix) for router in routers_of(inventory)),
        *(station_node(inventory, station, prefix) for station in inventory.stations),
        *(validator_node(inventory, validator, prefix) for validator in validators_of(inventory)),
        *(_provider(inventory, provider, prefix=prefix, exabgp=exabgp, binds=binds) for provider in providers),
        # Without providers nothing leads to it.
        *((_internet(inventory, prefix),) if providers else ()),
    )


def _pop_cables(inventory: Inventory) -> tuple[Cable, ...]:
    """Those of hosts, of circuits, and of the Internet."""
    return (
        *(
            cable_between(host.name, uplink.interface, uplink.switch, uplink.port)
            for host in inventory.devices
            if isinstance(host, Host)
            for uplink in host.uplinks
        ),
        *(
            cable_between(
                circuit.provider, provider_interface(circuit), circuit.switch, switch_interface(inventory, circuit)
            )
            for circuit in inventory.circuits
        ),
        *(cable_between(INTERNET_NODE, core_interface(p), p.name, "core") for p in played(inventory)),
    )


def played(inventory: Inventory) -> tuple[Provider, ...]:
    """The providers that have a circuit, in the inventory's order."""
    names = {circuit.provider for circuit in inventory.circuits}
    return tuple(provider for provider in inventory.providers if provider.name in names)


def speaker_of(inventory: Inventory, provider: str) -> LabSpeaker:
    """How ``provider`` is played; the defaults where the inventory says nothing."""
    return next((speaker for speaker in inventory.lab if speaker.provider == provider), LabSpeaker(provider))


def switch_interface(inventory: Inventory, circuit: Circuit) -> str:
    """The switch's interface of a circuit: its port, or PORT.VLAN where several circuits share the port."""
    places = Counter((other.switch, other.port) for other in inventory.circuits)
    shared = places[(circuit.switch, circuit.port)] > 1
    return f"{circuit.port}.{circuit.vlan}" if shared and circuit.vlan is not None else circuit.port


def provider_interface(circuit: Circuit) -> str:
    """The provider's interface of a circuit."""
    return f"circuit{circuit.id}"


def core_interface(provider: Provider) -> str:
    """The Internet's interface towards a provider."""
    return f"p{provider.id}"


def delay_interface(provider: Provider) -> str:
    """The Internet's TUN interface through which packets that arrived on a provider pass."""
    return f"delay{provider.id}"


def core_link(provider: Provider, family: Family) -> tuple[IPAddress, IPAddress, int]:
    """Addresses between the Internet and a provider: the Internet's, the provider's, and the prefix length."""
    if family is Family.IPV4:
        first = IPv4Address("100.64.0.0") + 2 * provider.id  # RFC 6598: shared address space
        return first, first + 1, 31
    first6 = IPv6Address("fdff::") + (provider.id << 64)
    return first6 + 1, first6 + 2, 64


def impaired(speaker: LabSpeaker) -> bool:
    """Whether packets through this provider need the TUN interface."""
    return speaker.delay_ms > 0 or speaker.jitter_ms > 0 or speaker.loss_percent > 0


def _check_names(inventory: Inventory) -> None:
    taken: dict[str, str] = {INTERNET_NODE: "the lab's Internet"}
    names = [(device.name, "a device") for device in inventory.devices]
    names += [(provider.name, "a provider") for provider in played(inventory)]
    names += [(station.name, "a station") for station in inventory.stations]
    names += [(validator.name, "a validator") for validator in validators_of(inventory)]
    for name, what in names:
        if name in taken:
            raise NetorchError(
                f"is {taken[name]} and {what}", where=name, hint="the lab needs a name for each: rename one"
            )
        taken[name] = what
    for device in inventory.devices:
        if _management_address(device.ssh.address) is None:
            raise NetorchError(
                f"cannot be played: its management address is '{device.ssh.address}', expected one of {MANAGEMENT}",
                where=device.name,
                hint="the lab puts management addresses on this machine, and takes none that could be real",
            )


def _management_address(text: str) -> Union[IPAddress, None]:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address if address in MANAGEMENT and address != ROOT_ADDRESS else None


def _root_port(node: str) -> str:
    name = f"nl-{node}"
    return name if len(name) <= 15 else f"nl-{hashlib.sha256(node.encode()).hexdigest()[:10]}"


def _switch(inventory: Inventory, switch: Switch, prefix: str) -> Node:
    circuits = [circuit for circuit in inventory.circuits if circuit.switch == switch.name]
    provider_ports = [switch_interface(inventory, circuit) for circuit in circuits]
    host_ports = [
        uplink.port
        for device in inventory.devices
        if isinstance(device, Host)
        for uplink in device.uplinks
        if uplink.switch == switch.name
    ]
    # A port all of whose circuits are in VLANs has no cable of its own here, but it is there and can be labelled.
    bare = dict.fromkeys(circuit.port for circuit in circuits if circuit.port not in (*provider_ports, *host_ports))
    setup = device_lines(switch.ssh.address)
    for port in host_ports:
        setup += port_lines(port, bridge=switch.fabric)
    for port in provider_ports:
        setup += [
            *port_lines(port, bridge=switch.fabric),
            # Circuits see neither each other nor what hosts broadcast, as if each were in a VLAN of its own. The kernel
            # exempts the bridge's own frames, so the switch still resolves its providers.
            f"link set dev {port} type bridge_slave isolated on bcast_flood off mcast_flood off",
        ]
    local = [addresses.local for circuit in circuits for addresses in (circuit.ipv4, circuit.ipv6) if addresses]
    setup += address_lines(switch.fabric, switch.fabric_ipv4, switch.fabric_ipv6, *local)
    setup.append(f"link set dev {switch.fabric} up")
    return Node(
        name=switch.name,
        kind=SWITCH,
        netns=prefix + switch.name,
        address=switch.ssh.address,
        # Packets for hosts come in and leave through the one bridge: without this, each would cause a redirect.
        sysctls={**QUIET_IPV6, **FORWARDING, **ipv4_conf(rp_filter=2, send_redirects=0)},
        create=tuple(bridge_line(switch.name, name) for name in (switch.fabric, *bare)),
        setup=tuple(setup),
        services=(SSHD, *routing_services(switch.daemon, switch.version)),
        rootfs=rootfs_for(switch.daemon, switch.version),
    )


def _host(host: Host, prefix: str) -> Node:
    setup = device_lines(host.ssh.address)
    for uplink in host.uplinks:
        setup += address_lines(uplink.interface, uplink.ipv4, uplink.ipv6)
        setup.append(f"link set dev {uplink.interface} up")
    return Node(
        name=host.name,
        kind=HOST,
        netns=prefix + host.name,
        address=host.ssh.address,
        sysctls={**QUIET_IPV6, **ipv4_conf(rp_filter=2)},
        setup=tuple(setup),
        services=(SSHD, *routing_services(host.daemon, host.version)),
        rootfs=rootfs_for(host.daemon, host.version),
    )


def _provider(inventory: Inventory, provider: Provider, *, prefix: str, exabgp: str, binds: tuple[str, ...]) -> Node:
    setup = ["link set dev lo up"]
    circuits = [circuit for circuit in inventory.circuits if circuit.provider == provider.name]
    for circuit in circuits:
        for addresses in (circuit.ipv4, circuit.ipv6):
            if addresses:
                length = addresses.local.network.prefixlen
                setup += address_lines(provider_interface(circuit), f"{addresses.neighbor}/{length}")
        setup.append(f"link set dev {provider_interface(circuit)} up")
    setup.append("link set dev core up")
    for family in Family:
        core, own, length = core_link(provider, family)
        setup += [
            *address_lines("core", f"{own}/{length}"),
            f"-{family.number} route replace default via {core} dev core",
        ]
    speaker = speaker_of(inventory, provider.name).speaker
    if speaker != "bird":
        setup += _routes_back(inventory, circuits)
    return Node(
        name=provider.name,
        kind=PROVIDER,
        netns=prefix + provider.name,
        # Answers for an address only on its own circuit, and only to a neighbour of that circuit's subnet.
        sysctls={**QUIET_IPV6, **FORWARDING, **ipv4_conf(rp_filter=0, arp_ignore=2, arp_announce=2)},
        setup=tuple(setup),
        services=speaker_services(speaker, exabgp),
        binds=binds if speaker == "exabgp" else (),
    )


def _routes_back(inventory: Inventory, circuits: list[Circuit]) -> list[str]:
    """Routes to the POPs' prefixes, for a provider whose daemon learns them but cannot tell the kernel."""
    lines = []
    for circuit in circuits:
        for service_prefix in next(pop for pop in inventory.pops if circuit in pop.circuits).prefixes:
            family = family_of(service_prefix.prefix)
            addresses = circuit.addresses(family)
            if addresses:
                via = f"via {addresses.local.ip} metric {circuit.id}"
                lines.append(f"-{family.number} route replace {service_prefix.prefix} {via}")
    return lines


def _internet(inventory: Inventory, prefix: str) -> Node:
    """The Internet answers for every address, but only to packets that come in from a provider.

    Table ``local`` therefore says that all of it is local, and is asked only where that is meant: the kernel's own first rule,
    which would ask it for everything, goes.
    """
    create = []
    setup = ["link set dev lo up"]
    for provider in played(inventory):
        link, tun = core_interface(provider), delay_interface(provider)
        table = 1000 + provider.id
        slow = impaired(speaker_of(inventory, provider.name))
        arrival = tun if slow else link
        if slow:
            create += [f"tuntap add dev {tun} mode tun", f"link set dev {tun} addrgenmode none txqueuelen 10000"]
            setup.append(f"link set dev {tun} up")
        setup.append(f"link set dev {link} up")
        for family in Family:
            core, _, length = core_link(provider, family)
            ip = f"-{family.number}"
            setup += address_lines(link, f"{core}/{length}")
            create.append(f"{ip} rule add pref 10 iif {link} to {core}/{family.host_length} lookup local")
            if slow:
                setup.append(f"{ip} route replace default dev {tun} table {table}")
                create.append(f"{ip} rule add pref 20 iif {link} lookup {table}")
            create += [
                f"{ip} rule add pref 30 iif {arrival} lookup main",
                f"{ip} rule add pref 40 iif {arrival} lookup local",
            ]
        for group in ("fe80::/10", "ff00::/8"):  # neighbour discovery
            create.append(f"-6 rule add pref 10 iif {link} to {group} lookup local")
    for family in Family:
        ip = f"-{family.number}"
        world = "0.0.0.0/0" if family is Family.IPV4 else "2000::/3"
        create += [f"{ip} rule add pref 50 iif lo lookup main", f"{ip} rule add pref 60 iif lo lookup local"]
        create.append(f"{ip} rule del pref 0")
        setup.append(f"{ip} route replace local {world} dev lo table local")
    return Node(
        name=INTERNET_NODE,
        kind=INTERNET,
        netns=prefix + INTERNET_NODE,
        sysctls={
            **QUIET_IPV6,
            **FORWARDING,
            # It asks for its neighbours in its own name, not in that of the address it answers for: providers answer no other.
            **ipv4_conf(rp_filter=0, accept_local=1, send_redirects=0, arp_announce=2),
            # It would find the connection's socket before the packet has been delayed, and such packets are not forwarded.
            "net.ipv4.ip_early_demux": "0",
            # A program may send from any of these addresses: IPv4 allows it where the route is local, IPv6 does not.
            "net.ipv6.ip_nonlocal_bind": "1",
        },
        create=tuple(create),
        setup=tuple(setup),
        services=internet_services(),
    )
