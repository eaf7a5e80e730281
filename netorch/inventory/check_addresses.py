"""Whether addresses lie where they must, and belong to one thing only."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from netorch.inventory.document import Path
from netorch.inventory.findings import Findings
from netorch.inventory.schema_pops import CircuitKeys, DeviceKeys, HostKeys, RouterKeys, SwitchKeys
from netorch.inventory.tree import LAB, Site, Tree, router_id
from netorch.model.types import IPAddress, IPInterface, IPNetwork

_SSH_PORT = 22
_FAMILY_NAMES = {4: "IPv4", 6: "IPv6"}


def check_addresses(tree: Tree, findings: Findings) -> None:
    """Add a finding for every address outside of its subnet, unusable in it, or used twice."""
    for site in tree.sites:
        for path, device in site.devices():
            if isinstance(device, SwitchKeys):
                for family, fabric in (("ipv4", device.fabric.ipv4), ("ipv6", device.fabric.ipv6)):
                    check_host_part(findings, site.file, (*path, "fabric", family), interface=fabric)
            elif isinstance(device, HostKeys):
                _check_uplinks(site, path, device, findings=findings)
                _check_service(site, path, device, findings=findings)
        for at, circuit in enumerate(site.keys.circuits):
            _check_circuit(site, ("circuits", at), circuit, findings=findings)
    _check_owners(tree, findings)
    _check_router_ids(tree, findings)
    _check_ssh(tree, findings)
    _check_overlaps(tree, findings)


def _check_circuit(site: Site, path: Path, circuit: CircuitKeys, *, findings: Findings) -> None:
    for family, addresses in (("ipv4", circuit.ipv4), ("ipv6", circuit.ipv6)):
        if addresses is None:
            continue
        local: IPInterface = addresses.local
        neighbor: IPAddress = addresses.neighbor
        where = (*path, family, "neighbor")
        check_host_part(findings, site.file, (*path, family, "local"), interface=local)
        if neighbor == local.ip:
            message = f"expected the provider's address, found our own, {neighbor}"
            findings.add(site.file, where, message=message)
        elif neighbor not in local.network:
            message = f"expected an address in {local.network}, the subnet of local, found {neighbor}"
            findings.add(site.file, where, message=message)
        else:
            both = ipaddress.ip_interface(f"{neighbor}/{local.network.prefixlen}")
            check_host_part(findings, site.file, where, interface=both)


def check_host_part(findings: Findings, file: str, path: Path, *, interface: IPInterface) -> None:
    """Add a finding for the subnet's own address and its broadcast address (RFC 3021, RFC 6164: not in subnets of two)."""
    network = interface.network
    if network.max_prefixlen - network.prefixlen <= 1:
        return
    kind = ""
    if interface.ip == network.network_address:
        kind = "the address of the subnet itself"
    elif interface.version == 4 and interface.ip == network.broadcast_address:
        kind = "the subnet's broadcast address"
    if kind:
        findings.add(file, path, message=f"expected an address of a device, found {interface.ip}, {kind} ({network})")


def _check_uplinks(site: Site, path: Path, host: HostKeys, *, findings: Findings) -> None:
    for at, uplink in enumerate(host.uplinks):
        switch = site.switch(uplink.switch)
        if switch is None:
            continue
        pairs: tuple[tuple[str, IPInterface, IPInterface], ...] = (
            ("ipv4", uplink.ipv4, switch.fabric.ipv4),
            ("ipv6", uplink.ipv6, switch.fabric.ipv6),
        )
        for family, address, fabric in pairs:
            where = (*path, "uplinks", at, family)
            if address.network != fabric.network:
                subnet = f"{fabric.network}, the fabric subnet of {site.full_name(switch.name)}"
                hint = f"write {address.ip}/{fabric.network.prefixlen}" if address.ip in fabric.network else ""
                message = f"expected an address in {subnet}, found {address}"
                findings.add(site.file, where, message=message, hint=hint)
            else:
                check_host_part(findings, site.file, where, interface=address)


