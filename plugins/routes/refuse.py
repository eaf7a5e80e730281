"""When a route is too dangerous: what it would take away."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import FrozenSet, Iterable, Iterator, List, Sequence, Tuple

from netorch.api import (
    DeviceIntent,
    Family,
    GuardRefused,
    Host,
    Inventory,
    IPAddress,
    IPNetwork,
    OverlayEntry,
    Pop,
    Switch,
    UsageError,
    VerbContext,
    family_of,
)

from .allow import announceable, max_routes, may_announce
from .entries import NAME, owner_of
from .reading import WantedRoute

_SHOWN = 5


def refuse_covering(context: VerbContext, device: DeviceIntent, routes: Sequence[WantedRoute]) -> None:
    """GuardRefused for routes that would take packets away from what manages, carries or serves the POP."""
    found: List[str] = []
    held = tuple(_precious(context.inventory, device))
    for route in routes:
        reason = _reason(route.prefix, held)
        if reason:
            found.append(f"{route.prefix} {reason}")
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise GuardRefused(
            f"refused (covering): {'; '.join(found[:_SHOWN])}{more}",
            where=device.name,
            hint="name narrower prefixes, or --allow-covering if it is meant",
        )


def refuse_families(device: DeviceIntent, routes: Sequence[WantedRoute]) -> None:
    """UsageError for routes of a family that the device's daemon has no session of: it is not configured for that one."""
    spoken = device.families()
    found = [str(route.prefix) for route in routes if family_of(route.prefix) not in spoken]
    if found:
        names = " and ".join(family.value for family in spoken)
        raise UsageError(
            f"{', '.join(found[:_SHOWN])}: {device.name} has sessions of {names} alone, expected prefixes of these",
            hint="name other devices for these prefixes",
        )


def refuse_distant(context: VerbContext, device: DeviceIntent, routes: Sequence[WantedRoute]) -> None:
    """UsageError for next hops of a device with FRR that are on no subnet which the inventory gives it, unless they are at an
    interface that it does not know: FRR would take the way that BGP knows to such an address, out of that interface where one
    is named (BIRD keeps the route out of use)."""
    if device.daemon != "frr":
        return
    subnets, names = tuple(_subnets(context.inventory, device)), _known_interfaces(context.inventory, device)
    found = [
        str(hop.address)
        for route in routes
        for hop in route.hops
        if hop.address is not None
        and not hop.address.is_link_local
        and (not hop.interface or hop.interface in names)
        and not any(_is_in(hop.address, one) for one in subnets)
    ]
    if found:
        raise UsageError(
            f"via {', '.join(found[:_SHOWN])}: expected an address on a subnet that {device.name} has in the inventory, or on an"
            " interface of its own that is not there: FRR takes the way that BGP knows to any other",
            where=device.name,
            hint='"interface" says which: "interface": "eth2"',
        )


def refuse_announcing(context: VerbContext, device: DeviceIntent, routes: Sequence[WantedRoute]) -> None:
    """GuardRefused for routes that ask to be announced and may not be."""
    found = [str(r.prefix) for r in routes if r.announce and not may_announce(context.intent, device, r.prefix)]
    if found:
        allowed = ", ".join(map(str, announceable(context.settings))) or "none"
        raise GuardRefused(
            f"refused (announce): {', '.join(found[:_SHOWN])}: expected single addresses on a host, inside a prefix of its POP"
            f" and inside what the operator allows ({allowed})",
            where=device.name,
            hint=f"announce: [PREFIX], below settings of the plugin {NAME} in network.yml",
        )


def refuse_many(context: VerbContext, device: DeviceIntent, entries: Iterable[OverlayEntry]) -> None:
    """GuardRefused when ``entries``, all that the device would hold, are more routes than the operator allows."""
    held = tuple(entries)
    limit, count = max_routes(context.settings), sum(len(entry.data.get("routes", ())) for entry in held)
    if count > limit:
        owners = ", ".join(sorted({owner_of(entry) for entry in held}))
        raise GuardRefused(
            f"refused (max_routes): it would have {count} routes of {owners} (limit {limit})",
            where=device.name,
            hint=f"withdraw some, or raise max_routes below settings of the plugin {NAME} in network.yml",
        )


def _reason(prefix: IPNetwork, held: Iterable[Tuple[IPNetwork, str, bool]]) -> str:
    if prefix.prefixlen == 0:
        return "is a default route"
    for network, what, may_be_inside in held:
        if prefix.version != network.version:
            continue
        if network.subnet_of(prefix) or (not may_be_inside and prefix.subnet_of(network)):  # type: ignore[arg-type]
            return f"covers {what}" if network.subnet_of(prefix) else f"is part of {what}"  # type: ignore[arg-type]
    return ""


def _is_in(address: IPAddress, network: IPNetwork) -> bool:
    return address.version == network.version and address in network


def _subnets(inventory: Inventory, device: DeviceIntent) -> Iterator[IPNetwork]:
    """What is connected to ``device``, as far as the inventory tells, the mirrored addresses of providers included."""
    found = inventory.device(device.name)
    if isinstance(found, Host):
        yield from (ip_interface(uplink.address(family)).network for uplink in found.uplinks for family in Family)
    elif isinstance(found, Switch):
        yield from (ip_interface(found.fabric_address(family)).network for family in Family)
        circuits = (one for one in inventory.pop(device.pop).circuits if one.switch == device.name)
        both = (circuit.addresses(family) for circuit in circuits for family in Family)
        yield from (addresses.local.network for addresses in both if addresses is not None)
    else:
        both_ends = (one.address(family) for one in found.interfaces for family in Family)
        yield from (own.network for own in both_ends if own is not None)
    yield from (ip_network(hop.address) for hop in device.next_hops)


def _known_interfaces(inventory: Inventory, device: DeviceIntent) -> FrozenSet[str]:
    found = inventory.device(device.name)
    if isinstance(found, Host):
        return frozenset(uplink.interface for uplink in found.uplinks)
    if isinstance(found, Switch):
        return frozenset((found.fabric, *(port.name for port in found.ports)))
    return frozenset(one.name for one in found.interfaces)


def _of_routers(pop: Pop) -> Iterator[Tuple[IPNetwork, str, bool]]:
    for router in pop.routers:
        for interface in router.interfaces:
            for own in (interface.ipv4, interface.ipv6):
                if own is not None:
                    yield own.network, f"the network of {interface.name} on {router.name} ({own.network})", False


def _precious(inventory: Inventory, device: DeviceIntent) -> Iterator[Tuple[IPNetwork, str, bool]]:
    """Networks that no route may cover, what each is, and whether a route to a part of it is harmless."""
    for one in inventory.devices:
        try:
            yield ip_network(ip_address(one.ssh.address)), f"the management address of {one.name}", False
        except ValueError:
            continue  # a name: only the deploy itself can tell
    pop = inventory.pop(device.pop)
    for switch in pop.switches:
        for family in Family:
            fabric = ip_interface(switch.fabric_address(family)).network
            yield fabric, f"the fabric of {switch.name} ({fabric})", False
    yield from _of_routers(pop)
    for circuit in pop.circuits:
        for family in Family:
            addresses = circuit.addresses(family)
            if addresses is not None:
                yield addresses.local.network, f"the subnet of circuit {circuit.name}", False
    for host in pop.hosts:
        for address in host.service:
            yield ip_network(address), f"the service address {address} of {host.name}", False
    for prefix in device.own_prefixes:
        yield prefix, f"the own prefix {prefix} as a whole", True
