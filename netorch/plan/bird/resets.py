"""Foresees which sessions a new BIRD configuration starts, closes or restarts: those of BGP, and neighbours of RIP and OSPF.

BIRD restarts a session when its parameters change in a way that it cannot apply in place. What it can: descriptions,
filters and limits of a channel. Everything else counts as a restart, so that the plan errs on the side of warning.

Source: bird proto/bgp/bgp.c, bgp_reconfigure(), nest/proto.c, channel_reconfigure().
"""

from __future__ import annotations

from typing import Dict, FrozenSet, List, NamedTuple, Tuple

from netorch.model.plan import Reset
from netorch.plan.bird import underlay
from netorch.plan.bird.statements import Statement, statements, top_level

_IN_PLACE = frozenset({"description", "disabled"})
_CHANNEL_IN_PLACE = frozenset({"filter", "where", "limit", "all", "none", "keep"})
_GLOBAL = frozenset({"router", "hostname"})


class _Sessions(NamedTuple):
    blocks: Dict[str, FrozenSet[Statement]]
    closed: FrozenSet[str]
    common: FrozenSet[Statement]


def foresee_resets(old: str, new: str) -> Tuple[Reset, ...]:
    """What happens to each session when ``new`` replaces ``old``, both whole BIRD configurations; by session name.

    Sessions that stay as they are, or stay closed, are left out.
    """
    before, after = _sessions(old), _sessions(new)
    resets: List[Reset] = []
    for name in sorted(before.blocks.keys() | after.blocks.keys()):
        was_up = name in before.blocks and name not in before.closed
        is_up = name in after.blocks and name not in after.closed
        if was_up and not is_up:
            reason = "disabled in the new configuration" if name in after.blocks else "not in the new configuration"
            resets.append(Reset(name, "close", reason))
        elif is_up and not was_up:
            reason = "no longer disabled" if name in before.blocks else "new"
            resets.append(Reset(name, "start", reason))
        elif is_up and before.common != after.common:
            resets.append(Reset(name, "restart", _named("changed for all sessions", before.common ^ after.common)))
        elif is_up and before.blocks[name] != after.blocks[name]:
            resets.append(Reset(name, "restart", _named("changed", before.blocks[name] ^ after.blocks[name])))
    return tuple(resets)


def _named(what: str, changed: FrozenSet[Statement]) -> str:
    keywords = sorted({" ".join(_keyword(statement)) for statement in changed})
    return f"{what}: {', '.join(keywords)}"


def _keyword(statement: Statement) -> Statement:
    """The words of a statement that name it: never its values, one of which may be a password."""
    path = [word for word in statement if word == "/" or word.isalpha()]
    return tuple(path[-2:] if "/" in path else path[:2])


def _sessions(text: str) -> _Sessions:
    templates: Dict[str, FrozenSet[Statement]] = {}
    blocks: Dict[str, FrozenSet[Statement]] = {}
    closed, common = set(), set()
    for head, body in top_level(text):
        if head[:2] in (("template", "bgp"), ("protocol", "bgp")) and len(head) > 2:
            inherited = templates.get(head[4], frozenset()) if head[3:4] == ("from",) else frozenset()
            found = tuple(statements(body))
            if any(s[0] == "disabled" and s[1:] not in (("off",), ("no",)) for s in found):
                closed.add(head[2])
            kept = frozenset(s for s in found if not _is_in_place(s)) | inherited
            (templates if head[0] == "template" else blocks)[head[2]] = kept
        elif head[:1] == ("protocol",) and head[1:2] and head[1] in underlay.PROTOCOLS:
            blocks.update(underlay.adjacencies(head, body))
        elif head[:1] and head[0] in _GLOBAL:
            common.add(head)
    return _Sessions(blocks, frozenset(closed), frozenset(common))


def _is_in_place(statement: Statement) -> bool:
    if "/" in statement:
        inner = statement[statement.index("/") + 1 :]
        return inner[:1] in (("import",), ("export",), ("receive",)) and (
            len(inner) < 2 or inner[1] in _CHANNEL_IN_PLACE
        )
    return statement[0] in _IN_PLACE
