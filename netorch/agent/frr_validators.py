"""FRR's connections to validators, which it does not always begin, nor mend, by itself; and its routes, which it does not always
judge by the list that it has.

bgpd asks its validators only where their section was read in one go: not after frr-reload.py, and 8.4.4 not even when it
starts. One that ended the connection is not asked again (tried with both releases: not within half a minute, with a retry
interval of a second). So whenever the agent looks, it has bgpd begin; and anew where a validator answers which bgpd does not
ask, and prefers to the one that it does. Beginning anew drops the list for the seconds that it takes to get it again, so that a
validator has to send a list first, and it has its time (bgpd looks every 3 s whether it has a list, and only then begins to
judge).

bgpd asks one validator, and stays with it when its list is empty: then every origin passes. Where another one sends a list, the
empty one is put behind all others, until it has one again. FRR's preferences are therefore not compared with the file's.

When its list changes, 8.4.4 judges those routes anew that it has accepted, and passes over those that it has refused
(bgpd/bgp_rpki.c passes over nodes without a path); 10.3 judges none anew; and neither does for the first list after it began,
which comes before it judges at all. So whoever looks has it judge all of them where its list is not the one that it judged
them by.
"""

from __future__ import annotations

import _socket
import json
import os
import re
import struct
from contextlib import suppress

from netorch.agent.clock import now, uptime, wait
from netorch.agent.files import read_text
from netorch.agent.frr_vty import SOCKETS, FrrRefused
from netorch.agent.journal import Lock
from netorch.agent.outcome import Busy
from netorch.agent.paths import STATE
from netorch.model.conventions import CONFIGURATIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

    from netorch.parse.rpki import FrrTable

TIMEOUT_S = 2.0
PATIENCE_S = 10.0
SYNC_S = 7.0
"""bgpd looks every 3 s whether it has a list."""

_INTERVAL_S = 0.1
_LAST_PREFERENCE = 255
_BEGUN = f"{STATE}/validators.begun"
_FOLLOWED = f"{STATE}/validators.followed"

_NO_LIST = "No connection to RPKI"
_CACHE = re.compile(
    r"^ (?P<words>rpki cache (?:tcp )?(?P<host>\S+) (?P<port>\d+) preference )(?P<preference>\d+)$", re.MULTILINE
)
# RFC 8210 section 5: version, type, session or zero, length.
_HEADER = struct.Struct("!BBHI")
_RESET_QUERY = _HEADER.pack(1, 2, 0, _HEADER.size)
_CACHE_RESPONSE, _PREFIXES = 3, (4, 6)


def have_asked(ask: Callable[..., str], table: Optional[FrrTable] = None) -> bool:
    """Have bgpd ask the first of its validators that answers with a list; whether it had to begin anew for that. ``ask`` gives
    bgpd's answer to the last of some commands. ``table`` is what it has, None where that does not matter."""
    if _age_s(_BEGUN) < PATIENCE_S:
        return False
    has_list = _NO_LIST not in ask("show rpki cache-connection")
    if has_list:
        rows = json.loads(ask("show rpki cache-connection json")).get("connections", ())
    else:
        ask("rpki start")  # nothing, where it was
        rows = json.loads(ask("show rpki cache-server json")).get("servers", ())
        # Beginning anew while it asks may stop all of bgpd for as long as the answer takes.
        if any(map(sends_list, rows)) and _gets_list(ask):
            _note(_FOLLOWED, "")  # what came until there was a list has passed
            _note(_BEGUN, "")
            return True
    wanted = _preferences(read_text(CONFIGURATIONS["frr"]) or "")
    for row in sorted(rows, key=lambda row: wanted.get(_key(row), _preference(row))):
        others = [other for other in rows if other is not row]
        if row.get("state") == "connected":
            is_empty = table is not None and not table.ipv4 + table.ipv6
            if not is_empty or not any(map(sends_list, others)):
                return False
            return _prefer(ask, row, others=others, preference=1 + max(map(_preference, others))) and _begin(ask)
        if sends_list(row):
            _prefer(ask, row, others=others, preference=wanted.get(_key(row), _preference(row)))
            return _begin(ask)
    return False


