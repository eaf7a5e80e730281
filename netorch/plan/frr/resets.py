"""Foresees which sessions a new FRR configuration starts, closes or restarts: those of BGP, and neighbours of RIP and OSPF.

What FRR applies to a running session: descriptions, route maps and other filters, limits, BFD, timers (from its next start
on). Everything else counts as a restart, so that the plan errs on the side of warning.

Source: FRR bgpd/bgpd.c, peer_flag_action_list and peer_af_flag_action_list, bgp_router_id_set(), peer_password_set(),
peer_update_source_addr_set(); tried on 8.4.4 and 10.3.
"""

from __future__ import annotations

from typing import Dict, FrozenSet, Iterator, List, Tuple

from netorch.model.plan import Reset
from netorch.plan.frr.sections import Bgp, Neighbor, read_router, sections
from netorch.plan.frr.underlay import adjacencies

_IN_PLACE = frozenset({"advertisement-interval", "bfd", "description", "shutdown", "timers"})
_FAMILY_IN_PLACE = frozenset(
    {
        "default-originate",
        "distribute-list",
        "filter-list",
        "maximum-prefix",
        "next-hop-self",
        "prefix-list",
        "remove-private-AS",
        "route-map",
        "send-community",
        "soft-reconfiguration",
        "weight",
    }
)
_COMMON_IN_PLACE = (
    "aggregate-address ",
    "bgp bestpath ",
    "bgp log-neighbor-changes",
    "bgp network import-check",
    "bgp route-reflector allow-outbound-policy",
    "distance ",
    "maximum-paths ",
    "network ",
    "no bgp network import-check",
    "no neighbor ",
    "redistribute ",
    "table-map ",
    "timers ",
)


def foresee_resets(old: str, new: str) -> Tuple[Reset, ...]:
    """What happens to each session when ``new`` replaces ``old``, both whole FRR configurations; by session name.

    Sessions that stay as they are, or stay closed, are left out.
    """
    before, after = read_router(old), read_router(new)
    common = _common(before) ^ _common(after)
    if after.neighbors and _asks_validators(new) and not _asks_validators(old):
        common |= {"rpki"}  # bgpd is started anew with the module for it
    resets: List[Reset] = []
    held = _by_new_names(before, after)
    for name in sorted(held.keys() | after.neighbors.keys()):
        was, now = held.get(name), after.neighbors.get(name)
        was_up, is_up = was is not None and not was.closed, now is not None and not now.closed
        if was_up and not is_up:
            reason = "shut down in the new configuration" if now else "not in the new configuration"
            resets.append(Reset(name, "close", reason))
        elif is_up and not was_up:
            resets.append(Reset(name, "start", "no longer shut down" if was else "new"))
        elif was is not None and now is not None and is_up:
            changed = common or _settings(was) ^ _settings(now)
            if changed:
                what = "changed for all sessions" if common else "changed"
                resets.append(Reset(name, "restart", f"{what}: {', '.join(sorted(_keywords(changed)))}"))
    return (*resets, *_neighbours(old, new))


def _asks_validators(text: str) -> bool:
    return any(section.head == "rpki" for section in sections(text))


def _by_new_names(before: Bgp, after: Bgp) -> Dict[str, Neighbor]:
    """The sessions of ``before``, called as in ``after``: to FRR the name, at the front of the description, is but a text."""
    names = {one.address: name for name, one in after.neighbors.items()}
    return {
        name if name in after.neighbors else names.get(one.address, name): one for name, one in before.neighbors.items()
    }


def _neighbours(old: str, new: str) -> Iterator[Reset]:
    """Those of RIP and OSPF."""
    before, after = adjacencies(old), adjacencies(new)
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield Reset(name, "close", "not in the new configuration")
        elif name not in before:
            yield Reset(name, "start", "new")
        elif before[name] != after[name]:
            yield Reset(name, "restart", f"changed: {', '.join(sorted(_keywords(before[name] ^ after[name])))}")


def _keywords(changed: FrozenSet[str]) -> FrozenSet[str]:
    """The words of statements that name them: never their values, one of which may be a password."""
    return frozenset(_keyword(statement) for statement in changed)


def _keyword(statement: str) -> str:
    words = statement.split()
    return " ".join(words[:2] if words[0] in ("bgp", "ipv4", "ipv6", "no", "router") else words[:1])


def _common(bgp: Bgp) -> FrozenSet[str]:
    kept = (line for line in bgp.common if not line.startswith(_COMMON_IN_PLACE))
    return frozenset((f"router bgp {bgp.asn}", *kept)) if bgp.neighbors else frozenset()


def _settings(one: Neighbor) -> FrozenSet[str]:
    general = (" ".join(words) for words in one.said if words[0] not in _IN_PLACE)
    families = (
        f"{family} {' '.join(words)}"
        for family, said in one.families.items()
        for words in said
        if words[0] not in _FAMILY_IN_PLACE
    )
    return frozenset((f"neighbor {one.address}", *general, *families))
