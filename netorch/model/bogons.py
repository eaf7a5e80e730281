"""Address space and AS numbers that have no business in the global routing table, with the source of each entry.

IANA keeps the registries: "IPv4 Special-Purpose Address Registry", "IPv6 Special-Purpose Address Registry" (RFC 6890),
"Special-Purpose AS Numbers" (RFC 7249). An entry refuses the prefix and everything inside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from typing import Iterable, Mapping, Optional, Tuple

from netorch.model.types import Family, IPNetwork


@dataclass(frozen=True)
class Bogon:
    """A prefix that nobody may announce, and why."""

    prefix: IPNetwork
    reason: str


@dataclass(frozen=True)
class AsnRange:
    """AS numbers that no path may hold, both ends inclusive, and why."""

    first: int
    last: int
    reason: str


def _bogons(text: str) -> Tuple[Bogon, ...]:
    pairs = (line.split(maxsplit=1) for line in text.strip().splitlines())
    return tuple(Bogon(ip_network(prefix), reason) for prefix, reason in pairs)


_IPV4 = """
0.0.0.0/8        this network, RFC 791
10.0.0.0/8       private use, RFC 1918
100.64.0.0/10    shared address space, RFC 6598
127.0.0.0/8      loopback, RFC 1122
169.254.0.0/16   link local, RFC 3927
172.16.0.0/12    private use, RFC 1918
192.0.0.0/24     IETF protocol assignments, RFC 6890
192.0.2.0/24     documentation, RFC 5737
192.88.99.0/24   6to4 relay anycast, withdrawn by RFC 7526
192.168.0.0/16   private use, RFC 1918
198.18.0.0/15    benchmarking, RFC 2544
198.51.100.0/24  documentation, RFC 5737
203.0.113.0/24   documentation, RFC 5737
224.0.0.0/4      multicast, RFC 5771
240.0.0.0/4      reserved, RFC 1112, and limited broadcast, RFC 919
"""

# All inside global unicast space; whatever lies outside of that is refused as a whole.
_IPV6 = """
2001::/32        Teredo, RFC 4380
2001:2::/48      benchmarking, RFC 5180
2001:10::/28     ORCHID, returned, RFC 4843
2001:20::/28     ORCHIDv2, not routable, RFC 7343
2001:db8::/32    documentation, RFC 3849
2002::/16        6to4, its relays withdrawn by RFC 7526
3ffe::/16        6bone, returned, RFC 3701
3fff::/20        documentation, RFC 9637
"""

BOGON_PREFIXES: Mapping[Family, Tuple[Bogon, ...]] = {Family.IPV4: _bogons(_IPV4), Family.IPV6: _bogons(_IPV6)}

GLOBAL_UNICAST: Mapping[Family, Optional[IPNetwork]] = {
    Family.IPV4: None,
    Family.IPV6: ip_network("2000::/3"),  # RFC 4291 section 2.4, "IPv6 Global Unicast Address Assignments" of IANA
}

SHORTEST_HELD = {4: 8, 6: 16}
"""By IP version: nobody holds more than one prefix of that length. A list with a shorter one lets in what it is there to stop."""

BOGON_ASNS = (
    AsnRange(0, 0, "reserved, RFC 7607"),
    AsnRange(23456, 23456, "AS_TRANS, RFC 6793"),
    AsnRange(64512, 65534, "private use, RFC 6996"),
    AsnRange(65535, 65535, "reserved, RFC 7300"),
    AsnRange(65552, 131071, "reserved, IANA's registry of AS numbers"),
    AsnRange(4200000000, 4294967294, "private use, RFC 6996"),
    AsnRange(4294967295, 4294967295, "reserved, RFC 7300"),
)

DOCUMENTATION_ASNS = (
    AsnRange(64496, 64511, "documentation, RFC 5398"),
    AsnRange(65536, 65551, "documentation, RFC 5398"),
)
"""Refused like the others, except by a network that uses such numbers itself, as examples do."""

# Networks that buy transit from nobody. Whoever else announces a path through one of them leaks it, unless it sells transit.
# Source: NLNOG BGP Filter Guide, "Filter 'Tier 1' networks" (bgpfilterguide.nlnog.net); the names are those of PeeringDB.
TRANSIT_FREE = {
    174: "Cogent",
    701: "Verizon",
    1299: "Arelion",
    2914: "NTT",
    3257: "GTT",
    3320: "Deutsche Telekom",
    3356: "Lumen",
    3491: "PCCW Global",
    4134: "China Telecom",
    5511: "Orange",
    6453: "Tata Communications",
    6461: "Zayo",
    6762: "Telecom Italia Sparkle",
    6830: "Liberty Global",
    7018: "AT&T",
}


def refused_asns(in_use: Iterable[int]) -> Tuple[AsnRange, ...]:
    """The numbers that no path may hold, in order, in a network where ``in_use`` are its own and its neighbours' numbers."""
    used = tuple(in_use)
    documented = any(one.first <= asn <= one.last for one in DOCUMENTATION_ASNS for asn in used)
    ranges = BOGON_ASNS if documented else (*BOGON_ASNS, *DOCUMENTATION_ASNS)
    return tuple(sorted(ranges, key=lambda one: one.first))
