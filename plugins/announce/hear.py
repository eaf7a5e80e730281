"""What neighbours hear: now, as devices say it, and after a change, as it follows from the intent. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, Iterator, List, Mapping, Optional, Tuple

from netorch.api import (
    Announcement,
    DeviceIntent,
    ExportPolicy,
    Facts,
    Intent,
    IPNetwork,
    Session,
    family_of,
    own_path,
)

from .amend import own_networks

GRACEFUL_SHUTDOWN = (65535, 0)  # RFC 8326 section 5

_OF_NO_USE = frozenset({GRACEFUL_SHUTDOWN, (65535, 666), (65535, 65281), (65535, 65282), (65535, 65283)})
"""With these a provider drops what comes for the prefix (RFC 7999), or tells nobody of it (RFC 1997)."""

HEARD, WITHHELD, DOWN, NOBODY, UNKNOWN = "announced", "withheld", "session down", "not originated", "unknown"
LATER = "once the switch is reached"


@dataclass(frozen=True)
class Line:
    """A session with a provider, and the switch that holds it; ``circuit`` is the name of its circuit."""

    device: DeviceIntent
    session: Session
    circuit: str

    @property
    def key(self) -> Tuple[str, str]:
        """What the line is known by."""
        return self.device.name, self.session.name


@dataclass(frozen=True)
class Hearing:
    """What a neighbour hears of a prefix: ``state`` and, where it is announced, how. ``remark`` says more for people; where it is
    ``LATER`` all of it is so once the switch can be reached."""

    state: str
    announcement: Optional[Announcement] = None
    remark: str = ""

    def __str__(self) -> str:
        if self.announcement is None:
            return f"{self.state}: {self.remark}" if self.remark else self.state
        found = self.announcement
        communities = "".join(f", {_text(one)}" for one in (*found.communities, *found.large_communities))
        later = f", {self.remark}" if self.remark else ""
        return f"path {' '.join(map(str, found.as_path))}{communities}{later}"


def lines(intent: Intent, prefix: IPNetwork, pops: Tuple[str, ...]) -> Tuple[Line, ...]:
    """The sessions over which ``prefix`` could be announced in ``pops``."""
    names = {circuit.id: circuit.name for circuit in intent.circuits}
    return tuple(
        Line(switch, session, names.get(session.circuit or 0, ""))
        for pop in pops
        for switch in intent.in_pop(pop, "switch")
        for session in switch.sessions
        if session.kind == "provider" and family_of(prefix) in session.carried
    )


def hears_now(line: Line, prefix: IPNetwork, facts: Facts, *, intent: Intent) -> Hearing:
    """What the neighbour hears as the device says it; ``intent`` is what is meant, which says why where it hears nothing."""
    device = facts.get(line.device.name)
    if device is None:
        return Hearing(UNKNOWN, remark="the switch cannot be reached")
    if not _is_up(facts, line.device.name, line.session.name):
        return Hearing(DOWN)
    found = device.announced_by(line.session.name)
    if found is None or found.problem:
        return Hearing(UNKNOWN, remark=found.problem if found is not None else "the switch does not tell")
    announcement = found.of_prefix(prefix)
    if announcement is not None:
        return Hearing(HEARD, announcement)
    meant = will_hear(line, prefix, facts, intent=intent)
    return meant if meant.state == NOBODY else Hearing(WITHHELD)


def will_hear(line: Line, prefix: IPNetwork, facts: Facts, *, intent: Intent) -> Hearing:
    """What the neighbour will hear when devices are as ``intent`` has them; sessions stay as ``facts`` show them, unless it
    closes them."""
    switch = intent.device(line.device.name)
    session = next((one for one in switch.sessions if one.name == line.session.name), None)
    policy = session.export_policy if session is not None else None
    if session is None or policy is None or not session.enabled:
        return Hearing(DOWN)
    if line.device.name not in facts:
        return Hearing(UNKNOWN, remark="the switch cannot be reached")
    if not _is_up(facts, switch.name, session.name):
        return Hearing(DOWN)
    if not any(_originators(intent, switch, prefix, facts)) and _is_meant(switch, policy, prefix):
        return Hearing(NOBODY)
    return _meant(switch, policy, prefix, asn=intent.asn)


def once_reached(line: Line, prefix: IPNetwork, *, intent: Intent) -> Hearing:
    """What the neighbour of a switch that cannot be asked will hear when that is as ``intent`` has it, its sessions up."""
    switch = intent.device(line.device.name)
    session = next((one for one in switch.sessions if one.name == line.session.name), None)
    policy = session.export_policy if session is not None else None
    if session is None or policy is None or not session.enabled:
        return Hearing(DOWN, remark=LATER)
    return replace(_meant(switch, policy, prefix, asn=intent.asn), remark=LATER)


def _is_meant(switch: DeviceIntent, policy: ExportPolicy, prefix: IPNetwork) -> bool:
    return prefix in switch.originated and not policy.of_prefix(prefix).withheld


def _meant(switch: DeviceIntent, policy: ExportPolicy, prefix: IPNetwork, *, asn: int) -> Hearing:
    if not _is_meant(switch, policy, prefix):
        return Hearing(WITHHELD)
    export = policy.of_prefix(prefix)
    return Hearing(
        HEARD,
        Announcement(
            prefix,
            own_path(asn, export.prepend),
            tuple(sorted(export.communities)),
            tuple(sorted(export.large_communities)),
        ),
    )


def _originators(intent: Intent, switch: DeviceIntent, prefix: IPNetwork, facts: Facts) -> Iterator[str]:
    """The hosts that tell ``switch`` of ``prefix``."""
    for session in switch.sessions:
        if session.kind == "host" and family_of(prefix) in session.carried:
            host = intent.device(session.peer)
            is_told = prefix in (*host.originated, *own_networks(host)) and host.fabric_export != "nothing"
            if is_told and _is_up(facts, switch.name, session.name):
                yield host.name


def is_lasting(hearing: Hearing) -> bool:
    """Whether the neighbour hears it so that the Internet comes by it: now, not from a session that is about to close, and not
    with a community that ends it there."""
    if hearing.remark == LATER:
        return False
    return hearing.announcement is not None and _OF_NO_USE.isdisjoint(hearing.announcement.communities)


def rpki_states(facts: Facts, asn: int) -> Dict[IPNetwork, str]:
    """What validators say of our prefixes, by prefix; the worst where switches differ. Nothing where none is configured."""
    order = ("invalid", "unknown", "not-found", "valid")
    found: Dict[IPNetwork, List[str]] = {}
    for device in facts.values():
        for origin in device.origins if device.validators else ():
            if origin.asn == asn:
                found.setdefault(origin.prefix, []).append(origin.state)
    return {prefix: min(states, key=order.index) for prefix, states in found.items()}


def _is_up(facts: Facts, device: str, session: str) -> bool:
    protocol = facts[device].protocol(session) if device in facts else None
    return protocol is not None and protocol.bgp_state == "Established"


def hearing_row(prefix: str, hearing: Hearing) -> Mapping[str, object]:
    """The state and attributes of ``hearing``, as plain JSON under keys that end in ``prefix``."""
    found = hearing.announcement
    return {
        f"state{prefix}": hearing.state,
        f"as_path{prefix}": list(found.as_path) if found is not None else None,
        f"communities{prefix}": [_text(one) for one in found.communities] if found is not None else None,
        f"large_communities{prefix}": [_text(one) for one in found.large_communities] if found is not None else None,
        f"remark{prefix}": hearing.remark or None,
    }


def _text(community: Tuple[int, ...]) -> str:
    return ":".join(map(str, community))