def _check_service(site: Site, path: Path, host: HostKeys, *, findings: Findings) -> None:
    prefixes = [service.prefix for service in site.keys.prefixes]
    for at, address in enumerate(host.service):
        if not any(address in prefix for prefix in prefixes):
            known = ", ".join(str(prefix) for prefix in prefixes) or "it has none"
            message = f"expected an address in a prefix of {site.name}, found {address}"
            findings.add(site.file, (*path, "service", at), message=message, hint=f"prefixes of {site.name}: {known}")
    for version, family in ((4, "ipv4"), (6, "ipv6")):
        carried = any(getattr(circuit, family) is not None for circuit in site.keys.circuits)
        if carried and not any(address.version == version for address in host.service):
            name = _FAMILY_NAMES[version]
            message = f"expected an {name} address, found none, though circuits of {site.name} carry {name}"
            findings.add(site.file, (*path, "service"), message=message, hint=f"add one from a prefix of {site.name}")


@dataclass(frozen=True)
class _Owned:
    """An address, where it is written, and whose it is."""

    address: IPAddress
    file: str
    path: Path
    owner: str
    kind: str


def _owned(tree: Tree) -> Iterator[_Owned]:
    for site in tree.sites:
        for path, device in site.devices():
            name = site.full_name(device.name)
            for where, address, kind in _device_addresses(path, device):
                yield _Owned(address, site.file, where, name, kind)
        for at, circuit in enumerate(site.keys.circuits):
            kind = f"circuit {circuit.name}"
            for family, addresses in (("ipv4", circuit.ipv4), ("ipv6", circuit.ipv6)):
                if addresses is None:
                    continue
                path, local, neighbor = ("circuits", at, family), addresses.local.ip, addresses.neighbor
                yield _Owned(local, site.file, (*path, "local"), site.full_name(circuit.switch), kind)
                if neighbor != local:  # has a finding of its own
                    yield _Owned(neighbor, site.file, (*path, "neighbor"), f"provider {circuit.provider}", kind)
    for at, station in enumerate(tree.lab.stations):
        for family, own in (("ipv4", station.ipv4), ("ipv6", station.ipv6)):
            if own is not None:
                yield _Owned(own.ip, LAB, ("stations", at, family), f"station {station.name}", "lab")


def _device_addresses(path: Path, device: DeviceKeys) -> Iterator[tuple[Path, IPAddress, str]]:
    if isinstance(device, SwitchKeys):
        yield (*path, "fabric", "ipv4"), device.fabric.ipv4.ip, "fabric"
        yield (*path, "fabric", "ipv6"), device.fabric.ipv6.ip, "fabric"
    elif isinstance(device, HostKeys):
        for at, uplink in enumerate(device.uplinks):
            yield (*path, "uplinks", at, "ipv4"), uplink.ipv4.ip, f"uplink {uplink.interface}"
            yield (*path, "uplinks", at, "ipv6"), uplink.ipv6.ip, f"uplink {uplink.interface}"
        for at, address in enumerate(device.service):
            yield (*path, "service", at), address, "service"
    elif isinstance(device, RouterKeys):
        for at, interface in enumerate(device.interfaces):
            for family, own in (("ipv4", interface.ipv4), ("ipv6", interface.ipv6)):
                if own is not None:
                    yield (*path, "interfaces", at, family), own.ip, f"interface {interface.name}"


def _check_owners(tree: Tree, findings: Findings) -> None:
    """Every address is written once; only SSH may use one that its device has anyway."""
    seen: dict[IPAddress, _Owned] = {}
    for found in _owned(tree):
        earlier = seen.setdefault(found.address, found)
        if earlier is not found:
            whose = f"{earlier.owner} ({earlier.kind})"
            message = f"address {found.address} is that of {whose} already, at {_place(findings, earlier)}"
            findings.add(found.file, found.path, message=message)
    for site in tree.sites:
        for path, device in site.devices():
            address = address_in(device.ssh.address)
            owner = seen.get(address) if address is not None else None
            if owner is not None and owner.owner != site.full_name(device.name):
                message = f"address {address} is that of {owner.owner} ({owner.kind}), at {_place(findings, owner)}"
                findings.add(site.file, (*path, "ssh", "address"), message=message)


def _place(findings: Findings, owned: _Owned) -> str:
    return findings.place(owned.file, owned.path)


