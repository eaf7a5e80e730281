"""Rules about what each provider may announce, as the inventory lists it."""

from __future__ import annotations

from collections.abc import Iterator

from netorch.inventory.lint.rules import ERROR, NOTE, WARNING, A, Rule, Spot, carried, of_provider, providers
from netorch.inventory.tree import NETWORK, Tree
from netorch.model.bogons import SHORTEST_HELD
from netorch.model.types import Family, family_of, is_inside


def _prefix_list(tree: Tree) -> Iterator[Spot]:
    for path, provider in providers(tree):
        if provider.relation == "transit" or provider.prefixes or provider.irr is not None:
            continue
        if provider.relation == "customer":
            found = "a customer without a list of its prefixes: whatever it announces is believed, and passed on"
            hint = "prefixes: [...], all that it may announce, or irr: its AS-SET"
            yield of_provider(path, provider, key="relation", message=found, hint=hint)
        else:
            found = f"{A[provider.relation]}: nothing says which prefixes are its own and its customers'"
            yield of_provider(path, provider, key="relation", message=found, hint="irr: its AS-SET", level=NOTE)


def _list_of_one_family(tree: Tree) -> Iterator[Spot]:
    for path, provider in providers(tree):
        listed = {family_of(prefix) for prefix in provider.prefixes}
        for family in carried(tree, provider.name):
            if listed and family not in listed:
                found = f"{provider.name} has circuits with {family.value}, and no prefix of it listed: all of it is refused"
                hint = f"list its {family.value} prefixes, or leave {family.value} out of its circuits"
                yield of_provider(path, provider, key="prefixes", message=found, hint=hint)


def _long_list(tree: Tree) -> Iterator[Spot]:
    for path, provider in providers(tree):
        for family in Family:
            longest = getattr(tree.network.policy, family.value).max_length
            listed = [prefix for prefix in provider.prefixes if family_of(prefix) is family]
            if listed and all(prefix.prefixlen > longest for prefix in listed):
                found = (
                    f"all {family.value} prefixes of {provider.name} are longer than /{longest}: every one is refused"
                )
                hint = "list what it announces; policy: max_length is for everybody"
                yield of_provider(path, provider, key="prefixes", message=found, hint=hint)


def _never_accept(tree: Tree) -> Iterator[Spot]:
    refused = tree.network.policy.never_accept
    for at, prefix in enumerate(refused):
        if prefix.prefixlen < SHORTEST_HELD[prefix.version]:
            found = f"{prefix} is a large part of the Internet, and nobody may announce what is inside"
            yield Spot(NETWORK, ("policy", "never_accept", at), str(prefix), found, "list what nobody may announce")
    for path, provider in providers(tree):
        listed = provider.prefixes
        if listed and all(any(is_inside(prefix, other) for other in refused) for prefix in listed):
            found = f"all that {provider.name} may announce is in policy.never_accept"
            yield of_provider(path, provider, key="prefixes", message=found, hint="one of the two is wrong")


def _wide_list(tree: Tree) -> Iterator[Spot]:
    own = [service.prefix for site in tree.sites for service in site.keys.prefixes]
    for path, provider in providers(tree):
        where, hint = (*path, "prefixes"), "list what is its own"
        for at, prefix in enumerate(provider.prefixes):
            held = next((each for each in own if is_inside(each, prefix)), None)
            if prefix.prefixlen < SHORTEST_HELD[prefix.version]:
                found = f"{prefix} is more than anybody holds: the list lets in what it is there to stop"
                yield of_provider(where, provider, key=at, message=found, hint=hint)
            elif held is not None:
                found = f"{prefix} holds our own {held}, so it is wider than what {provider.name} holds"
                yield of_provider(where, provider, key=at, message=found, hint=hint, level=WARNING)


RULES = (
    Rule(
        "prefix-list",
        ERROR,
        "a customer can announce anybody's addresses, and our transits hear it from us",
        "RFC 7454 section 6.2.2; MANRS for network operators, action 1",
        _prefix_list,
    ),
    Rule(
        "list-of-one-family",
        WARNING,
        "all that a provider announces of the other family is refused",
        "docs/policy.md",
        _list_of_one_family,
    ),
    Rule("long-list", WARNING, "the session comes up and carries nothing", "docs/policy.md", _long_list),
    Rule("never-accept", WARNING, "routes that are wanted are refused", "docs/policy.md", _never_accept),
    Rule(
        "wide-list",
        ERROR,
        "a list that holds everything is none",
        "RFC 7454 section 6.2.2; MANRS for network operators, action 1",
        _wide_list,
    ),
)
