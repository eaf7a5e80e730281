"""What the emulated providers announce: as many prefixes as asked for, the same in every run, and some bad ones.

A part of a provider's prefixes is common to all providers, the rest is its own. AS paths end in the same origin at every
provider and differ in length, so that none is best everywhere.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from itertools import count, islice
from math import gcd
from typing import NamedTuple, cast

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
    for address, length, path in good_routes(inventory, provider, family):
        yield Announcement(ip_network((address, length)), path)


def expected_prefixes(
    inventory: Inventory, provider: str, family: Family
) -> tuple[frozenset[IPNetwork], frozenset[IPNetwork]]:
    """What ``provider`` announces, as (to be accepted, to be refused)."""
    good = frozenset(good_prefixes(inventory, provider, family))
    return good, frozenset(bad.prefix for bad in bad_announcements(inventory, provider, family))


def good_prefixes(inventory: Inventory, provider: str, family: Family) -> Iterator[IPNetwork]:
    """As many different acceptable prefixes as the inventory's lab section asks of ``provider``."""
    return (ip_network(number) for number in _good_numbers(inventory, provider, family))


def good_routes(inventory: Inventory, provider: str, family: Family) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """The good announcements as numbers: network address, prefix length, path. Quick enough for a full table."""
    seed = zlib.crc32(provider.encode())
    avoid = {AS_TRANS, inventory.asn, *(other.asn for other in inventory.providers)}
    for address, length in _good_numbers(inventory, provider, family):
        yield address, length, _path(address, length, seed=seed, avoid=avoid)


def _good_numbers(inventory: Inventory, provider: str, family: Family) -> Iterator[tuple[int, int]]:
    speaker = speaker_of(inventory, provider)
    wanted = speaker.prefixes_ipv4 if family is Family.IPV4 else speaker.prefixes_ipv6
    common = int(wanted * COMMON_SHARE)
    bad = (announcement.prefix for announcement in bad_announcements(inventory, provider, family))
    seen = {(int(prefix.network_address), prefix.prefixlen) for prefix in bad}
    for seed, share in (("common", common), (provider, wanted - common)):
        for number in islice(_unseen(_walk(inventory, family, seed), seen), share):
            seen.add(number)
            yield number


def _unseen(numbers: Iterator[tuple[int, int]], seen: set[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    return (number for number in numbers if number not in seen)


def bad_announcements(inventory: Inventory, provider: str, family: Family) -> tuple[Announcement, ...]:
    """Bogons, the network's own space, over-specific prefixes, over-long paths and loops."""
    limits = inventory.policy.limits(family)
    path = (3000 + zlib.crc32(provider.encode()) % 500,)
    own = [prefix for prefix in inventory.own_prefixes if prefix.version == family.number]
    found = [Announcement(ip_network(text), path, "bogon") for text in _ANNOUNCED_BOGONS[family]]
    found += [Announcement(prefix, path, "own prefix") for prefix in own]
    for prefix in own:
        inside = ip_network((int(prefix.network_address), prefix.prefixlen + 2))
        found.append(Announcement(inside, path, "inside an own prefix"))
    spare = islice(_walk(inventory, family, "spare"), 64)
    addresses = [address for address, length in spare if length < limits.max_length][:5]
    for address, length in zip(
        addresses, (limits.max_length + 1, limits.max_length + 4, family.host_length), strict=False
    ):
        found.append(Announcement(ip_network((address, length)), path, "over-specific"))
    long_path = tuple(4000 + number for number in range(inventory.policy.max_path_length + 1))
    found.append(Announcement(ip_network((addresses[3], limits.max_length)), long_path, "path too long"))
    looped = (*path, inventory.asn, 5000)
    found.append(Announcement(ip_network((addresses[4], limits.max_length)), looped, "own ASN in the path"))
    return tuple({bad.prefix: bad for bad in found}.values())


def _walk(inventory: Inventory, family: Family, seed: str) -> Iterator[tuple[int, int]]:
    """Different prefixes as (network address, length), until the space is used up; ``seed`` decides which."""
    bits = family.host_length
    low, high = int(_SPACE[family][0].network_address), int(_SPACE[family][1].broadcast_address) + 1
    starts, ends = _excluded(inventory, family)
    lengths = _lengths(inventory, family)
    start = _mix(zlib.crc32(seed.encode()))
    # By length: the first network, how many there are, the next position. A step that shares no divisor with their number
    # visits each once before any comes again.
    first = {length: low >> (bits - length) for length in lengths}
    size = {length: (high - low) >> (bits - length) for length in lengths}
    step = {length: _coprime_step(size[length]) for length in lengths}
    left = dict(size)
    for number in count():
        length = lengths[_mix(start ^ number) % len(lengths)]
        if not left[length]:
            if not any(left.values()):
                return
            continue
        position = (start + (size[length] - left[length]) * step[length]) % size[length]
        left[length] -= 1
        address = (first[length] + position) << (bits - length)
        last = address | ((1 << (bits - length)) - 1)
        before = bisect_right(starts, last) - 1
        if before < 0 or ends[before] < address:
            yield address, length


def _excluded(inventory: Inventory, family: Family) -> tuple[list[int], list[int]]:
    """First and last addresses of the ranges that no good prefix touches, in order and apart from each other."""
    own = (prefix for prefix in inventory.own_prefixes if prefix.version == family.number)
    ranges = collapse_addresses(cast("Iterable[IPv4Network]", (*BOGONS[family], *own)))
    ordered = sorted((int(network.network_address), int(network.broadcast_address)) for network in ranges)
    return [first for first, _ in ordered], [last for _, last in ordered]


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


def _path(address: int, length: int, *, seed: int, avoid: set[int]) -> tuple[int, ...]:
    """Up to four networks in between, which depend on the provider, and the origin, which does not.

    Most prefixes of an origin share one path, the others two more: about five prefixes to a path in a full table, as on the
    Internet. Daemons store equal attributes once, so that their memory and speed depend on this.
    """
    key = _mix(address ^ (address >> 64) ^ (length << 57))
    origin = 10_000 + key % 50_000 if key >> 60 else 131_072 + key % 250_000
    variant = max(0, (key >> 32) % 8 - 5)
    mixed = _mix(origin ^ seed ^ (variant << 40))
    hops = (0, 1, 1, 1, 2, 2, 2, 3, 3, 4)[mixed % 10]
    path = (*[2000 + 100 * hop + (mixed >> (8 * hop + 8)) % 100 for hop in range(hops)], origin)
    return path if avoid.isdisjoint(path) else tuple(asn + 1 if asn in avoid else asn for asn in path)


def _mix(value: int) -> int:
    """Scatter 64 bits (the finaliser of splitmix64: Steele, Lea, Flood 2014)."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK64
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK64
    return value ^ (value >> 31)