def address_in(text: str) -> IPAddress | None:
    """The address that ``text`` is; None for a name."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _check_router_ids(tree: Tree, findings: Findings) -> None:
    seen: dict[str, tuple[str, Path, str]] = {}
    for site in tree.sites:
        for path, device in site.devices():
            found = router_id(device)
            if found is None:
                continue
            where = (*path, "router_id")
            if found in seen:
                file, earlier, name = seen[found]
                message = f"router id {found} is that of {name} already, at {findings.place(file, earlier)}"
                findings.add(site.file, where, message=message, hint="give one of them another router_id")
            else:
                seen[found] = (site.file, where, site.full_name(device.name))


def _check_ssh(tree: Tree, findings: Findings) -> None:
    seen: dict[tuple[str, int, str | None], tuple[str, Path]] = {}
    defaults = tree.network.ssh
    for site in tree.sites:
        for path, device in site.devices():
            ssh, where = device.ssh, (*path, "ssh", "address")
            key = (ssh.address, ssh.port or defaults.port or _SSH_PORT, ssh.proxy_jump or defaults.proxy_jump)
            if key in seen:
                message = f"{ssh.address} port {key[1]} is there twice, first at {findings.place(*seen[key])}"
                findings.add(site.file, where, message=message)
            else:
                seen[key] = (site.file, where)


def _check_overlaps(tree: Tree, findings: Findings) -> None:
    """Fabric subnets, LANs and links overlap nothing; circuits may share one subnet (an exchange), but not parts of one."""
    subnets: list[tuple[IPNetwork, str, Path, bool]] = []
    for site in tree.sites:
        for at, switch in enumerate(site.keys.switches):
            for family, fabric in (("ipv4", switch.fabric.ipv4), ("ipv6", switch.fabric.ipv6)):
                subnets.append((fabric.network, site.file, ("switches", at, "fabric", family), True))
        for at, circuit in enumerate(site.keys.circuits):
            for family, addresses in (("ipv4", circuit.ipv4), ("ipv6", circuit.ipv6)):
                if addresses is not None:
                    subnets.append((addresses.local.network, site.file, ("circuits", at, family, "local"), False))
        subnets += _router_subnets(site)
    subnets.sort(key=lambda one: (one[0].version, int(one[0].network_address), one[0].prefixlen))
    widest = None
    for subnet in subnets:
        if widest is None or subnet[0].version != widest[0].version or not _inside(subnet[0], widest[0]):
            widest = subnet
        elif subnet[0] != widest[0] or subnet[3] or widest[3]:
            _add_overlap(findings, subnet, widest)


def _router_subnets(site: Site) -> Iterator[tuple[IPNetwork, str, Path, bool]]:
    """Those of LANs, and a link's once, though both of its ends are in it; links that lead elsewhere have findings of their
    own."""
    links = {(router.name, i.name): i.link for router in site.keys.routers for i in router.interfaces}
    seen: set[tuple[frozenset[tuple[str, str]], IPNetwork]] = set()
    for at, router in enumerate(site.keys.routers):
        for which, interface in enumerate(router.interfaces):
            here, link = (router.name, interface.name), interface.link
            there = here if link is None else (link.router, link.interface)
            back = links.get(there)
            if link is not None and (back is None or (back.router, back.interface) != here):
                continue
            for family, own in (("ipv4", interface.ipv4), ("ipv6", interface.ipv6)):
                if own is not None and (frozenset((here, there)), own.network) not in seen:
                    seen.add((frozenset((here, there)), own.network))
                    yield own.network, site.file, ("routers", at, "interfaces", which, family), True


def _inside(inner: IPNetwork, outer: IPNetwork) -> bool:
    """Whether ``inner``, which sorts after ``outer``, lies in it (prefixes never overlap by halves)."""
    return int(inner.network_address) <= int(outer.broadcast_address)


def _add_overlap(
    findings: Findings, one: tuple[IPNetwork, str, Path, bool], other: tuple[IPNetwork, str, Path, bool]
) -> None:
    """The finding stands at the later of both, the earlier is named."""
    first, later = sorted((one, other), key=lambda subnet: (subnet[1], findings.place(subnet[1], subnet[2])))
    message = f"subnet {later[0]} overlaps {first[0]}, at {findings.place(first[1], first[2])}"
    findings.add(later[1], later[2], message=message)
