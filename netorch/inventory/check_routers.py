"""Whether routers fit together: links with two ends that agree, protocols that can run over them, stations at LANs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from netorch.inventory.check_addresses import address_in, check_host_part
from netorch.inventory.check_references import check_known, check_once
from netorch.inventory.document import Path
from netorch.inventory.findings import Findings
from netorch.inventory.schema_lab import StationKeys
from netorch.inventory.schema_pops import RouterInterfaceKeys, RouterKeys
from netorch.inventory.tree import LAB, Site, Tree
from netorch.model.capabilities import capabilities_of
from netorch.model.types import IPInterface


@dataclass(frozen=True)
class _End:
    """One router's interface, and where it is written."""

    site: Site
    router: RouterKeys
    interface: RouterInterfaceKeys
    path: Path

    @property
    def name(self) -> str:
        return f"{self.router.name}:{self.interface.name}"

    def addresses(self) -> tuple[tuple[str, IPInterface | None], ...]:
        return (("ipv4", self.interface.ipv4), ("ipv6", self.interface.ipv6))

    @property
    def is_unnumbered(self) -> bool:
        return self.interface.ipv4 is None and self.interface.ipv6 is None


def check_routers(tree: Tree, findings: Findings) -> None:
    """Add a finding for every router, link and station that cannot work as written."""
    for site in tree.sites:
        for at, router in enumerate(site.keys.routers):
            _check_router(site, ("routers", at), router, findings=findings)
        _check_racks(site, findings)
        for end in _ends(site):
            _check_interface(end, findings)
            if end.interface.link is None:
                _check_lan(end, findings)
            else:
                _check_link(end, tree, findings=findings)
    stations = list(enumerate(tree.lab.stations))
    check_once(findings, ((LAB, ("stations", at, "name"), station.name) for at, station in stations))
    for at, station in stations:
        _check_station(tree, ("stations", at), station, findings=findings)


def _ends(site: Site) -> Iterator[_End]:
    for at, router in enumerate(site.keys.routers):
        for which, interface in enumerate(router.interfaces):
            yield _End(site, router, interface, ("routers", at, "interfaces", which))


def _check_router(site: Site, path: Path, router: RouterKeys, *, findings: Findings) -> None:
    names = (
        (site.file, (*path, "interfaces", which, "name"), interface.name)
        for which, interface in enumerate(router.interfaces)
    )
    check_once(findings, names)
    protocol = router.underlay.protocol
    if protocol == "bgp" and router.asn is None:
        hint = "add asn: with BGP as the underlay each rack has an AS number of its own (RFC 7938)"
        findings.add(site.file, (*path, "asn"), message="required with protocol bgp", hint=hint)
    if protocol != "bgp" and router.asn is not None:
        message = f"expected none, since {protocol} knows no AS numbers, found {router.asn}"
        findings.add(site.file, (*path, "asn"), message=message, hint="leave asn out, or write protocol: bgp")
    if protocol != "ospf" and router.underlay.area is not None:
        message = f"expected none, since {protocol} knows no areas, found {router.underlay.area}"
        findings.add(site.file, (*path, "underlay", "area"), message=message)


def _check_racks(site: Site, findings: Findings) -> None:
    """A router refuses paths with its own AS number: of two with a LAN and one number neither hears of the other's LAN."""
    racks: dict[int, str] = {}
    for at, router in enumerate(site.keys.routers):
        if router.asn is None or router.underlay.protocol != "bgp" or all(one.link for one in router.interfaces):
            continue
        first = racks.setdefault(router.asn, router.name)
        if first != router.name:
            message = f"expected another AS number than {first}'s, which has a LAN too, found {router.asn} at both"
            hint = "each rack has one of its own: with one for both, neither learns of the other's LAN"
            findings.add(site.file, ("routers", at, "asn"), message=message, hint=hint)


def _check_interface(end: _End, findings: Findings) -> None:
    for family, address in end.addresses():
        if address is not None:
            check_host_part(findings, end.site.file, (*end.path, family), interface=address)
            _check_management(end, family, address, findings=findings)
    protocol = end.router.underlay.protocol
    if protocol != "ospf" and end.interface.cost is not None:
        message = f"expected none, since {protocol} knows no costs, found {end.interface.cost}"
        findings.add(end.site.file, (*end.path, "cost"), message=message)


def _check_management(end: _End, family: str, own: IPInterface, *, findings: Findings) -> None:
    """Whoever is in the subnet of an interface is looked for there: the way to a router's own controller must not be."""
    managed = address_in(end.router.ssh.address)
    if managed is None or managed not in own.network:
        return
    addresses = [one for other in end.router.interfaces for one in (other.ipv4, other.ipv6) if one is not None]
    if managed not in (one.ip for one in addresses):
        message = (
            f"expected a subnet without {managed}, the ssh address, which is on no interface here, found {own.network}"
        )
        hint = f"{end.router.name} would look for its management network on {end.interface.name}"
        findings.add(end.site.file, (*end.path, family), message=message, hint=hint)


def _check_lan(end: _End, findings: Findings) -> None:
    if end.is_unnumbered:
        hint = "add ipv4, ipv6 or both; or link, for a cable to another router"
        findings.add(end.site.file, end.path, message="a LAN without addresses", hint=hint)