def _begin(ask: Callable[..., str]) -> bool:
    _note(_FOLLOWED, "")  # what comes until there is a list passes
    ask("rpki reset")
    _note(_BEGUN, "")
    _gets_list(ask)
    return True


def _gets_list(ask: Callable[..., str]) -> bool:
    """Whether bgpd has a list, for which it is given its time."""
    deadline = uptime() + SYNC_S
    while _NO_LIST in ask("show rpki cache-connection"):
        if uptime() >= deadline:
            return False
        wait(_INTERVAL_S)
    return True


def _prefer(ask: Callable[..., str], row: Any, *, others: List[Any], preference: int) -> bool:
    """Give the validator of ``row`` another preference, which none of the ``others`` may have; False where that cannot be, or
    somebody else is changing this device."""
    if preference == _preference(row):
        return True
    if preference in map(_preference, others):  # the file is not what runs: a change is not confirmed yet
        return False
    found = (line for line in _CACHE.finditer(ask("show running-config")) if (line["host"], line["port"]) == _key(row))
    line = next(found, None)
    if line is None or preference > _LAST_PREFERENCE:
        return False
    former = f"{line['words']}{line['preference']}"
    with suppress(Busy), Lock("netorch", "choosing a validator"):
        try:
            ask("configure terminal", "rpki", f"no {former}", f"{line['words']}{preference}", "end")
        except FrrRefused:
            with suppress(FrrRefused):
                ask(former)
            ask("end")
            return False
        return True
    return False


def _preferences(text: str) -> Dict[Tuple[str, str], int]:
    """The validators of a configuration, by address and port."""
    return {(line["host"], line["port"]): int(line["preference"]) for line in _CACHE.finditer(text)}


def _key(row: Any) -> Tuple[str, str]:
    return row["host"], str(row["port"])


def have_followed(ask: Callable[..., str], table: FrrTable) -> None:
    """Have bgpd judge every provider's routes anew unless it has done so by this very list, ``table``.

    Not by one without entries: what was refused stays so until there is a list again.
    """
    entries = table.ipv4 + table.ipv6
    judged_by = f"{entries} {table.digest} {_process()}" if entries else ""
    if judged_by == (read_text(_FOLLOWED) or ""):
        return
    if judged_by:
        for family in ("ipv4", "ipv6"):
            with suppress(FrrRefused):  # it has no sessions of this family
                ask(f"clear bgp {family} unicast external soft in")
    _note(_FOLLOWED, judged_by)


def _process() -> str:
    """What tells this bgpd from those before it, which knew nothing of the list."""
    with suppress(OSError):
        found = os.stat(f"{SOCKETS}/bgpd.vty")
        return f"{found.st_ino} {found.st_ctime_ns}"
    return ""


def _age_s(path: str) -> float:
    try:
        return abs(now() - os.stat(path).st_mtime)
    except OSError:
        return PATIENCE_S


def _note(path: str, text: str) -> None:
    """A device whose disk is full does it again each time."""
    with suppress(OSError):
        os.makedirs(STATE, mode=0o700, exist_ok=True)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)


def _preference(row: Any) -> int:
    return int(row["preference"])


def sends_list(row: Any) -> bool:
    """Whether a validator answers at once, with one prefix at least. ``row`` is FRR's, with ``host`` and ``port``."""
    host, port = row["host"], int(row["port"])
    family = _socket.AF_INET6 if ":" in host else _socket.AF_INET
    connection = _socket.socket(family, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        connection.settimeout(TIMEOUT_S)
        connection.connect((host, port))
        connection.sendall(_RESET_QUERY)
        said = b""
        while len(said) < 2 * _HEADER.size:
            more = connection.recv(4096)
            if not more:
                return False
            said += more
        _, first, _, length = _HEADER.unpack_from(said)
        _, second, _, _ = _HEADER.unpack_from(said, _HEADER.size)
        return first == _CACHE_RESPONSE and length == _HEADER.size and second in _PREFIXES
    except OSError:
        return False
    finally:
        with suppress(OSError):
            connection.close()
