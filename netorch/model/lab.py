"""How the lab plays what is not ours."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface
from typing import Optional, Tuple

from netorch.model.types import IPNetwork


@dataclass(frozen=True)
class LabSpeaker:
    """How the lab plays one provider. Milliseconds one way, loss in percent of packets that arrive on it."""

    provider: str
    speaker: str = "bird"
    prefixes_ipv4: int = 100
    prefixes_ipv6: int = 100
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss_percent: float = 0.0


@dataclass(frozen=True)
class LabStation:
    """An ordinary machine at a router's LAN, in the lab only. ``router`` is the router's full name; its address on
    ``interface`` is the station's default gateway."""

    name: str
    router: str
    interface: str
    ipv4: Optional[IPv4Interface] = None
    ipv6: Optional[IPv6Interface] = None


@dataclass(frozen=True)
class Roa:
    """An entry of a validator's list: ``asn`` may announce ``prefix``, and what is inside of it up to ``max_length``."""

    prefix: IPNetwork
    max_length: int
    asn: int


@dataclass(frozen=True)
class LabValidator:
    """How the lab plays a validator: its list, and the seconds that it tells those who ask."""

    name: str
    roas: Tuple[Roa, ...] = ()
    refresh_s: int = 3600
    retry_s: int = 600
    expire_s: int = 7200
