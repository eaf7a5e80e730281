"""What the words of a command mean: prefixes, POPs, providers, communities. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from netorch.api import (
    WELL_KNOWN,
    Family,
    GuardRefused,
    IPNetwork,
    Overlay,
    PrefixExport,
    Provider,
    UsageError,
    VerbContext,
    did_you_mean,
    family_of,
    is_inside,
    read_network,
)

from .amend import covering
from .entries import Place, wishes

MOST_PREPENDS = 10
_HIGHEST = {2: 0xFFFF, 3: 0xFFFFFFFF}  # RFC 1997, RFC 8092
_NUMBERS = {name: community for community, name in WELL_KNOWN.items()}


@dataclass(frozen=True)
class Scope:
    """What a command is about: ``places`` are those that it names. In ``parts`` are the POPs in which the prefix is a part of one
    that the POP announces, not that one itself."""

    prefix: IPNetwork
    parts: Tuple[str, ...]
    places: Tuple[Place, ...]

    def is_part(self, place: Place) -> bool:
        """Whether what is announced there is a part of an own prefix."""
        return place.pop in self.parts


def resolve(context: VerbContext, prefix: str, *, pop: Optional[str], providers: Sequence[str]) -> Scope:
    """The places that PREFIX, ``--pop`` and ``--to`` or ``--from`` mean.

    Raises UsageError for what means nothing, GuardRefused for a prefix outside of our own space.
    """
    network = read_prefix(prefix)
    own = context.inventory.own_prefixes
    if covering(own, network) is None:
        raise GuardRefused(
            f"refused (own): {network} is outside of our own space ({_listed(own)})",
            hint="nothing else is ever announced; own_prefixes in network.yml says what is ours",
        )
    around = {one.name: _announced_around(context, one.name, network) for one in context.inventory.pops}
    pops = tuple(name for name, found in around.items() if found is not None)
    if not pops:
        raise UsageError(f"no POP announces {network}, or what it is a part of", hint=_inside(context, network))
    if pop is not None and pop not in around:
        raise UsageError(f"no POP {pop!r}", hint=did_you_mean(pop, list(around), otherwise="there are "))
    if pop is not None and pop not in pops:
        raise UsageError(f"{pop} does not announce {network}, or what it is a part of", hint=f"{', '.join(pops)} does")
    chosen = (pop,) if pop is not None else pops
    parts = tuple(name for name in pops if around[name] != network)
    return Scope(network, parts, _places(context, network, chosen, providers=providers))


def read_prefix(text: str) -> IPNetwork:
    """PREFIX of a command line; UsageError for what is none."""
    expected = f"PREFIX: expected a prefix with its length, such as 192.0.2.0/24, found {text[:80]!r}"
    if "/" not in text:
        raise UsageError(expected, hint="write address/length")
    try:
        return read_network(text)
    except ValueError as error:
        try:
            near = read_network(text, strict=False)
        except ValueError:
            raise UsageError(expected) from error
        raise UsageError(expected, hint=f"did you mean {near}? bits behind the length must be zero") from error


def read_export(context: VerbContext, scope: Scope, provider: str, arguments: Mapping[str, Any]) -> PrefixExport:
    """What the options of ``announce`` add for ``provider``."""
    prepend = arguments["prepend"] or 0
    if not 0 <= prepend <= MOST_PREPENDS:
        raise UsageError(
            f"--prepend {prepend}: expected 0 to {MOST_PREPENDS}",
            hint="longer paths are refused by many, and help no more",
        )
    short: Dict[Tuple[int, int], None] = {}
    large: Dict[Tuple[int, int, int], None] = {}
    for text in arguments["community"]:
        found = _community(text)
        if len(found) == 2:
            short[found[0], found[1]] = None
        else:
            large[found[0], found[1], found[2]] = None
    for name in arguments["action"]:
        action = _action(context, provider, name)
        if action.community is not None:
            short[action.community] = None
        if action.large_community is not None:
            large[action.large_community] = None
    return PrefixExport(scope.prefix, False, prepend, tuple(sorted(short)), tuple(sorted(large)))


def _announced_around(context: VerbContext, pop: str, prefix: IPNetwork) -> Optional[IPNetwork]:
    """The prefix of the inventory's that ``pop`` announces, and ``prefix`` is, or is a part of."""
    return covering((service.prefix for service in context.inventory.pop(pop).prefixes), prefix)


def _places(
    context: VerbContext, prefix: IPNetwork, pops: Sequence[str], *, providers: Sequence[str]
) -> Tuple[Place, ...]:
    family = family_of(prefix)
    there = {name: providers_of(context, name, family) for name in pops}
    known = list(dict.fromkeys(provider for found in there.values() for provider in found))
    for name in providers:
        if name not in known:
            where = f"with an {'IPv4' if family is Family.IPV4 else 'IPv6'} session in {', '.join(pops)}"
            raise UsageError(f"no provider {name!r} {where}", hint=did_you_mean(name, known, otherwise="there are "))
    return tuple(
        Place(prefix, pop, provider)
        for pop, found in there.items()
        for provider in found
        if not providers or provider in providers
    )


def providers_of(context: VerbContext, pop: str, family: Family) -> Tuple[str, ...]:
    """The providers that have a session of ``family`` in ``pop``."""
    sessions = (s for switch in context.intent.in_pop(pop, "switch") for s in switch.sessions if s.kind == "provider")
    return tuple(dict.fromkeys(session.peer for session in sessions if family in session.carried))


def known_parts(overlay: Overlay, pop: str) -> Tuple[IPNetwork, ...]:
    """What was announced in ``pop`` by this plugin, whole prefixes too."""
    found = (wish for _, wish in wishes(overlay) if wish.place.pop == pop and not wish.export.withheld)
    return tuple(dict.fromkeys(wish.place.prefix for wish in found))


def _inside(context: VerbContext, prefix: IPNetwork) -> str:
    announced = [service.prefix for pop in context.inventory.pops for service in pop.prefixes]
    inside = [one for one in announced if is_inside(one, prefix)]
    return f"{_listed(inside or announced)} {'is' if len(inside or announced) == 1 else 'are'} announced"


def _listed(prefixes: Sequence[IPNetwork]) -> str:
    return ", ".join(map(str, dict.fromkeys(prefixes)))


def _community(text: str) -> Tuple[int, ...]:
    if text in _NUMBERS:
        return _NUMBERS[text]
    words = text.split(":")
    if len(words) in _HIGHEST and all(word.isascii() and word.isdecimal() for word in words):
        found = tuple(map(int, words))
        if max(found) <= _HIGHEST[len(found)]:
            return found
    hint = did_you_mean(text, list(_NUMBERS)) or "what a provider acts upon has a name with --action"
    raise UsageError(f"--community: expected A:B, A:B:C or a name such as no-export, found {text[:80]!r}", hint=hint)


def _action(context: VerbContext, provider: str, name: str) -> Any:
    found: Provider = context.inventory.provider(provider)
    names: List[str] = [action.name for action in found.actions]
    if name not in names:
        hint = did_you_mean(name, names, otherwise="it has ") or f"actions of {provider}, in providers.yml, names them"
        raise UsageError(f"--action: {provider} has no action {name!r}", hint=hint)
    return next(action for action in found.actions if action.name == name)
