"""When a change of announcements is too dangerous."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Sequence, Tuple

from netorch.api import (
    Facts,
    GuardRefused,
    IPNetwork,
    UsageError,
    VerbContext,
    WrongSetting,
    counted,
    family_of,
    is_inside,
)

from .hear import HEARD, Hearing, Line, is_lasting, lines, will_hear
from .scope import Scope

SETTINGS = ("max_changes", "max_length_ipv4", "max_length_ipv6")
_DEFAULTS = {"max_changes": 10, "max_length_ipv4": 24, "max_length_ipv6": 48}
_HIGHEST = {"max_changes": 10000, "max_length_ipv4": 32, "max_length_ipv6": 128}

JUDGED = frozenset({"last", "removals", "no-export"})
"""Guards of a deploy that the plugin has answered by its own before it begins."""

Change = Tuple[Line, Hearing, Hearing]
"""A line, what its neighbour hears, and what it will hear."""


def mistakes(settings: Mapping[str, Any]) -> Tuple[WrongSetting, ...]:
    """What is wrong with the plugin's own settings."""
    found: List[WrongSetting] = []
    for name in SETTINGS:
        value = settings.get(name, _DEFAULTS[name])
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _HIGHEST[name]:
            found.append(WrongSetting((name,), f"expected a whole number from 1 to {_HIGHEST[name]}, found {value!r}"))
    return tuple(found)


def refuse_long(context: VerbContext, scope: Scope) -> None:
    """GuardRefused for a part that is longer than what providers accept."""
    name = f"max_length_{family_of(scope.prefix).value}"
    longest = int(context.settings.get(name, _DEFAULTS[name]))
    if scope.prefix.prefixlen > longest:
        raise GuardRefused(
            f"refused (long): {scope.prefix} is longer than /{longest}, the most that networks accept from each other:"
            " nobody beyond the provider would hear it",
            hint=f"announce a part of /{longest} or shorter, or --allow-long if this provider takes more"
            f" ({name} below settings of the plugin announce says so for good)",
        )


def refuse_invalid(scope: Scope, state: Optional[str], changes: Sequence[Change], *, asn: int) -> None:
    """GuardRefused for an announcement that is new and that whoever validates drops."""
    if state == "invalid" and any(after.state == HEARD and before.state != HEARD for _, before, after in changes):
        raise GuardRefused(
            f"refused (invalid): {scope.prefix} from AS{asn} is invalid by RPKI: networks that validate refuse it",
            hint="give it a ROA (with a maximum length that covers it), or --allow-invalid",
        )


def refuse_many(context: VerbContext, changes: Sequence[Change], allowed: Optional[int]) -> None:
    """GuardRefused for more changed announcements than are allowed at once."""
    if allowed is not None and allowed < 0:
        raise UsageError(f"--allow-changes {allowed}: expected 0 or more")
    limit = allowed if allowed is not None else int(context.settings.get("max_changes", _DEFAULTS["max_changes"]))
    count = sum(before != after for _, before, after in changes)
    if count > limit:
        raise GuardRefused(
            f"refused (changes): {counted(count, 'announcement')} would change at once (limit {limit})",
            hint=f"name providers or a POP, or --allow-changes {count}",
        )


def takes_away(changes: Sequence[Change]) -> bool:
    """Whether somebody by whom the Internet comes hears of the prefix no more."""
    return any(is_lasting(before) and not is_lasting(after) for _, before, after in changes)


def refuse_last(context: VerbContext, scope: Scope, changes: Sequence[Change], *, entries: Any, facts: Facts) -> None:
    """GuardRefused when the last announcement of an own prefix goes, or of all that holds it. A session that is drained is about
    to close, and does not count, nor does what a provider keeps to itself or drops."""
    if not takes_away(changes):
        return
    intent = context.intended(entries)
    for prefix in (scope.prefix, *_around(context, scope)):
        everywhere = lines(intent, prefix, tuple(pop.name for pop in context.inventory.pops))
        if any(is_lasting(will_hear(line, prefix, facts, intent=intent)) for line in everywhere):
            return
    raise GuardRefused(
        f"refused (last): no provider would hear {scope.prefix} any more, nor anything that it is a part of, but from sessions"
        " that are down or drained, or with communities that end it there (blackhole, no-export, no-advertise)",
        hint="announce it elsewhere first, or --allow-last",
    )


def _around(context: VerbContext, scope: Scope) -> List[IPNetwork]:
    """What the prefix is a part of, of all that POPs announce."""
    announced = dict.fromkeys(service.prefix for pop in context.inventory.pops for service in pop.prefixes)
    return [one for one in announced if one != scope.prefix and is_inside(scope.prefix, one)]
