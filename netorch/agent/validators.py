"""The validators that a routing daemon asks: their state, and the most entries that each had within a day."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import replace

from netorch.agent.clock import now
from netorch.agent.files import read_text
from netorch.agent.paths import STATE, VALIDATORS
from netorch.model.codec import to_json
from netorch.model.conventions import VALIDATED_TABLES
from netorch.model.sources import EMPTY, STANDBY, OriginFacts
from netorch.model.types import read_network
from netorch.parse.rpki import (
    INVALID,
    NOT_FOUND,
    UNKNOWN,
    VALID,
    judge,
    read_bird_validator,
    read_frr_servers,
    read_frr_table,
    read_frr_validators,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Sequence, Tuple

    from netorch.agent.bird import BirdReply
    from netorch.model.sources import ValidatorFacts
    from netorch.parse.rpki import FrrTable

    Documents = Tuple[List[Dict[str, Any]], List[Dict[str, Any]]]

REMEMBERED_S = 86400.0

_EVALUATED = 23
_STATES = {
    "0": NOT_FOUND,
    "1": VALID,
    "2": INVALID,
    "ROA_UNKNOWN": NOT_FOUND,
    "ROA_VALID": VALID,
    "ROA_INVALID": INVALID,
}
_STATE = re.compile(r"(\d|ROA_\w+)$")


def of_bird(
    try_ask: Callable[[str], BirdReply], protocols: Sequence[str], origins: Sequence[Tuple[str, int]]
) -> Documents:
    """Those of BIRD, whose RPKI protocols are ``protocols``. ``try_ask`` gives its reply to a command."""
    if not protocols:
        return [], []
    told = [read_bird_validator("\n".join(try_ask(f"show protocols all '{name}'").lines)) for name in protocols]
    found = [one for one in told if one is not None]
    is_blind = all(one.state == EMPTY for one in found)
    judged = []
    for text, asn in origins:
        prefix = read_network(text)
        reply = try_ask(f"eval roa_check({VALIDATED_TABLES[prefix.version]}, {prefix}, {int(asn)})")
        said = _STATE.search(reply.lines[-1].strip()) if reply.code == _EVALUATED else None
        state = UNKNOWN if is_blind or said is None else _STATES.get(said.group(1), UNKNOWN)
        judged.append(OriginFacts(prefix, asn, state))
    return _remembered(to_json(found)), to_json(judged)


def of_frr(ask: Callable[..., str], origins: Sequence[Tuple[str, int]]) -> Documents:
    """Those of FRR, which is put to rights first. ``ask`` gives bgpd's answer to the last of some commands."""
    from netorch.agent.frr_validators import have_asked, have_followed

    asked = [(read_network(text), asn) for text, asn in origins]

    def look() -> Tuple[FrrTable, Tuple[ValidatorFacts, ...]]:
        table = read_frr_table(ask("show rpki prefix-table"), tuple(prefix for prefix, _ in asked))
        return table, read_frr_validators(ask("show rpki cache-connection json"), table)

    table, found = look()
    if have_asked(ask, table):
        table, found = look()
    if found:
        have_followed(ask, table)
        found = tuple(_as_standby(one) for one in found)
    found = found or read_frr_servers(ask("show rpki cache-server json"))
    return _remembered(to_json(found)), to_json([judge(prefix, asn, table) for prefix, asn in asked])


def _as_standby(one: ValidatorFacts) -> ValidatorFacts:
    """Nobody else notices that a validator could not stand in."""
    from netorch.agent.frr_validators import sends_list

    if one.state != STANDBY or sends_list({"host": str(one.address), "port": one.port}):
        return one
    return replace(one, state=EMPTY, error="sends no list")


def _remembered(found: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """``found`` with the most entries that each had, which are written down for the next time."""
    kept: Dict[str, Any] = {}
    with suppress(OSError, ValueError):
        kept = json.loads(read_text(VALIDATORS) or "{}")
    moment = now()
    most: Dict[str, Any] = {}
    for one in found:
        key, entries = f"{one['address']} {one['port']}", (one["ipv4"] or 0) + (one["ipv6"] or 0)
        former = kept.get(key, {})
        one["before"] = former.get("entries", 0) if moment - former.get("time", 0.0) <= REMEMBERED_S else 0
        if entries >= one["before"]:
            most[key] = {"entries": entries, "time": moment}
            one["before"] = entries
        else:
            most[key] = former
    if most != kept:
        _write(most)
    return found


def _write(document: Dict[str, Any]) -> None:
    """A device whose disk is full tells of its validators all the same."""
    with suppress(OSError):
        os.makedirs(STATE, mode=0o700, exist_ok=True)
        new = f"{VALIDATORS}.new"
        with open(new, "w", encoding="ascii") as file:
            json.dump(document, file)
        os.replace(new, VALIDATORS)
