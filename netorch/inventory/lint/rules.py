"""What a rule of ``netorch lint`` is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from netorch.inventory.document import Path
from netorch.inventory.schema_network import ProviderKeys
from netorch.inventory.schema_pops import CircuitKeys
from netorch.inventory.tree import PROVIDERS, Site, Tree
from netorch.model.types import Family

ERROR, WARNING, NOTE = "error", "warning", "note"
"""It leaks, lets in or loses routes; it will, on a bad day; it is worth a thought."""

A = {"peer": "a peer", "customer": "a customer", "ixp": "at an exchange"}
"""What a provider that is no transit is, in words."""


@dataclass(frozen=True)
class Spot:
    """One place where a rule is broken. ``of`` is the name of the thing that it is about: a provider, circuit, switch, POP or
    prefix; "" for the whole network. ``level`` is the rule's own where left out."""

    file: str
    path: Path
    of: str
    message: str
    hint: str
    level: str = ""


@dataclass(frozen=True)
class Rule:
    """``why`` says in one sentence what goes wrong, ``source`` who says so."""

    name: str
    level: str
    why: str
    source: str
    check: Callable[[Tree], Iterator[Spot]]


def providers(tree: Tree) -> Iterator[tuple[Path, ProviderKeys]]:
    """Every provider that has a circuit, with its path in providers.yml."""
    used = {circuit.provider for _, _, circuit in circuits(tree)}
    for at, provider in enumerate(tree.providers.providers):
        if provider.name in used:
            yield ("providers", at), provider


def circuits(tree: Tree) -> Iterator[tuple[Site, Path, CircuitKeys]]:
    """Every circuit, with its POP and its path in the POP's file."""
    for site in tree.sites:
        for at, circuit in enumerate(site.keys.circuits):
            yield site, ("circuits", at), circuit


def carried(tree: Tree, provider: str) -> tuple[Family, ...]:
    """The families that some circuit of ``provider`` carries, IPv4 first."""
    of_provider = [circuit for _, _, circuit in circuits(tree) if circuit.provider == provider]
    has = {Family.IPV4: any(c.ipv4 for c in of_provider), Family.IPV6: any(c.ipv6 for c in of_provider)}
    return tuple(family for family in Family if has[family])


def of_provider(
    path: Path, provider: ProviderKeys, *, key: str | int, message: str, hint: str, level: str = ""
) -> Spot:
    """A spot at one of a provider's keys, or at the provider where it does not have that key."""
    return Spot(PROVIDERS, (*path, key), provider.name, message, hint, level)
