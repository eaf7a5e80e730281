"""What routers are meant to be: whom they speak to over which link, and what they may tell each other of."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address

from netorch.intent.symbols import adjacency_name, session_symbol
from netorch.intent.sysctls import router_sysctls
from netorch.model.capabilities import begins_bfd, bfd_comes_up
from netorch.model.intent import DeviceIntent, Interface, Session, UnderlayIntent, UnderlayInterface
from netorch.model.inventory import Interface as RouterInterface
from netorch.model.inventory import Inventory, Link, Pop, Router
from netorch.model.types import Family, IPAddress, IPNetwork

DEFAULT_COST = 10
"""OSPF's cost of an interface that does not say otherwise: the daemons' own defaults differ (BIRD: 10; FRR reckons one from the
speed that the kernel tells)."""

_UNKNOWN = IPv6Address(0)


def router_intent(inventory: Inventory, pop: Pop, router: Router) -> DeviceIntent:
    """The intent of one router of ``pop``. Pure."""
    return DeviceIntent(
        name=router.name,
        pop=pop.name,
        role="router",
        daemon=router.daemon,
        version=router.version,
        asn=inventory.asn if router.asn is None else router.asn,
        router_id=router.router_id,
        own_prefixes=inventory.own_prefixes,
        originated=(),
        service=(),
        sessions=tuple(_sessions(inventory, pop, router)),
        interfaces=tuple(
            Interface(one.name, "lan" if one.link is None else "link", "" if one.link is None else one.link.router)
            for one in router.interfaces
        ),
        sysctls=router_sysctls(router),
        underlay=_underlay(pop, router),
    )


def _underlay(pop: Pop, router: Router) -> UnderlayIntent:
    protocol = router.underlay.protocol
    speakers = [other for other in pop.routers if other.underlay.protocol == protocol]
    return UnderlayIntent(
        protocol=protocol,
        area=router.underlay.area,
        interfaces=tuple(
            UnderlayInterface(
                name=one.name,
                families=tuple(Family) if one.is_unnumbered else tuple(f for f in Family if one.address(f) is not None),
                passive=one.link is None,
                cost=DEFAULT_COST if one.cost is None else one.cost,
            )
            for one in router.interfaces
        ),
        networks=tuple(dict.fromkeys(network for other in speakers for network in _networks(other))),
        announced=tuple(_networks(router)),
    )


def _networks(router: Router) -> Iterator[IPNetwork]:
    """Its LANs; and its links, but for BGP, which needs no way to them (RFC 7938 section 5.2.3)."""
    for one in router.interfaces:
        if one.link is None or router.underlay.protocol != "bgp":
            for family in Family:
                address = one.address(family)
                if address is not None:
                    yield address.network


def _sessions(inventory: Inventory, pop: Pop, router: Router) -> Iterator[Session]:
    routers = {other.name: other for other in pop.routers}
    taken: set[str] = set()
    for one in router.interfaces:
        if one.link is not None:
            found = _link_sessions(inventory, router, one, link=one.link, peer=routers[one.link.router], taken=taken)
            for session in found:
                taken.add(session.name)
                yield session


def _link_sessions(
    inventory: Inventory, router: Router, one: RouterInterface, *, link: Link, peer: Router, taken: set[str]
) -> Iterator[Session]:
    protocol = router.underlay.protocol
    far = peer.interface(link.interface)
    base = f"{peer.name.removesuffix(f'.{peer.pop}')}_{one.name}"
    if one.is_unnumbered:
        name = session_symbol(base, None, taken=taken)
        yield _bgp(inventory, name, one, router=router, peer=peer, family=Family.IPV6, ends=None)
        return
    for family in Family:
        mine, theirs = one.address(family), far.address(family)
        if mine is None or theirs is None:
            continue
        if protocol == "bgp":
            name = session_symbol(base, family, taken=taken)
            yield _bgp(inventory, name, one, router=router, peer=peer, family=family, ends=(mine.ip, theirs.ip))
        else:
            yield Session(
                name=adjacency_name(protocol, family, one.name),
                kind="router",
                peer=peer.name,
                family=family,
                peer_asn=0,
                local=mine.ip,
                neighbor=theirs.ip,
                interface=one.name,
                protocol=protocol,
            )


def _bgp(
    inventory: Inventory,
    name: str,
    one: RouterInterface,
    *,
    router: Router,
    peer: Router,
    family: Family,
    ends: tuple[IPAddress, IPAddress] | None,
) -> Session:
    local, neighbor = ends or (_UNKNOWN, _UNKNOWN)
    daemons = (router.daemon, router.version), (peer.daemon, peer.version)
    return Session(
        name=name,
        kind="router",
        peer=peer.name,
        family=family,
        peer_asn=peer.asn or 0,
        local=local,
        neighbor=neighbor,
        interface=one.name,
        bfd=ends is not None or bfd_comes_up(*daemons),
        bfd_first=ends is not None and begins_bfd(*daemons),
        bfd_timers=inventory.bfd.fabric,
        also=() if ends else (Family.IPV4,),
    )
