"""What a BIRD configuration says about BGP sessions, and how it says that one is closed."""

from __future__ import annotations

import re
from typing import AbstractSet, Dict, FrozenSet, List, Mapping, Optional, Tuple

from netorch.plan.bgp_text import BgpText, TextSession
from netorch.plan.bird.statements import Statement, statements, top_level

_FAMILIES = ("ipv4", "ipv6")
_ACCEPT_ALL = (("accept",), ("accept", ";"))
_OFF = (("off",), ("no",))
_HEAD = re.compile(r"\s*protocol\s+bgp\s+(\w+)\b[^{#]*\{\s*$")
_DISABLED = re.compile(r"\s*disabled\b[^;{}]*;")


def read_bgp(text: str, *, own_asn: int) -> BgpText:
    """What the configuration ``text`` says; anything that is no BIRD configuration says nothing."""
    blocks = list(top_level(text))
    defines = {head[1]: head[3] for head, body in blocks if head[:1] == ("define",) and len(head) == 4 and not body}
    filters = {head[1]: tuple(body) for head, body in blocks if head[:1] == ("filter",) and len(head) > 1}
    templates: Dict[str, Tuple[Statement, ...]] = {}
    sessions: Dict[str, TextSession] = {}
    for head, body in blocks:
        if head[:2] not in (("template", "bgp"), ("protocol", "bgp")) or len(head) < 3:
            continue
        inherited = templates.get(head[4], ()) if head[3:4] == ("from",) and len(head) > 4 else ()
        found = (*inherited, *statements(body))
        if head[0] == "template":
            templates[head[2]] = found
        else:
            own = {str(own_asn), *(name for name, value in defines.items() if value == str(own_asn))}
            sessions[head[2]] = _session(head[2], found, own=own, filters=filters)
    return BgpText(sessions, _announced(blocks))


def _session(
    name: str, found: Tuple[Statement, ...], *, own: AbstractSet[str], filters: Mapping[str, Tuple[str, ...]]
) -> TextSession:
    families = tuple(family for family in _FAMILIES if any(statement[0] == family for statement in found))
    disabled = [statement for statement in found if statement[0] == "disabled"]
    imports = {family: _policy(found, family, "import") for family in families}
    exports = {family: _policy(found, family, "export") for family in families}
    return TextSession(
        name=name,
        is_external=_is_external(found, own),
        closed=bool(disabled) and disabled[-1][1:2] not in _OFF,
        families=families,
        unfiltered=tuple(f for f in families if not imports[f] or _accepts_all(imports[f], filters)),
        leaky=tuple(family for family in families if _accepts_all(exports[family], filters)),
        mute=tuple(family for family in families if exports[family] in ((), ("none",))),
    )


def _is_external(found: Tuple[Statement, ...], own: AbstractSet[str]) -> bool:
    for statement in found:
        if statement[0] == "neighbor":
            if "as" in statement[:-1]:
                return statement[statement.index("as") + 1] not in own
            return "external" in statement
    return False


def _policy(found: Tuple[Statement, ...], family: str, direction: str) -> Tuple[str, ...]:
    """The words after ``import`` or ``export`` that choose routes; () where nothing does."""
    policies = [
        statement[statement.index("/") + 2 :]
        for statement in found
        if statement[0] == family and "/" in statement and statement[statement.index("/") + 1 :][:1] == (direction,)
    ]
    choosing = [words for words in policies if words[:1] and words[0] in ("all", "none", "filter", "where")]
    return choosing[-1] if choosing else ()


def _accepts_all(policy: Tuple[str, ...], filters: Mapping[str, Tuple[str, ...]]) -> bool:
    """Also where the filter has lost everything but its ``accept``."""
    if policy[:1] == ("filter",):
        body = filters.get(policy[1], ("?",)) if len(policy) == 2 else policy[1:]
        return body in _ACCEPT_ALL
    return policy in (("all",), ("where", "true"))


def _announced(blocks: List[Tuple[Statement, List[str]]]) -> Dict[str, FrozenSet[str]]:
    """The sets ``ANNOUNCED_IPV4`` and ``ANNOUNCED_IPV6``, which the export filters ask."""
    sets: Dict[str, FrozenSet[str]] = {}
    for head, _ in blocks:
        family = _set_family(head)
        if family is not None:
            words = " ".join(head[3:]).strip("[] ").replace(",", " ").split()
            sets[family] = frozenset(word for word in words if "/" in word)
    return sets


def _set_family(head: Statement) -> Optional[str]:
    if head[:1] != ("define",) or len(head) < 3 or not head[1].startswith("ANNOUNCED_"):
        return None
    family = head[1][len("ANNOUNCED_") :].lower()
    return family if family in _FAMILIES else None


def rewrite_closed(text: str, *, to_close: AbstractSet[str], to_open: AbstractSet[str]) -> str:
    """``text`` with the sessions ``to_close`` closed and those ``to_open`` open, otherwise as it was."""
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


def read_passwords(text: str) -> Dict[str, Optional[str]]:
    """The password, None without one, of every session, by the neighbour's address."""
    found: Dict[str, Optional[str]] = {}
    for head, body in top_level(text):
        if head[:2] == ("protocol", "bgp"):
            words = {statement[0]: statement[1] for statement in statements(body) if len(statement) > 1}
            if "neighbor" in words:
                found[words["neighbor"]] = words["password"].strip('"') if "password" in words else None
    return found
