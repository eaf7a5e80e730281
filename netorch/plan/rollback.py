"""Plans the way back to a generation that a device has kept, with the drains of today."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, List, Mapping, Optional, Sequence

from netorch.model.facts import Confirmed, DeviceFacts
from netorch.model.intent import DeviceIntent
from netorch.model.items import MIRROR_KINDS, ClosedSessionItem, FileItem, Item, NeighbourItem, ServiceItem
from netorch.model.plan import Check, DevicePlan
from netorch.model.policy import Tolerance
from netorch.plan.bgp_text import BgpText
from netorch.plan.daemons import configuration_text, language_of
from netorch.plan.diff import plan_device

REASON = "rollback to generation"
"""How the reason of a generation begins that a rollback made."""


def rolled_back(facts: DeviceFacts) -> Optional[Confirmed]:
    """The generation that the device has since somebody went back to it; None where the last change was no rollback."""
    kept = facts.confirmed
    return kept if kept is not None and kept.reason.startswith(REASON) else None


def plan_rollback(
    facts: DeviceFacts,
    stored: Sequence[Item],
    *,
    own_asn: int,
    tolerance: Tolerance,
    restamp: Callable[[str, str], str],
) -> DevicePlan:
    """What turns the device of ``facts`` into what it was, as ``stored`` has it.

    Two things stay as they are today, whatever they were then: which sessions are closed (the overlay's drains), and the MAC of
    a neighbour that the device knows. Where the mirror's agent runs then as now, all of its entries stay. ``restamp`` gives a
    configuration that was changed for this, in the language of the daemon that it names, its new stamp.
    """
    known = {item.key: item for item in facts.items if isinstance(item, NeighbourItem)}
    is_followed = ServiceItem("mirror") in stored and ServiceItem("mirror") in facts.items
    wanted: List[Item] = [item for item in facts.items if is_followed and isinstance(item, MIRROR_KINDS)]
    check = Check()
    for item in stored:
        if isinstance(item, FileItem) and item.daemon:
            read_bgp = language_of(item.daemon).read_bgp
            now = read_bgp(configuration_text(facts, item.daemon), own_asn=own_asn)
            text = keep_closed(item, now, own_asn=own_asn)
            item = item if text == item.text else replace(item, text=restamp(text, item.daemon))
            then = read_bgp(item.text, own_asn=own_asn)
            wanted += [ClosedSessionItem(session.name) for session in then.sessions.values() if session.closed]
            check = _check(then, facts, tolerance)
        if not (is_followed and isinstance(item, MIRROR_KINDS)):
            wanted.append(known.get(item.key, item))
    return plan_device(wanted, facts, check=check)


def keep_closed(file: FileItem, now: BgpText, *, own_asn: int) -> str:
    """The text of ``file`` with every session closed or open as ``now`` has it; those that ``now`` does not have stay as they
    are."""
    language = language_of(file.daemon)
    then = language.read_bgp(file.text, own_asn=own_asn).sessions
    both = [name for name in then if name in now.sessions and then[name].closed != now.sessions[name].closed]
    to_close = frozenset(name for name in both if now.sessions[name].closed)
    return language.rewrite_closed(file.text, to_close=to_close, to_open=frozenset(both) - to_close)


def is_rewritten(wanted: FileItem, facts: DeviceFacts, *, own_asn: int, restamp: Callable[[str, str], str]) -> bool:
    """Whether ``wanted`` differs from the configuration that the device has by more than the sessions that are closed in it."""
    language = language_of(wanted.daemon)

    def opened(text: str) -> str:
        sessions = frozenset(language.read_bgp(text, own_asn=own_asn).sessions)
        return restamp(language.rewrite_closed(text, to_close=frozenset(), to_open=sessions), wanted.daemon)

    return opened(configuration_text(facts, wanted.daemon)) != opened(wanted.text)


def _check(then: BgpText, facts: DeviceFacts, tolerance: Tolerance) -> Check:
    protocols = {protocol.name: protocol.bgp_state for protocol in facts.daemon.protocols}
    names = then.sessions
    up = tuple(name for name in names if not names[name].closed and protocols.get(name) == "Established")
    own = {
        session.name: sum(len(then.announced[family]) for family in session.families)
        for session in then.external
        if session.name in up and all(family in then.announced for family in session.families)
    }
    mute = {session.name for session in then.external if session.mute}
    return Check(
        up=up,
        down=tuple(name for name in names if names[name].closed),
        prefix_drop_percent=tolerance.prefix_drop_percent,
        announce=tuple(name for name, prefixes in own.items() if prefixes and name not in mute),
        announce_most=tuple(own.items()),
    )


def intent_of(device: DeviceIntent, text: str, *, own_asn: int) -> DeviceIntent:
    """``device`` with the sessions of the configuration ``text`` alone, open or closed as it says: what a roll-out of it is
    measured by."""
    said = language_of(device.daemon).read_bgp(text, own_asn=own_asn).sessions
    then: Mapping[str, bool] = {s.name: s.closed for s in said.values()}
    kept = (replace(s, enabled=not then[s.name]) for s in device.sessions if s.name in then)
    return replace(device, sessions=tuple(kept))
