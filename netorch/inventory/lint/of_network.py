"""Rules about bounds, POPs, and what is announced."""

from __future__ import annotations

from collections.abc import Iterator

from netorch.inventory.lint.rules import ERROR, NOTE, WARNING, Rule, Spot, circuits
from netorch.inventory.tree import NETWORK, PROVIDERS, Tree
from netorch.model.types import Family

_ACCEPTED = {Family.IPV4: (8, 24), Family.IPV6: (16, 48)}
"""The lengths that networks accept of each other."""

_LONG_PATHS = (32, 128)
"""Real paths, prepends and all, stay below the first; the second is beyond every mistake that was seen."""


def _bounds(tree: Tree) -> Iterator[Spot]:
    for family, (shortest, longest) in _ACCEPTED.items():
        limits = getattr(tree.network.policy, family.value)
        where = ("policy", family.value)
        if limits.max_length > longest:
            found = f"expected at most {longest}, found {limits.max_length}: more-specifics that nobody else accepts win here"
            yield Spot(NETWORK, (*where, "max_length"), family.value, found, "leave it out")
        if limits.min_length < shortest:
            found = f"expected at least {shortest}, found {limits.min_length}: no registry hands out that much"
            yield Spot(NETWORK, (*where, "min_length"), family.value, found, "leave it out", WARNING)
    least, most = _LONG_PATHS
    length = tree.network.policy.max_path_length
    if not least <= length <= most:
        message = f"expected between {least} and {most}, found {length}"
        hint = "below, prepended routes are lost; above, paths made to break others get in"
        yield Spot(NETWORK, ("policy", "max_path_length"), "", message, hint, WARNING)


def _guards(tree: Tree) -> Iterator[Spot]:
    guards = tree.network.policy.guards
    if guards.removals_percent >= 100:
        found = "expected less than 100, found 100: one deploy may close every session of a POP"
        yield Spot(NETWORK, ("policy", "guards", "removals_percent"), "", found, "--allow-removals is for the one time")
    if guards.capacity_percent <= 0:
        found = "expected more than 0, found 0: a drain may leave a POP without any circuit"
        yield Spot(NETWORK, ("policy", "guards", "capacity_percent"), "", found, "--allow-capacity is for the one time")
    tolerance = tree.network.policy.tolerance
    for key, percent in (
        ("prefix_drop_percent", tolerance.prefix_drop_percent),
        ("fib_drop_percent", tolerance.fib_drop_percent),
    ):
        if percent >= 100:
            found = "expected less than 100, found 100: a deploy that loses all routes is not taken back"
            yield Spot(NETWORK, ("policy", "tolerance", key), "", found, "leave it out")
    if tree.network.registries.max_change_percent >= 100:
        found = (
            "expected less than 100, found 100: a registry that loses a provider's prefixes takes them off the filters"
        )
        yield Spot(NETWORK, ("registries", "max_change_percent"), "", found, "--accept is for the one time")


def _announced_length(tree: Tree) -> Iterator[Spot]:
    for site in tree.sites:
        for at, service in enumerate(site.keys.prefixes):
            _, longest = _ACCEPTED[Family.IPV4 if service.prefix.version == 4 else Family.IPV6]
            if service.prefix.prefixlen > longest:
                found = f"{service.prefix} is longer than /{longest}: most of the Internet will not accept it"
                hint = f"announce a /{longest} or shorter around it"
                yield Spot(site.file, ("prefixes", at, "prefix"), str(service.prefix), found, hint)


def _single_originator(tree: Tree) -> Iterator[Spot]:
    for site in tree.sites:
        for at, service in enumerate(site.keys.prefixes):
            if len(service.originators) == 1:
                found = f"{service.prefix} is announced while {service.originators[0]} runs, and by no other host"
                hint = "name a second originator"
                yield Spot(site.file, ("prefixes", at, "originators"), str(service.prefix), found, hint)


def _single_way_out(tree: Tree) -> Iterator[Spot]:
    for site in tree.sites:
        lines = site.keys.circuits
        for kind, names in (
            ("provider", {line.provider for line in lines}),
            ("switch", {line.switch for line in lines}),
        ):
            if lines and len(names) == 1:
                found = f"all circuits of {site.name} are of one {kind}, {next(iter(names))}: it cannot be drained"
                yield Spot(site.file, ("circuits",), site.name, found, f"a circuit of another {kind}")


def _default_route(tree: Tree) -> Iterator[Spot]:
    relations = {provider.name: provider.relation for provider in tree.providers.providers}
    for site in tree.sites:
        for at, switch in enumerate(site.keys.switches):
            via = switch.default_route_via
            if via is not None and relations[via] != "transit":
                found = f"{via} is a {relations[via]}, which takes nobody's packets to the rest of the Internet"
                where = ("switches", at, "default_route_via")
                yield Spot(site.file, where, site.full_name(switch.name), found, "name a transit")


def _one_family(tree: Tree) -> Iterator[Spot]:
    for site, path, circuit in circuits(tree):
        versions = {service.prefix.version for service in site.keys.prefixes}
        for version, addresses in ((4, circuit.ipv4), (6, circuit.ipv6)):
            if version in versions and addresses is None:
                found = f"{circuit.name} carries no IPv{version}, in which {site.name} announces prefixes"
                yield Spot(site.file, path, circuit.name, found, f"ipv{version}: {{local, neighbor}}")


def _password(tree: Tree) -> Iterator[Spot]:
    relations = {provider.name: provider.relation for provider in tree.providers.providers}
    for site, path, circuit in circuits(tree):
        if relations[circuit.provider] == "ixp" and circuit.password is None and not circuit.keys:
            found = f"{circuit.name} shares its segment with others, and its sessions have no password"
            yield Spot(site.file, path, circuit.name, found, "password: a reference (docs/secrets.md)")


def _unused_provider(tree: Tree) -> Iterator[Spot]:
    used = {circuit.provider for _, _, circuit in circuits(tree)}
    for at, provider in enumerate(tree.providers.providers):
        if provider.name not in used:
            hint = "hosts keep a mark and a table for it; remove it when it will not come back"
            yield Spot(PROVIDERS, ("providers", at), provider.name, f"{provider.name} has no circuit", hint)


RULES = (
    Rule("bounds", ERROR, "routes win or vanish here that nobody else has", "RFC 7454 sections 6.1.3 and 9", _bounds),
    Rule(
        "guards", WARNING, "one command may take a POP off the Internet without a question", "docs/deploy.md", _guards
    ),
    Rule(
        "announced-length",
        ERROR,
        "the prefix is not reachable from most of the Internet",
        "RFC 7454 section 6.1.3",
        _announced_length,
    ),
    Rule(
        "single-originator",
        WARNING,
        "one host's failure withdraws the prefix from the Internet",
        "docs/policy.md",
        _single_originator,
    ),
    Rule("single-way-out", WARNING, "its maintenance is an outage", "docs/drain.md", _single_way_out),
    Rule(
        "default-route", ERROR, "the switch cannot reach most of the Internet", "RFC 7454 section 6.1.6", _default_route
    ),
    Rule("one-family", NOTE, "the POP is not reachable by that circuit in one family", "RFC 6540", _one_family),
    Rule(
        "session-password",
        NOTE,
        "a neighbour on the segment can reset or take the session",
        "RFC 7454 section 5.1",
        _password,
    ),
    Rule(
        "unused-provider",
        NOTE,
        "names and numbers that mean nothing wait to be used by mistake",
        "docs/inventory.md",
        _unused_provider,
    ),
)
