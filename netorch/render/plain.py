"""Values that every daemon writes alike, checked on their way: numbers, addresses, prefixes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Protocol

from netorch.errors import RenderError
from netorch.model.bogons import AsnRange
from netorch.model.types import IPNetwork, read_address, read_network


class Numbers(Protocol):
    """A range, both ends inclusive."""

    @property
    def first(self) -> int: ...

    @property
    def last(self) -> int: ...


@dataclass(frozen=True)
class Scrubbed:
    """Communities that are taken away: those whose first number is in ``asns`` and whose second in ``values``, None for any."""

    asns: AsnRange
    values: Optional[AsnRange]
    reason: str


@dataclass(frozen=True)
class Bounds:
    """Whatever in ``prefix`` has a length from ``shortest`` to ``longest``."""

    prefix: IPNetwork
    shortest: int
    longest: int


def number_text(value: object) -> str:
    """A whole number from 0 to 4294967295."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 0xFFFFFFFF:
        raise RenderError(f"expected a whole number from 0 to 4294967295, found {value!r}")
    return str(value)


def address_text(value: object) -> str:
    """An IP address without prefix length or zone."""
    try:
        return str(read_address(str(value)))
    except ValueError as exc:
        raise RenderError(f"expected an IP address without a zone, found {value!r}") from exc


def prefix_text(value: object) -> str:
    """An IP network."""
    try:
        return str(read_network(str(value)))
    except ValueError as exc:
        raise RenderError(f"expected a prefix without a zone, found {value!r}") from exc
