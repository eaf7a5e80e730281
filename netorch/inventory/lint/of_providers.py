"""Rules about what is accepted of providers, and what is preferred."""

from __future__ import annotations

from collections.abc import Iterator

from netorch.inventory.document import Path
from netorch.inventory.lint.rules import ERROR, NOTE, WARNING, A, Rule, Spot, carried, of_provider, providers
from netorch.inventory.schema_network import OverLimitKeys, PolicyKeys, ProviderKeys
from netorch.inventory.tree import NETWORK, PROVIDERS, Tree
from netorch.model.bogons import refused_asns
from netorch.model.types import Family

_UPHILL = {"customer": ("peer", "ixp", "transit"), "peer": ("transit",), "ixp": ("transit",), "transit": ()}
"""Whose routes a relation's are to be preferred to."""

_FULL_TABLE = {Family.IPV4: 1_000_000, Family.IPV6: 230_000}
"""About what the global table holds; source: the CIDR report and the table of AS 6447, 2025."""

_CALM_MINUTES = 5

_MOST = 0.5
"""A network that sends more than this share of the global table sends what it has of others."""


def _preference(provider: ProviderKeys, policy: PolicyKeys) -> int:
    return provider.local_preference or int(getattr(policy.local_preference, provider.relation))


def _local_preference(tree: Tree) -> Iterator[Spot]:
    """The relations' own values first; then every provider against everyone it must stay below."""
    values = tree.network.policy.local_preference
    for better, others in _UPHILL.items():
        for worse in others:
            if getattr(values, worse) >= getattr(values, better):
                found = f"expected less than {better}'s {getattr(values, better)}, found {getattr(values, worse)}"
                hint = "a path that costs money, or is longer, must not win over one that pays"
                yield Spot(NETWORK, ("policy", "local_preference", worse), worse, found, hint)
    policy, listed = tree.network.policy, list(providers(tree))
    told: set[str] = set()
    for at, provider in listed:
        for where, other in listed:
            mine, theirs = _preference(provider, policy), _preference(other, policy)
            if provider.relation not in _UPHILL[other.relation] or mine < theirs:
                continue
            of_other, of_own = f"{other.name}, a {other.relation}", f"{provider.name}, a {provider.relation}"
            if provider.local_preference is not None:
                found = f"expected a {provider.relation}'s below the {theirs} of {of_other}, found {mine}"
                yield of_provider(at, provider, key="local_preference", message=found, hint="leave it out, or lower it")
                break
            if other.local_preference is not None and other.name not in told:
                told.add(other.name)
                found = f"expected a {other.relation}'s above the {mine} of {of_own}, found {theirs}"
                yield of_provider(where, other, key="local_preference", message=found, hint="leave it out, or raise it")


def _max_prefixes(tree: Tree) -> Iterator[Spot]:
    for path, provider in providers(tree):
        for family in carried(tree, provider.name):
            limit = getattr(provider.max_prefixes, family.value)
            general = getattr(tree.network.policy, family.value).max_prefixes
            if provider.relation != "transit":
                if limit is None and not provider.peeringdb:
                    found = (
                        f"no limit of its own for {family.value}, {A[provider.relation]}: {general} prefixes are let in"
                    )
                    hint = f"max_prefixes: {{{family.value}: N}}, a fifth above what it announces"
                    yield of_provider(path, provider, key="max_prefixes", message=found, hint=hint)
                elif limit is not None and limit > _FULL_TABLE[family] * _MOST:
                    found = (
                        f"a {provider.relation} may send {limit} prefixes of {family.value}, most of the global table"
                    )
                    hint = "a limit near what it announces stops a leak of everything"
                    yield of_provider(path, provider, key="max_prefixes", message=found, hint=hint, level=WARNING)
            elif (limit or general) < _FULL_TABLE[family]:
                found = f"{limit or general} prefixes of {family.value}, fewer than the global table: the session will be closed"
                hint = "raise it, or ask the transit for part of the table and accept this finding"
                yield of_provider(path, provider, key="max_prefixes", message=found, hint=hint, level=WARNING)


