"""What templates see of the policy towards providers, beside what each session has of its own."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Optional

from netorch.model.bogons import BOGON_PREFIXES, GLOBAL_UNICAST, TRANSIT_FREE, AsnRange, refused_asns
from netorch.model.intent import ORIGIN_OWN, ORIGIN_RELATIONS, RELATION_COMMUNITY, DeviceIntent, Session
from netorch.model.reject_reasons import REJECT_COMMUNITY, REJECT_REASONS, reason_named
from netorch.model.rejected import Evidence, Rules
from netorch.model.types import IPAddress, IPNetwork, family_of, is_inside
from netorch.render.plain import Bounds, Scrubbed
from netorch.render.sources_view import registered_of

ROLES = {"transit": "customer", "peer": "peer", "ixp": "peer", "customer": "provider"}
"""What we are to a provider of each relation, RFC 9234 section 4.1. Sessions at an exchange are with its members."""

RECEIVE_FACTOR, RECEIVE_MORE = 2, 1000
"""A session may send so many times the prefixes that are accepted of it, and so many more, before it is closed."""

_STANDARD_ASNS = 65535
_FIRST_RETRY_S = 60

# Reserved by RFC 1997 and meant for everybody, so that they are kept (IANA, "Well-known Communities"): graceful shutdown (RFC
# 8326), LLGR_STALE and NO_LLGR (RFC 9494), NO_EXPORT, NO_ADVERTISE, NO_EXPORT_SUBCONFED (RFC 1997), NOPEER (RFC 3765). BLACKHOLE
# (RFC 7999) is looked at for itself.
_KEPT = (0, 6, 7, 666, 65281, 65282, 65283, 65284)


@dataclass(frozen=True)
class NeverVia:
    """Numbers that cannot be behind a provider, under a ``name`` that follows from them: most sessions share them."""

    name: str
    asns: tuple[AsnRange, ...]


@dataclass(frozen=True)
class CustomerView:
    """A session with a customer."""

    neighbor: IPAddress
    asn: int


def policy_view(device: DeviceIntent) -> dict[str, Any]:
    """The names that templates may use of the policy; numbers of reasons are ``reasons.NAME``."""
    sessions = [session for session in device.sessions if session.kind == "provider"]
    policies = [session.import_policy for session in sessions if session.import_policy is not None]
    via = next((session.peer_asn for session in sessions if session.peer == device.default_route_via), 0)
    return {
        "bogon_asns": policies[0].bogon_asns if policies else refused_asns((device.asn,)),
        "customer_asns": sorted(
            {s.peer_asn for s in sessions if s.import_policy and s.import_policy.relation == "customer"}
        ),
        "default_asn": via,
        "longest_paths": sorted({policy.max_path_length for policy in policies}),
        "never_via_lists": sorted(
            {never_via_of(s) for s in sessions if never_via_of(s).asns}, key=lambda one: one.name
        ),
        "origin_community": RELATION_COMMUNITY,
        "origins": {"own": ORIGIN_OWN, **ORIGIN_RELATIONS},
        "reasons": {reason.name: reason.code for reason in REJECT_REASONS},
        "reject_community": REJECT_COMMUNITY,
        "scrubbed": tuple(_scrubbed(device.asn)),
        "scrubbed_large": tuple(_scrubbed_large(device.asn)),
    }


def _scrubbed(own_asn: int) -> Iterable[Scrubbed]:
    if own_asn <= _STANDARD_ASNS:
        yield Scrubbed(_range(own_asn), None, "our own")
    yield Scrubbed(_range(0), None, "reserved, RFC 1997")
    yield Scrubbed(_range(64512, 65534), None, "of private AS numbers, RFC 6996")
    edges = (-1, *_KEPT, 65536)
    for before, after in pairwise(edges):
        if before + 1 < after:
            yield Scrubbed(_range(65535), _range(before + 1, after - 1), "reserved, RFC 1997")


def _scrubbed_large(own_asn: int) -> Iterable[Scrubbed]:
    yield Scrubbed(_range(own_asn), None, "our own")
    for one in refused_asns(()):
        if "documentation" not in one.reason:
            yield Scrubbed(one, None, one.reason)


def _range(first: int, last: Optional[int] = None) -> AsnRange:
    return AsnRange(first, first if last is None else last, "")


def role_of(session: Session) -> str:
    """Our role towards a provider; "" where it is not told."""
    policy = session.import_policy
    return ROLES[policy.relation] if policy is not None and policy.role else ""


def listed_of(session: Session) -> Optional[tuple[IPNetwork, ...]]:
    """All that a provider may announce of the session's family, in order; None for no such list."""
    policy = session.import_policy
    if policy is None or policy.prefixes is None:
        return None
    return tuple(sorted(policy.prefixes, key=lambda p: (int(p.network_address), p.prefixlen)))


