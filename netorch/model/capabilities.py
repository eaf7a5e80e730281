"""What each version of a routing daemon can: the one place that the rest of netorch asks.

A release is known by the front of its version: ``2.17`` stands for 2.17.0 and 2.17.5, ``2.0.12`` for itself alone. Only
releases that were tried are listed; there is no guess about those between them.

Source: each tried with ``bird -p`` of 2.0.12, 2.17.5 and 3.1.7; what differs in their output, samples in tests/parse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

Version = Tuple[int, ...]


@dataclass(frozen=True)
class Capabilities:
    """One release of a daemon, and what tells it from others. ``has_templates``: netorch renders for it; the others can at
    most be looked at.

    ``typed_functions``: a filter's function states the type that it returns (older releases refuse that, these warn without
    it). ``authentication``: a password is introduced by ``authentication md5`` (older ones refuse that, these warn without it);
    instead of one, there may be keys of TCP-AO.
    ``internal_attributes``: ``show route all`` names attributes as filters do (``bgp_path``), not as ``BGP.as_path``.
    ``statistics_columns``: of a session's counters in ``show protocols all`` (those of a pipe are always five).
    ``kernel_in_step``: routes are in the kernel as they are in the daemon, also those whose number inside the daemon belonged to
    another route before, and those that gained or lost a next hop. BIRD 3.1 remembers such numbers: in a table of several next
    hops (``merge paths``) those that its export filter refused, in any table those that it read from the kernel. Tried with
    3.1.7, where sysdep/unix/krt.c ``krt_rt_notify`` and nest/rt-table.c ``rt_export_merged`` do that.
    ``mends_next_hops``: next hops that the kernel takes away with a carrier are put back when it returns. FRR 8.4.4 keeps routes
    in groups of next hops, takes a group that it used before for what it was, and leaves the kernel with the rest of it.
    ``waits_for_bfd``: a BGP session with BFD does not begin while BFD is down. ``bfd_waits``: BFD does not begin before the BGP
    session, unless it is configured apart from it. Each is well with itself and with BIRD, where neither waits; the two together
    never come up again.
    ``names_rtr_transport``: a validator is a ``cache tcp`` (older ones refuse that word, these show it).
    ``most_registered``: so many registered prefixes and AS numbers load in reasonable time, None for any number. Measured with
    8.4.4: 500 of each in 24 s, 1,000 of each in more than a minute; 10.3 loads 10,000 and 1,000 in 14 s.
    ``bfd_beside_gtsm``: BFD comes up where a session refuses packets that came over a router. FRR takes such a session for one
    over several hops, and asks for BFD of that kind, which nobody answers (tried with both releases).
    ``shows_rip_filters_first``: the running configuration of RIP has distribute lists before what is redistributed.
    ``names_internet``: the community 0:0 is called ``internet``, and has no other name.
    ``enforces_first_as``: by itself it takes routes whose path begins with another number than the neighbour's for broken, and
    keeps nothing of them. ``unnumbered``: a BGP session over a link without addresses, to whoever is at its other end (RFC 8950).
    """

    daemon: str
    release: str
    has_templates: bool = False
    typed_functions: bool = False
    authentication: bool = False
    internal_attributes: bool = False
    statistics_columns: int = 0
    kernel_in_step: bool = False
    mends_next_hops: bool = True
    enforces_first_as: bool = False
    unnumbered: bool = False
    names_rtr_transport: bool = False
    most_registered: Optional[int] = None
    waits_for_bfd: bool = False
    bfd_waits: bool = False
    bfd_beside_gtsm: bool = True
    shows_rip_filters_first: bool = False
    names_internet: bool = False

    def has_templates_for(self, role: str) -> bool:
        """Whether netorch renders for a device of this ``role``. A host holds what providers announce, and has to read its
        kernel's tables now and then."""
        return self.has_templates and (self.kernel_in_step or role != "host")


RELEASES = (
    Capabilities("bird", "2.0.12", has_templates=True, statistics_columns=5, kernel_in_step=True),
    Capabilities(
        "bird",
        "2.17",
        has_templates=True,
        typed_functions=True,
        authentication=True,
        statistics_columns=5,
        kernel_in_step=True,
    ),
    Capabilities(
        "bird",
        "3.1",
        has_templates=True,
        typed_functions=True,
        authentication=True,
        internal_attributes=True,
        statistics_columns=7,
    ),
    Capabilities(
        "frr",
        "8.4.4",
        has_templates=True,
        most_registered=1000,
        kernel_in_step=True,
        mends_next_hops=False,
        unnumbered=True,
        names_internet=True,
        bfd_waits=True,
        bfd_beside_gtsm=False,
    ),
    Capabilities(
        "frr",
        "10.3",
        has_templates=True,
        enforces_first_as=True,
        kernel_in_step=True,
        unnumbered=True,
        names_rtr_transport=True,
        waits_for_bfd=True,
        bfd_beside_gtsm=False,
        shows_rip_filters_first=True,
    ),
)
"""In order of age for each daemon. What all of them can is not listed: BGP roles (RFC 9234), bodies of ``case`` in braces, which
BIRD 3 demands."""


def capabilities_of(daemon: str, version: Optional[str]) -> Optional[Capabilities]:
    """What ``version`` of ``daemon`` can; None for a release that is not known."""
    if version is None:
        return None
    return next((known for known in RELEASES if known.daemon == daemon and is_release(version, known.release)), None)


def begins_bfd(own: Tuple[str, str], other: Tuple[str, str]) -> bool:
    """Whether ``own`` has to begin BFD before the BGP session, since ``other`` waits for it and nothing else would begin it; each
    is a daemon as name and version."""
    mine, theirs = capabilities_of(*own), capabilities_of(*other)
    return mine is not None and theirs is not None and mine.bfd_waits and theirs.waits_for_bfd


def bfd_comes_up(one: Tuple[str, str], other: Tuple[str, str]) -> bool:
    """Whether BFD comes up between two daemons, each as name and version, with nothing but their BGP session to begin it."""
    return not begins_bfd(one, other) and not begins_bfd(other, one)


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
