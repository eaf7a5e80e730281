"""What the emulated providers announce: as many prefixes as asked for, the same in every run, and some bad ones.

A part of a provider's prefixes is common to all providers, the rest is its own. AS paths end in the same origin at every
provider and differ in length, so that none is best everywhere.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import islice
from math import gcd
from typing import NamedTuple

from netorch.lab.topology import speaker_of
from netorch.model.inventory import Inventory
from netorch.model.types import Family, IPNetwork

COMMON_SHARE = 0.7
AS_TRANS = 23456  # RFC 6793: stands for a number that does not fit, so that no origin has it

# Prefix lengths and their share in percent, about as in the global tables.
_LENGTHS = {
    Family.IPV4: {24: 60, 23: 10, 22: 11, 21: 5, 20: 5, 19: 3, 18: 2, 17: 1, 16: 2, 15: 1},
    Family.IPV6: {48: 48, 44: 8, 40: 8, 36: 5, 32: 16, 33: 5, 29: 4, 47: 3, 46: 3},
}
_SPACE: dict[Family, tuple[IPNetwork, IPNetwork]] = {
    Family.IPV4: (IPv4Network("1.0.0.0/8"), IPv4Network("223.0.0.0/8")),
    Family.IPV6: (IPv6Network("2400::/12"), IPv6Network("2a00::/12")),
}

# Never on the Internet; special-purpose registries of IANA (RFC 6890 and later), RFC 6598, RFC 5180, RFC 9637.
BOGONS: dict[Family, tuple[IPNetwork, ...]] = {
    Family.IPV4: tuple(
        map(
            IPv4Network,
            (
                "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
                "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
                "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
            ),
        )
    ),
    Family.IPV6: tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"))),
}  # fmt: skip

# Announced all the same, and to be refused. BIRD itself ignores loopback, link-local and multicast, so they are left out.
_ANNOUNCED_BOGONS = {
    Family.IPV4: (
        "0.0.0.0/0", "10.0.0.0/8", "10.20.30.0/24", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16",
        "192.168.44.0/24", "198.18.0.0/15", "203.0.113.0/24",
    ),
    Family.IPV6: ("::/0", "2001:db8::/32", "2001:db8:ffff::/48", "2002::/16", "fc00::/7", "fd12:3456::/32"),
}  # fmt: skip

_MASK64 = (1 << 64) - 1


class Announcement(NamedTuple):
    """One prefix as a provider announces it. ``path`` follows the provider's own ASN; ``flaw`` says why it must be refused, ""
    for a good one."""

    prefix: IPNetwork
    path: tuple[int, ...]
    flaw: str = ""


def announcements(inventory: Inventory, provider: str, family: Family) -> Iterator[Announcement]:
    """What ``provider`` announces: bad ones first, then the good."""
    yield from bad_announcements(inventory, provider, family)
    seed = zlib.crc32(provider.encode())
    avoid = {AS_TRANS, inventory.asn, *(other.asn for other in inventory.providers)}
    for prefix in good_prefixes(inventory, provider, family):
        yield Announcement(prefix, _path(prefix, seed, avoid))


def expected_prefixes(
    inventory: Inventory, provider: str, family: Family
) -> tuple[frozenset[IPNetwork], frozenset[IPNetwork]]:
    """What ``provider`` announces, as (to be accepted, to be refused)."""
    good = frozenset(good_prefixes(inventory, provider, family))
    return good, frozenset(bad.prefix for bad in bad_announcements(inventory, provider, family))


def good_prefixes(inventory: Inventory, provider: str, family: Family) -> Iterator[IPNetwork]:
    """As many different acceptable prefixes as the inventory's lab section asks of ``provider``."""
    speaker = speaker_of(inventory, provider)
    wanted = speaker.prefixes_ipv4 if family is Family.IPV4 else speaker.prefixes_ipv6
    common = int(wanted * COMMON_SHARE)
    seen: set[IPNetwork] = {bad.prefix for bad in bad_announcements(inventory, provider, family)}
    for seed, count in (("common", common), (provider, wanted - common)):
        for prefix in islice(_unseen(_walk(inventory, family, seed), seen), count):
            seen.add(prefix)
            yield prefix


def _first_subnet(prefix: IPNetwork, length: int) -> IPNetwork:
    return ip_network((int(prefix.network_address), length))


def _unseen(prefixes: Iterator[IPNetwork], seen: set[IPNetwork]) -> Iterator[IPNetwork]:
    return (prefix for prefix in prefixes if prefix not in seen)


