"""Plans the way back to a generation that a device has kept, with the drains of today."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Callable, FrozenSet, List, Mapping, Optional, Sequence

from netorch.model.facts import DeviceFacts
from netorch.model.intent import DeviceIntent
from netorch.model.inventory import Tolerance
from netorch.model.items import ClosedSessionItem, FileItem, Item, NeighbourItem
from netorch.model.plan import Check, DevicePlan
from netorch.plan.bgp_text import BgpText, read_bgp
from netorch.plan.diff import plan_device

REASON = "rollback to generation"
"""How the reason of a generation begins that a rollback made."""

_HEAD = re.compile(r"\s*protocol\s+bgp\s+(\w+)\b[^{#]*\{\s*$")
_DISABLED = re.compile(r"\s*disabled\b[^;{}]*;")


def plan_rollback(
    facts: DeviceFacts,
    stored: Sequence[Item],
    *,
    own_asn: int,
    tolerance: Tolerance,
    restamp: Callable[[str], str],
) -> DevicePlan:
    """What turns the device of ``facts`` into what it was, as ``stored`` has it.

    Two things stay as they are today, whatever they were then: which sessions are closed (the overlay's drains), and the MAC of
    a neighbour that the device knows. ``restamp`` gives a configuration that was changed for this its new stamp.
    """
    now = read_bgp(_present_text(facts), own_asn=own_asn)
    known = {item.key: item for item in facts.items if isinstance(item, NeighbourItem)}
    wanted: List[Item] = []
    check = Check()
    for item in stored:
        if isinstance(item, FileItem) and item.daemon:
            text = keep_closed(item.text, now, own_asn=own_asn)
            item = item if text == item.text else replace(item, text=restamp(text))
            then = read_bgp(item.text, own_asn=own_asn)
            wanted += [ClosedSessionItem(session.name) for session in then.sessions.values() if session.closed]
            check = _check(then, facts, tolerance)
        wanted.append(known.get(item.key, item))
    return plan_device(wanted, facts, check=check)


def keep_closed(text: str, now: BgpText, *, own_asn: int) -> str:
    """``text`` with every session closed or open as ``now`` has it; those that ``now`` does not have stay as they are."""
    then = read_bgp(text, own_asn=own_asn).sessions
    both = [name for name in then if name in now.sessions and then[name].closed != now.sessions[name].closed]
    to_close = frozenset(name for name in both if now.sessions[name].closed)
    return _rewritten(text, to_close=to_close, to_open=frozenset(both) - to_close)


def _rewritten(text: str, *, to_close: FrozenSet[str], to_open: FrozenSet[str]) -> str:
    lines: List[str] = []
    session: Optional[str] = None
    for line in text.splitlines(keepends=True):
        head = _HEAD.match(line)
        if head is not None:
            session = head.group(1)
        if session in to_open and _DISABLED.match(line):
            continue
        lines.append(line)
        if head is not None and session in to_close:
            lines.append("    disabled;\n")
        if line.startswith("}"):
            session = None
    return "".join(lines)


def _present_text(facts: DeviceFacts) -> str:
    return next((file.text for file in facts.files if file.text), "") or ""


def _check(then: BgpText, facts: DeviceFacts, tolerance: Tolerance) -> Check:
    protocols = {protocol.name: protocol.bgp_state for protocol in facts.daemon.protocols}
    names = then.sessions
    return Check(
        up=tuple(name for name in names if not names[name].closed and protocols.get(name) == "Established"),
        down=tuple(name for name in names if names[name].closed),
        prefix_drop_percent=tolerance.prefix_drop_percent,
    )


def intent_of(device: DeviceIntent, text: str, *, own_asn: int) -> DeviceIntent:
    """``device`` with the sessions of the configuration ``text`` alone, open or closed as it says: what a roll-out of it is
    measured by."""
    then: Mapping[str, bool] = {s.name: s.closed for s in read_bgp(text, own_asn=own_asn).sessions.values()}
    kept = (replace(s, enabled=not then[s.name]) for s in device.sessions if s.name in then)
    return replace(device, sessions=tuple(kept))
