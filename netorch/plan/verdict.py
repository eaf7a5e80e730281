"""Why a route is refused, found out from the route itself: for daemons that keep refused routes without a reason.

The rules are those of the filters that netorch renders (``provider_policy.conf.j2`` of either daemon), tried in the order of
``REJECT_REASONS``. What takes more than prefix, path and next hop is not among them.
"""

from __future__ import annotations

import re
from typing import Optional, Tuple

from netorch.model.reject_reasons import reason_named
from netorch.model.rejected import Received, Rules
from netorch.model.types import IPNetwork

_NUMBER = re.compile(r"\d+")


def refused_for(route: Received, rules: Rules) -> Optional[int]:
    """The code of the first reason to refuse ``route``; None where prefix, path and next hop give none."""
    name = _by_prefix(route.prefix, rules) or _by_path(route.path, rules)
    if not name and route.next_hop != rules.neighbor:
        name = "next_hop"
    return reason_named(name).code if name else None


def _by_prefix(prefix: IPNetwork, rules: Rules) -> str:
    if prefix.prefixlen == 0:
        return "" if rules.takes_default else "default_route"
    if _inside(prefix, rules.own):
        return "prefix_own"
    if _inside(prefix, rules.bogons) or (rules.universe is not None and not _inside(prefix, (rules.universe,))):
        return "prefix_bogon"
    if _inside(prefix, rules.excluded):
        return "prefix_excluded"
    if prefix.prefixlen < rules.shortest:
        return "prefix_short"
    if prefix.prefixlen > rules.longest:
        return "prefix_long"
    return "" if rules.listed is None or _inside(prefix, rules.listed) else "prefix_unlisted"


def _by_path(path: Tuple[str, ...], rules: Rules) -> str:
    numbers = [int(number) for word in path for number in _NUMBER.findall(word)]
    if path[:1] != (str(rules.neighbor_asn),):
        return "path_first_as"
    if any(not word.isdigit() for word in path):
        return "path_as_set"
    if len(path) > rules.max_path_length:
        return "path_long"
    if any(one.first <= number <= one.last for number in numbers for one in rules.bogon_asns):
        return "path_bogon_asn"
    if rules.own_asn in numbers:
        return "path_own_asn"
    return "path_never_via" if set(numbers) & set(rules.never_via) else ""


def _inside(prefix: IPNetwork, networks: Tuple[IPNetwork, ...]) -> bool:
    return any(
        prefix.version == network.version
        and prefix.prefixlen >= network.prefixlen
        and prefix.network_address in network
        for network in networks
    )
