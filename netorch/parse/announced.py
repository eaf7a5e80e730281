"""What BIRD announces: ``show route ... export SESSION all``."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any, Iterable, Tuple

from netorch.errors import ParseError
from netorch.model.announced import Announcement
from netorch.model.state import Route
from netorch.model.types import IPNetwork
from netorch.parse.routes import parse_routes
from netorch.parse.textfsm_rows import refused_values


def read_bird_announcements(exported: str, shown: str, *, asn: int) -> Tuple[Announcement, ...]:
    """Read ``show route ... exported 'SESSION'``, which says what is announced, and ``show route ... export 'SESSION' all``,
    which says what the export filter makes of it. BIRD puts ``asn``, our own AS number, in front of the path on its way out.

    Raises ParseError for what is not such an answer, or cut; ReplyError where BIRD answered with an error.

    Source: BIRD nest/rt-show.c; samples of 2.0.12, 2.17.5 and 3.1.7 in tests/unit/test_announced.py.
    """
    announced = {route.prefix for route in parse_routes(exported)}
    with refused_values():
        found = {
            route.prefix: _announcement(route, asn)
            for route in reversed(parse_routes(shown, details=True))
            if route.prefix in announced
        }
    return in_order(found.values())


def _announcement(route: Route, asn: int) -> Announcement:
    path = route.bgp.as_path if route.bgp is not None else ()
    return announcement(
        route.prefix,
        (str(asn), *path),
        communities=route.bgp.communities if route.bgp is not None else (),
        large_communities=route.bgp.large_communities if route.bgp is not None else (),
    )


def announcement(
    prefix: str, path: Iterable[str], *, communities: Iterable[str], large_communities: Iterable[str]
) -> Announcement:
    """An announcement of words as daemons write them: ``64500``, ``64496:666``, ``64496:1:1``."""
    if not all(word.isdigit() for word in path):
        raise ParseError(f"expected a path of AS numbers, found {' '.join(path)!r}", where=f"announcement of {prefix}")
    numbers = (tuple(map(int, word.split(":"))) for word in communities)
    large = (tuple(map(int, word.split(":"))) for word in large_communities)
    return Announcement(
        ip_network(prefix),
        tuple(map(int, path)),
        tuple(sorted((first, second) for first, second in numbers)),
        tuple(sorted((first, second, third) for first, second, third in large)),
    )


def in_order(found: Iterable[Announcement]) -> Tuple[Announcement, ...]:
    """By prefix."""
    return tuple(sorted(found, key=_by_prefix))


def _by_prefix(one: Announcement) -> Tuple[Any, ...]:
    prefix: IPNetwork = one.prefix
    return prefix.version, int(prefix.network_address), prefix.prefixlen
