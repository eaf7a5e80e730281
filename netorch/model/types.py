"""The field's own small types."""

from __future__ import annotations

import enum
import re
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Union

IPAddress = Union[IPv4Address, IPv6Address]
IPNetwork = Union[IPv4Network, IPv6Network]
IPInterface = Union[IPv4Interface, IPv6Interface]


class Family(enum.Enum):
    """An address family, by the name that BIRD gives its channels."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"

    @property
    def number(self) -> int:
        """4 or 6."""
        return 4 if self is Family.IPV4 else 6

    @property
    def host_length(self) -> int:
        """The prefix length of a single address."""
        return 32 if self is Family.IPV4 else 128


_PLAIN = re.compile(r"[0-9A-Fa-f:.]+(/[0-9.]+)?")


def read_address(text: str) -> IPAddress:
    """The address that ``text`` is; ValueError for anything else. A zone is refused: Python lets it be any text whatever, line
    ends too, and keeps it in what is then written to daemons."""
    return ip_address(_plain(text))


def read_network(text: str, *, strict: bool = True) -> IPNetwork:
    """The prefix that ``text`` is; ValueError for anything else, zones too, and with ``strict`` for bits behind its length."""
    return ip_network(_plain(text), strict=strict)


def _plain(text: str) -> str:
    if not _PLAIN.fullmatch(text):
        raise ValueError(f"expected digits, dots and colons, no zone, found {text[:80]!r}")
    return text


def family_of(value: Union[IPAddress, IPNetwork, IPInterface]) -> Family:
    """The family of an address, network or interface address."""
    return Family.IPV4 if value.version == 4 else Family.IPV6


def is_inside(network: IPNetwork, other: IPNetwork) -> bool:
    """Whether ``network`` is ``other`` or inside of it; never so across families."""
    # subnet_of wants the same version, which mypy cannot see of a union
    return network.version == other.version and network.subnet_of(other)  # type: ignore[arg-type]


class Mac(str):
    """A MAC address in lower case with colons; ValueError for anything else."""

    _PATTERN = re.compile(r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")

    def __new__(cls, text: str) -> Mac:
        value = text.lower().replace("-", ":")
        if not cls._PATTERN.match(value):
            raise ValueError(f"not a MAC address: {text!r}")
        return super().__new__(cls, value)

    @property
    def is_unicast(self) -> bool:
        """Neither multicast, nor broadcast, nor all zero: usable as a neighbour's address."""
        return not int(self[:2], 16) & 1 and self != "00:00:00:00:00:00"
