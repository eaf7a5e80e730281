"""What each version of a routing daemon can: the one place that the rest of netorch asks.

A release is known by the front of its version: ``2.17`` stands for 2.17.0 and 2.17.5, ``2.0.12`` for itself alone. Only
releases that were tried are listed; there is no guess about those between them.

Source: the daemons' release notes (BIRD: NEWS); what differs in their output, samples in tests/parse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

Version = Tuple[int, ...]


@dataclass(frozen=True)
class Capabilities:
    """One release of a daemon. ``has_templates``: netorch renders for it; the others can at most be looked at.

    ``roles``: BGP roles (RFC 9234). ``typed_functions``: a filter's function must state the type that it returns.
    ``braced_cases``: a body of ``case`` with several statements stands in braces. ``internal_attributes``: ``show route
    all`` names attributes as filters do (``bgp_path``), not as ``BGP.as_path``. ``statistics_columns``: of a channel's
    counters in ``show protocols all``. ``reload_filters``: there is ``reload filters``, which asks nobody for routes.
    ``rejects_as_sets``: paths with AS_SET are refused unless told otherwise (RFC 9774). ``authentication``: a password is
    introduced by a keyword of its own, and warned of without it.
    """

    daemon: str
    release: str
    has_templates: bool = False
    roles: bool = False
    typed_functions: bool = False
    braced_cases: bool = False
    internal_attributes: bool = False
    statistics_columns: int = 0
    reload_filters: bool = False
    rejects_as_sets: bool = False
    authentication: bool = False


RELEASES = (
    Capabilities("bird", "2.0.12", has_templates=True, roles=True, statistics_columns=5),
    Capabilities("bird", "2.17", roles=True, typed_functions=True, statistics_columns=5),
    Capabilities(
        "bird",
        "3.1",
        roles=True,
        typed_functions=True,
        braced_cases=True,
        internal_attributes=True,
        statistics_columns=7,
        reload_filters=True,
        authentication=True,
    ),
    Capabilities("frr", "8.4.4", roles=True),
    Capabilities("frr", "10.3", roles=True),
)


def capabilities_of(daemon: str, version: Optional[str]) -> Optional[Capabilities]:
    """What ``version`` of ``daemon`` can; None for a release that is not known."""
    if version is None:
        return None
    return next((known for known in RELEASES if known.daemon == daemon and is_release(version, known.release)), None)


def is_release(version: str, release: str) -> bool:
    """Whether ``version`` (``2.17.5``, ``8.4.4-1.1``) is one of ``release`` (``2.17``)."""
    wanted, found = parse_version(release), parse_version(version)
    return bool(wanted) and found[: len(wanted)] == wanted


def parse_version(text: str) -> Version:
    """The numbers that ``text`` begins with; () if it begins with none. A distribution's suffix is left out."""
    numbers = []
    for part in text.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers)


def supported_versions() -> Tuple[str, ...]:
    """``bird 2.0.12``, ...: what netorch has templates for, in words."""
    return tuple(f"{known.daemon} {known.release}" for known in RELEASES if known.has_templates)