def _rpki(tree: Tree) -> Iterator[Spot]:
    """Validators of the network, else of each POP: none, one, or several."""
    network = tree.network.rpki
    for site in tree.sites:
        rpki = site.keys.rpki or network
        if not site.keys.circuits:
            continue
        if rpki is None or not rpki.validators:
            found = f"sessions of {site.name} are without RPKI: whoever announces somebody's prefix is believed"
            yield Spot(
                site.file, ("circuits",), site.name, found, "rpki: {validators: [...]} in network.yml (docs/rpki.md)"
            )
        elif len({str(validator.address) for validator in rpki.validators}) == 1:
            found = f"one validator for {site.name}: while it is away, what it knew runs out"
            file, where = (site.file, ("rpki",)) if site.keys.rpki else (NETWORK, ("rpki",))
            yield Spot(file, where, site.name, found, "a second one, of other software")


def _provider_asn(tree: Tree) -> Iterator[Spot]:
    refused_ranges = refused_asns([tree.network.asn, *(provider.asn for provider in tree.providers.providers)])
    for path, provider in providers(tree):
        for refused in refused_ranges:
            if refused.first <= provider.asn <= refused.last:
                found = f"{provider.asn} may be in no path ({refused.reason}): all its routes are refused"
                hint = "agree on a public AS number with it"
                yield of_provider(path, provider, key="asn", message=found, hint=hint)


def _never_via(tree: Tree) -> Iterator[Spot]:
    """A list that somebody emptied; the default is a long one."""
    found = "{} hold nobody back: a path through the largest networks, learned {}, is a leak, and wins"
    hint = "leave it out, or list the networks that you have sessions with elsewhere"
    if tree.network.policy.never_via == []:
        message = found.format("peers, customers and exchanges", "of one of them")
        yield Spot(NETWORK, ("policy", "never_via"), "", message, hint)
    for path, provider in providers(tree):
        if provider.relation != "transit" and provider.never_via == []:
            message = found.format(f"sessions with {A[provider.relation]}", "there")
            yield of_provider(path, provider, key="never_via", message=message, hint=hint)


def _over_limit(tree: Tree) -> Iterator[Spot]:
    """Who restarts a session every minute lets a leak in every minute."""
    keys: list[tuple[str, Path, str, OverLimitKeys]] = [
        (NETWORK, ("policy", "over_limit"), "", tree.network.policy.over_limit)
    ]
    keys += [(PROVIDERS, (*path, "over_limit"), p.name, p.over_limit) for path, p in providers(tree) if p.over_limit]
    for file, where, name, limit in keys:
        if limit.action == "restart" and limit.retry_minutes < _CALM_MINUTES:
            found = f"expected {_CALM_MINUTES} minutes or more between tries, found {limit.retry_minutes}"
            yield Spot(file, (*where, "retry_minutes"), name, found, "action: disable waits for a person")


def _role(tree: Tree) -> Iterator[Spot]:
    for path, provider in providers(tree):
        if not provider.role:
            found = f"sessions with {provider.name} tell no role: a leak to or from it is not marked as one"
            yield of_provider(path, provider, key="role", message=found, hint="role: false is for who cannot")


RULES = (
    Rule(
        "local-preference",
        ERROR,
        "traffic that customers or peers would take leaves by a transit; where two networks do so, routing may never settle",
        "Gao and Rexford, Stable Internet Routing Without Global Coordination, 2001",
        _local_preference,
    ),
    Rule(
        "max-prefixes",
        ERROR,
        "a neighbour that leaks the global table is believed until somebody notices",
        "RFC 7454 section 8",
        _max_prefixes,
    ),
    Rule(
        "rpki",
        WARNING,
        "a hijacked prefix is accepted as if it were announced by its owner",
        "RFC 6811; MANRS, action 1",
        _rpki,
    ),
    Rule(
        "provider-asn",
        ERROR,
        "the session comes up and carries nothing",
        "RFC 7607, RFC 6793, RFC 6996, RFC 7300",
        _provider_asn,
    ),
    Rule(
        "never-via",
        WARNING,
        "routes of the largest networks that somebody leaks are taken for a short way",
        "NANOG 67, Peer Locking, Job Snijders, 2016",
        _never_via,
    ),
    Rule(
        "over-limit",
        WARNING,
        "a neighbour that leaks is let in again before anybody has seen it",
        "RFC 7454 section 8",
        _over_limit,
    ),
    Rule("role", NOTE, "a leak is found by nobody on its way", "RFC 9234 section 3", _role),
)