def bad_announcements(inventory: Inventory, provider: str, family: Family) -> tuple[Announcement, ...]:
    """Bogons, the network's own space, over-specific prefixes, over-long paths and loops."""
    limits = inventory.policy.limits(family)
    path = (3000 + zlib.crc32(provider.encode()) % 500,)
    own = [prefix for prefix in inventory.own_prefixes if prefix.version == family.number]
    found = [Announcement(ip_network(text), path, "bogon") for text in _ANNOUNCED_BOGONS[family]]
    found += [Announcement(prefix, path, "own prefix") for prefix in own]
    found += [Announcement(_first_subnet(prefix, prefix.prefixlen + 2), path, "inside an own prefix") for prefix in own]
    spare = islice(_walk(inventory, family, "spare"), 64)
    parents = [prefix for prefix in spare if prefix.prefixlen < limits.max_length][:5]
    for parent, length in zip(parents, (limits.max_length + 1, limits.max_length + 4, family.host_length)):  # noqa: B905
        found.append(Announcement(_first_subnet(parent, length), path, "over-specific"))
    long_path = tuple(4000 + number for number in range(inventory.policy.max_path_length + 1))
    found.append(Announcement(_first_subnet(parents[3], limits.max_length), long_path, "path too long"))
    looped = (*path, inventory.asn, 5000)
    found.append(Announcement(_first_subnet(parents[4], limits.max_length), looped, "own ASN in the path"))
    return tuple({bad.prefix: bad for bad in found}.values())


def _walk(inventory: Inventory, family: Family, seed: str) -> Iterator[IPNetwork]:
    """Different prefixes, without end until the space is used up; ``seed`` decides which."""
    lengths = _lengths(inventory, family)
    bits = family.host_length
    low, high = (int(network.network_address) for network in _SPACE[family])
    top = high | int(_SPACE[family][1].hostmask)
    excluded = [
        (int(network.network_address), int(network.broadcast_address))
        for network in (*BOGONS[family], *(own for own in inventory.own_prefixes if own.version == family.number))
    ]
    make = IPv4Network if family is Family.IPV4 else IPv6Network
    start = _mix(zlib.crc32(seed.encode()))
    counts = dict.fromkeys(set(lengths), 0)
    number = 0
    while True:
        length = lengths[_mix(start ^ number) % len(lengths)]
        number += 1
        # Steps by an odd number visit every network of this length once before they repeat.
        first, size = low >> (bits - length), ((top + 1) >> (bits - length)) - (low >> (bits - length))
        if counts[length] >= size:
            if all(count >= ((top + 1 - low) >> (bits - other)) for other, count in counts.items()):
                return
            continue
        position = (start + counts[length] * _coprime_step(size)) % size
        counts[length] += 1
        address = (first + position) << (bits - length)
        last = address | ((1 << (bits - length)) - 1)
        if not any(address <= high_end and last >= low_end for low_end, high_end in excluded):
            yield make((address, length))


@functools.lru_cache(maxsize=256)
def _coprime_step(size: int) -> int:
    """A step about 0.618 of ``size`` that shares no divisor with it."""
    step = max(1, int(size * 0.6180339887)) | 1
    while gcd(step, size) != 1:
        step += 2
    return step


def _lengths(inventory: Inventory, family: Family) -> list[int]:
    """A hundred prefix lengths, as often as their share; only such as the policy accepts."""
    limits = inventory.policy.limits(family)
    return [
        min(max(length, limits.min_length), limits.max_length)
        for length, share in _LENGTHS[family].items()
        for _ in range(share)
    ]


def _path(prefix: IPNetwork, seed: int, avoid: set[int]) -> tuple[int, ...]:
    """Up to four networks in between, which depend on the provider, and the origin, which does not."""
    key = _mix(int(prefix.network_address) ^ (prefix.prefixlen << 57))
    origin = 10_000 + key % 50_000 if key >> 60 else 131_072 + key % 250_000
    mixed = _mix(key ^ seed)
    hops = (0, 1, 1, 1, 2, 2, 2, 3, 3, 4)[mixed % 10]
    path = [2000 + 100 * hop + (mixed >> (8 * hop + 8)) % 100 for hop in range(hops)] + [origin]
    return tuple(asn + 1 if asn in avoid else asn for asn in path)


def _mix(value: int) -> int:
    """Scatter 64 bits (the finaliser of splitmix64: Steele, Lea, Flood 2014)."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK64
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK64
    return value ^ (value >> 31)
