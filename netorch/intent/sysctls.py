"""Kernel settings that the design needs, each with its reason.

Names are those of sysctl(8): a dot inside an interface's name is written as a slash.
"""

from __future__ import annotations

from collections.abc import Iterator

from netorch.model.inventory import Host, Router, Switch

# Layer 4 hash for routes with several next hops: one flow keeps one way out, many flows use all of them.
_MULTIPATH = (
    ("net.ipv4.fib_multipath_hash_policy", "1"),
    ("net.ipv6.fib_multipath_hash_policy", "1"),
)


def switch_sysctls(switch: Switch, *, has_feed: bool) -> tuple[tuple[str, str], ...]:
    """The settings of a switch, in the order in which they must be made. ``has_feed``: the mirror's agent runs there."""
    fabric = _written(switch.fabric)
    return (
        # First, since the kernel resets redirects and the like when forwarding changes.
        ("net.ipv4.ip_forward", "1"),
        ("net.ipv6.conf.all.forwarding", "1"),
        *_MULTIPATH,
        # The switch knows no route to the Internet's addresses: even a loose check would drop all that comes from providers.
        # The kernel takes the greater of the two values.
        ("net.ipv4.conf.all.rp_filter", "0"),
        (f"net.ipv4.conf.{fabric}.rp_filter", "0"),
        # Traffic from a provider to a host enters and leaves by the same interface on purpose. Either value switches it on.
        ("net.ipv4.conf.all.send_redirects", "0"),
        (f"net.ipv4.conf.{fabric}.send_redirects", "0"),
        (f"net.ipv4.conf.{fabric}.accept_redirects", "0"),
        (f"net.ipv6.conf.{fabric}.accept_redirects", "0"),
        # Providers share this interface: none may give the switch a router or a prefix.
        (f"net.ipv6.conf.{fabric}.accept_ra", "0"),
        # Somebody who takes it down and up again must not lose every IPv6 session until the addresses are configured anew.
        (f"net.ipv6.conf.{fabric}.keep_addr_on_down", "1"),
        *_address_resolution(),
        *(_quick_resolution(fabric) if has_feed else ()),
    )


def host_sysctls(host: Host) -> tuple[tuple[str, str], ...]:
    """The settings of a host, in the order in which they must be made."""
    settings = [
        *_MULTIPATH,
        # Loose: an answer may arrive by another uplink than the one that a packet left by. The main table is the union of
        # all providers, so that only sources that nobody routes are dropped. The kernel takes the greater of `all` and the
        # interface's own value, which makes an interface's 1 loose as well.
        ("net.ipv4.conf.all.rp_filter", "2"),
        # Who is next hop for what is BGP's to say. A device that does not forward takes redirects while either value allows.
        ("net.ipv4.conf.all.accept_redirects", "0"),
        # Before Linux 6.3 the default of 4096 counts the exceptions of a full table too.
        ("net.ipv6.route.max_size", "2147483647"),
        *_address_resolution(),
    ]
    for uplink in host.uplinks:
        interface = _written(uplink.interface)
        settings += [
            # A next hop behind an uplink without carrier is skipped at once: until BGP has rewritten the tables, permanent
            # neighbour entries would keep it in use. The setting of `all` does not reach interfaces that exist.
            (f"net.ipv4.conf.{interface}.ignore_routes_with_linkdown", "1"),
            (f"net.ipv6.conf.{interface}.ignore_routes_with_linkdown", "1"),
            # Providers share the segment: none may give a host a router, a prefix or a better next hop.
            (f"net.ipv4.conf.{interface}.accept_redirects", "0"),
            (f"net.ipv6.conf.{interface}.accept_redirects", "0"),
            (f"net.ipv6.conf.{interface}.accept_ra", "0"),
            # An uplink that was taken down comes back with its IPv6 address, as it does with its IPv4 address.
            (f"net.ipv6.conf.{interface}.keep_addr_on_down", "1"),
        ]
    return tuple(settings)


def router_sysctls(router: Router) -> tuple[tuple[str, str], ...]:
    """The settings of a router of the underlay, in the order in which they must be made."""
    settings = [
        # First, since the kernel resets redirects and the like when forwarding changes.
        ("net.ipv4.ip_forward", "1"),
        ("net.ipv6.conf.all.forwarding", "1"),
        *_MULTIPATH,
        *_router_sources(router),
    ]
    for one in router.interfaces:
        interface = _written(one.name)
        if one.link is not None:
            settings += [
                # A link without carrier is skipped at once, before the underlay has noticed.
                (f"net.ipv4.conf.{interface}.ignore_routes_with_linkdown", "1"),
                (f"net.ipv6.conf.{interface}.ignore_routes_with_linkdown", "1"),
            ]
        settings += [
            # Who is next hop for what is the underlay's to say, and nobody on a LAN may give the router a router.
            (f"net.ipv4.conf.{interface}.accept_redirects", "0"),
            (f"net.ipv6.conf.{interface}.accept_redirects", "0"),
            (f"net.ipv6.conf.{interface}.accept_ra", "0"),
        ]
    return tuple(settings)


def _router_sources(router: Router) -> Iterator[tuple[str, str]]:
    """Loose: with several ways of equal cost an answer may arrive by another link than the one that a packet left by.

    RIP over IPv4 has nothing but a packet's source to tell a neighbour by, and FRR tells the interface by it, too (ripd/ripd.c
    rip_read()): where it is spoken, nobody on a LAN gets through with a source of elsewhere.
    """
    if router.underlay.protocol != "rip":
        yield "net.ipv4.conf.all.rp_filter", "2"
        return
    # The kernel takes the greater of `all` and the interface's own value.
    yield "net.ipv4.conf.all.rp_filter", "0"
    for one in router.interfaces:
        yield f"net.ipv4.conf.{_written(one.name)}.rp_filter", "1" if one.link is None else "2"


def _quick_resolution(fabric: str) -> tuple[tuple[str, str], ...]:
    # The mirror's agent probes every provider's address more than once a second. A router that does not answer one probe is
    # asked for among all, and its successor's answer counts at once: a swap without gratuitous ARP is seen within a second. With
    # the kernel's defaults it is 4 s, and the lock time alone would make it 2 s, since the probe counts as an update. 240 ms are
    # whole ticks at 100, 250, 300 and 1000 Hz: anything else is read back as another number than was written.
    both = (("retrans_time_ms", "240"), ("ucast_solicit", "1"), ("mcast_resolicit", "3"))
    return (
        *((f"net.{family}.neigh.{fabric}.{name}", value) for family in ("ipv4", "ipv6") for name, value in both),
        (f"net.ipv4.neigh.{fabric}.locktime", "0"),
    )


def _address_resolution() -> tuple[tuple[str, str], ...]:
    # Requests name an address of the interface that they leave by, and only such addresses are answered for: service
    # addresses on lo stay invisible to ARP on the shared segment.
    return (
        ("net.ipv4.conf.all.arp_announce", "2"),
        ("net.ipv4.conf.all.arp_ignore", "1"),
    )


def _written(interface: str) -> str:
    return interface.replace(".", "/")
