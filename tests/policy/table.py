"""The table of routes in ``bad_routes.yml``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Optional

from ruamel.yaml import YAML

from netorch.model.types import Family

FOLDER = Path(__file__).parent
DROPPING = "depot"
"""The customer that may have its own addresses dropped, which FRR cannot do: with circuits to BIRD switches alone."""


@dataclass(frozen=True)
class Entry:
    """One line of the table. ``refused`` is the reason, "" for a good route; ``to`` who hears of it, "" where it is not said."""

    provider: str
    prefix: str
    path: str = ""
    hop: str = ""
    communities: tuple[str, ...] = ()
    large: tuple[str, ...] = ()
    extended: tuple[str, ...] = ()
    otc: Optional[int] = None
    refused: str = ""
    unseen: tuple[str, ...] = ()
    kept: Optional[frozenset[str]] = None
    to: str = ""
    source: str = ""

    @property
    def family(self) -> Family:
        return Family.IPV6 if ":" in self.prefix else Family.IPV4

    @property
    def written(self) -> str:
        """The prefix as daemons write it."""
        return str(ip_network(self.prefix))


@cache
def table(section: str) -> tuple[Entry, ...]:
    """The entries of one section of the table."""
    rows = YAML(typ="safe").load((FOLDER / "bad_routes.yml").read_text())[section]
    return tuple(map(_entry, rows))


def _entry(row: dict[str, Any]) -> Entry:
    lists = {name: tuple(row[name].split()) for name in ("communities", "large", "extended") if name in row}
    kept = {"kept": frozenset(row["kept"].split())} if "kept" in row else {}
    same = {name: row[name] for name in ("prefix", "hop", "otc", "refused", "to", "source") if name in row}
    return Entry(
        row["from"], **same, **lists, **kept, path=str(row.get("path", "")), unseen=tuple(row.get("unseen", ()))
    )


def everything() -> tuple[Entry, ...]:
    """All that is sent, in this order: what is accepted comes last."""
    return tuple(entry for section in ("bad", "good", "scrubbed", "exported", "dropped") for entry in table(section))