def accepted_of(session: Session, *, universe: IPNetwork, default: Optional[IPNetwork]) -> tuple[Bounds, ...]:
    """The prefixes that a provider may announce: ``default`` where it is wanted, and within the lengths all that is listed, of
    ``universe``; that itself where there is no list."""
    policy = session.import_policy
    if policy is None:
        return ()
    limits = policy.limits
    found = [] if default is None else [Bounds(default, 0, 0)]
    listed = listed_of(session)
    for prefix in (universe,) if listed is None else listed:
        if prefix.prefixlen <= limits.max_length and is_inside(prefix, universe):
            found.append(Bounds(prefix, max(prefix.prefixlen, limits.min_length), limits.max_length))
    return tuple(found)


def never_via_of(session: Session) -> NeverVia:
    """The numbers that cannot be behind a provider, in order."""
    policy = session.import_policy
    asns = tuple(AsnRange(asn, asn, TRANSIT_FREE.get(asn, "")) for asn in policy.never_via) if policy else ()
    digest = zlib.crc32(" ".join(str(one.first) for one in asns).encode())
    return NeverVia(f"never_via_{digest:08x}", asns)


def receive_limit_of(session: Session) -> int:
    """How many routes a session may send, refused ones included: what is kept of them takes memory."""
    policy = session.import_policy
    return RECEIVE_FACTOR * policy.limits.max_prefixes + RECEIVE_MORE if policy else 0


def retry_s_of(session: Session) -> int:
    """The longest time until a session that was closed over its limit is tried again."""
    policy = session.import_policy
    return max(_FIRST_RETRY_S, 60 * policy.over_limit.retry_minutes) if policy else 0


def rules_of(device: DeviceIntent, session: Session) -> Rules:
    """What decides on a provider's routes, as far as prefix, path and next hop do; the session must have an import policy."""
    policy = session.import_policy
    assert policy is not None
    family = session.family
    return Rules(
        own_asn=device.asn,
        neighbor=session.neighbor,
        neighbor_asn=session.peer_asn,
        own=tuple(prefix for prefix in device.own_prefixes if family_of(prefix) is family),
        bogons=tuple(bogon.prefix for bogon in BOGON_PREFIXES[family]),
        universe=GLOBAL_UNICAST[family],
        shortest=policy.limits.min_length,
        longest=policy.limits.max_length,
        listed=listed_of(session),
        takes_default=session.peer == device.default_route_via,
        max_path_length=policy.max_path_length,
        bogon_asns=policy.bogon_asns,
        never_via=policy.never_via,
        has_role=policy.role and policy.relation != "transit",
        excluded=tuple(network for network in device.excluded if family_of(network) is family),
    )


def evidence_of(session: Session) -> tuple[Evidence, ...]:
    """The route maps by which FRR tells what was refused for reasons that do not show in a route itself, in order."""
    found = [("path_own_asn", "why_own_asn")]
    if session.import_policy is not None and session.import_policy.rpki:
        found.append(("rpki_invalid", "why_rpki_invalid"))
    registered = registered_of(session)
    if registered is not None:
        found.append(("irr_prefix", f"why_{registered.symbol}"))
        found.append(("irr_origin", f"why_{registered.origins}"))
    found.append(("blackhole", "why_blackhole"))
    return tuple(Evidence(reason_named(name).code, route_map) for name, route_map in found)
