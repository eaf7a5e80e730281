"""Steps of verbs that ask hosts what a prefix means to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Tuple

from netorch.model.types import IPNetwork


@dataclass(frozen=True)
class CountRoutes:
    """Step: to how many prefixes inside ``prefix``, itself among them, ``hosts`` have routes that can be used. Result: a
    ``RoutesInside`` by host; who cannot say is told, and missing."""

    hosts: Tuple[str, ...]
    prefix: IPNetwork


@dataclass(frozen=True)
class RoutesInside:
    """``all`` counts prefixes that any provider announces, each once; ``by_provider`` those of each."""

    all: int
    by_provider: Mapping[str, int]


@dataclass(frozen=True)
class MeasureTraffic:
    """Step: how much leaves ``hosts`` for ``prefix`` through their uplinks, watched for ``window_s``. Result: bits per second by
    host, with ``by_provider`` a mapping of them by provider for each host, "" for what goes to none; who cannot say is told, and
    missing."""

    hosts: Tuple[str, ...]
    prefix: IPNetwork
    window_s: float = 3.0
    by_provider: bool = False