def _check_link(end: _End, tree: Tree, *, findings: Findings) -> None:
    other = _other_end(end, findings)
    if other is None:
        return
    _check_protocols(end, other, findings)
    _check_asns(end, other, findings)
    if end.is_unnumbered and other.is_unnumbered:
        _check_unnumbered(end, tree, findings=findings)
        return
    for (family, address), (_, far) in zip(end.addresses(), other.addresses(), strict=True):
        if far is not None and (address is None or address.network != far.network):
            message = f"expected an address in {far.network}, the subnet of {other.name}, found {address or 'none'}"
            hint = f"it is written at {findings.place(other.site.file, (*other.path, family))}"
            findings.add(end.site.file, (*end.path, family), message=message, hint=hint)


def _other_end(end: _End, findings: Findings) -> _End | None:
    """The other end of a link; None after a finding, where it is not there or leads elsewhere."""
    link, site, where = end.interface.link, end.site, (*end.path, "link")
    if link is None:
        return None
    routers = [router.name for router in site.keys.routers]
    if not check_known(findings, site.file, where, name=link.router, kind=f"router of {site.name}", known=routers):
        return None
    ends = [other for other in _ends(site) if other.router.name == link.router]
    names = [other.interface.name for other in ends]
    kind = f"network interface of {site.full_name(link.router)}"
    if not check_known(findings, site.file, where, name=link.interface, kind=kind, known=names):
        return None
    other = ends[names.index(link.interface)]
    if other.name == end.name:
        findings.add(site.file, where, message=f"expected another interface, found this one, {end.name}")
        return None
    back = other.interface.link
    if back is None or f"{back.router}:{back.interface}" != end.name:
        leads = "is a LAN" if back is None else f"leads to {back.router}:{back.interface}"
        message = f"expected a link that {other.name} has as well, but that {leads}"
        hint = f"write link: {end.name} at {findings.place(other.site.file, other.path)}, or leave this one out"
        findings.add(site.file, where, message=message, hint=hint)
        return None
    return other


def _check_protocols(end: _End, other: _End, findings: Findings) -> None:
    """What both ends must say alike; the finding stands at the later one."""
    mine, theirs = end.router.underlay, other.router.underlay
    if other.path > end.path:
        return
    if mine.protocol != theirs.protocol:
        message = f"expected {theirs.protocol}, which {other.name} at the other end speaks, found {mine.protocol}"
        findings.add(
            end.site.file, (*end.path, "link"), message=message, hint="routers that are linked speak one protocol"
        )
    elif (mine.area or 0) != (theirs.area or 0):
        message = f"expected area {theirs.area or 0}, in which {other.name} at the other end is, found {mine.area or 0}"
        findings.add(
            end.site.file, (*end.path, "link"), message=message, hint="routers that are linked are in one area"
        )


def _check_asns(end: _End, other: _End, findings: Findings) -> None:
    if other.path > end.path or end.router.asn is None or end.router.underlay.protocol != "bgp":
        return
    if end.router.asn == other.router.asn:
        message = (
            f"expected another AS number than {other.router.name}'s at the other end, found {end.router.asn} at both"
        )
        hint = "each rack has one of its own; spines, which are not linked with each other, may share one"
        findings.add(end.site.file, (*end.path, "link"), message=message, hint=hint)


def _check_unnumbered(end: _End, tree: Tree, *, findings: Findings) -> None:
    protocol = end.router.underlay.protocol
    hint = "add ipv4, ipv6 or both, at both ends"
    if protocol != "bgp":
        findings.add(
            end.site.file, end.path, message=f"a link without addresses, over which {protocol} cannot run", hint=hint
        )
        return
    defaults = tree.network.defaults
    daemon, version = end.router.daemon or defaults.daemon, end.router.version or defaults.version
    can = capabilities_of(daemon, version)
    if can is not None and not can.unnumbered:
        message = f"a link without addresses, over which {daemon} {version} cannot start a session by itself"
        findings.add(end.site.file, end.path, message=message, hint=hint)


def _check_station(tree: Tree, path: Path, station: StationKeys, *, findings: Findings) -> None:
    routers = {site.full_name(router.name): router for site in tree.sites for router in site.keys.routers}
    where = (*path, "router")
    if not check_known(findings, LAB, where, name=station.router, kind="router", known=list(routers)):
        return
    lans = {interface.name: interface for interface in routers[station.router].interfaces if interface.link is None}
    kind = f"LAN of {station.router}"
    if not check_known(findings, LAB, (*path, "interface"), name=station.interface, kind=kind, known=list(lans)):
        return
    lan = lans[station.interface]
    if station.ipv4 is None and station.ipv6 is None:
        findings.add(LAB, path, message="a station without addresses", hint="add ipv4, ipv6 or both")
    pairs: tuple[tuple[str, IPInterface | None, IPInterface | None], ...] = (
        ("ipv4", station.ipv4, lan.ipv4),
        ("ipv6", station.ipv6, lan.ipv6),
    )
    for family, own, gateway in pairs:
        if own is None:
            continue
        if gateway is None:
            message = f"expected none, since {station.interface} of {station.router} has none, found {own}"
            findings.add(LAB, (*path, family), message=message)
        elif own.network != gateway.network:
            message = f"expected an address in {gateway.network}, the LAN of {station.router}, found {own}"
            findings.add(LAB, (*path, family), message=message)
        else:
            check_host_part(findings, LAB, (*path, family), interface=own)
