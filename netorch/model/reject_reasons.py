"""Why a route of a provider is refused: the one list that filters, ``netorch rejected`` and the documentation share.

A refused route that its daemon keeps apart carries the large community OWN:9:CODE. Reasons are tried in the order of the list,
and the first that holds is the route's. Codes and names are fixed: operators' tools count by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

REJECT_COMMUNITY = 9
"""Large community OWN:9:CODE on a route that was refused for the reason CODE. No accepted route has one."""


@dataclass(frozen=True)
class RejectReason:
    """``name`` is for programs and options, ``text`` what is wrong with such a route, ``source`` who says so."""

    code: int
    name: str
    text: str
    source: str


REJECT_REASONS = (
    RejectReason(10, "default_route", "a default route that this switch does not take", "RFC 7454 section 6.1.6"),
    RejectReason(11, "prefix_own", "our own address space", "RFC 7454 section 6.1.4"),
    RejectReason(12, "prefix_bogon", "special-purpose or unassigned address space", "RFC 6890, RFC 7454 section 6.1.1"),
    RejectReason(
        16, "prefix_excluded", "a network that links stand in, or that nobody may announce", "RFC 7454 section 6.1.5"
    ),
    RejectReason(13, "prefix_short", "shorter than the shortest prefix accepted", "RFC 7454 section 6.1.3"),
    RejectReason(14, "prefix_long", "longer than the longest prefix accepted", "RFC 7454 section 6.1.3"),
    RejectReason(
        15, "prefix_unlisted", "not among the prefixes that the inventory lists for it", "RFC 7454 section 6.1.2"
    ),
    RejectReason(20, "path_first_as", "the first AS of the path is not the neighbour's", "RFC 4271 section 6.3"),
    RejectReason(21, "path_as_set", "the path holds an AS_SET", "RFC 9774"),
    RejectReason(22, "path_long", "the path is longer than the longest accepted", "RFC 7454 section 9"),
    RejectReason(23, "path_bogon_asn", "the path holds an AS number that nobody may use", "RFC 7607, 6793, 6996, 7300"),
    RejectReason(24, "path_own_asn", "the path holds our own AS number", "RFC 4271 section 9.1.2"),
    RejectReason(25, "path_never_via", "the path holds a network that cannot be behind this one", "RFC 7908 section 3"),
    RejectReason(30, "next_hop", "the next hop is not the neighbour", "RFC 7454 section 10"),
    RejectReason(40, "rpki_invalid", "its origin is invalid by RPKI", "RFC 6811, RFC 7115"),
    RejectReason(41, "irr_prefix", "the prefix is not registered for this neighbour", "RFC 7454 section 6.1.2"),
    RejectReason(42, "irr_origin", "the origin AS is not registered behind this neighbour", "RFC 7454 section 9"),
    RejectReason(50, "otc_leak", "a leak by its Only to Customer attribute", "RFC 9234 section 5"),
    RejectReason(60, "blackhole", "it asks to be blackholed, which this neighbour may not, or not there", "RFC 7999"),
    RejectReason(99, "other", "refused without a reason: by a template of the operator's own", ""),
)


def reason_of(code: int) -> Optional[RejectReason]:
    """The reason with ``code``; None for a code that is none."""
    return next((reason for reason in REJECT_REASONS if reason.code == code), None)


def reason_named(name: str) -> RejectReason:
    """The reason called ``name``; KeyError where there is none."""
    for reason in REJECT_REASONS:
        if reason.name == name:
            return reason
    raise KeyError(name)
