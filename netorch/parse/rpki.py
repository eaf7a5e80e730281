"""What a daemon says of its validators: BIRD's ``show protocols all``, FRR's ``show rpki cache-connection json`` and
``show rpki prefix-table``."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import Iterator, List, NamedTuple, Optional, Tuple
from zlib import crc32

from netorch.errors import ParseError
from netorch.model.sources import DOWN, EMPTY, RTR_PORT, STANDBY, UP, OriginFacts, ValidatorFacts
from netorch.model.types import IPNetwork
from netorch.parse.frr.answer import Fields, read_json

VALID, INVALID, NOT_FOUND, UNKNOWN = "valid", "invalid", "not-found", "unknown"

_HEAD = re.compile(r"^\S+\s+RPKI\s+\S+\s+(\S+)", re.MULTILINE)
_KEY = re.compile(r"^  (Description|Cache server|Cache port|Status|Last update|Expire timer) *: *(.*)$", re.MULTILINE)
_VALIDATOR = re.compile(r"validator (\S+) port (\d+)")
_CHANNEL = re.compile(r"^  Channel roa([46])$(.*?)(?=^  Channel |\Z)", re.MULTILINE | re.DOTALL)
_ROUTES = re.compile(r"^    Routes: +(\d+) imported", re.MULTILINE)
_NUMBER = re.compile(r"[\d.]+")
_ROW = re.compile(r"^(\S+) +(\d+) - +(\d+) +(\d+)", re.MULTILINE)
_COUNT = re.compile(r"^Number of (IPv[46]) Prefixes: (\d+)$", re.MULTILINE)
_HEXADECIMAL = tuple("0123456789abcdef:")
_TAIL = 200  # the counts are the last two lines
_ESTABLISHED, _ASKING = "Established", "Sync-"


def read_bird_validator(text: str) -> Optional[ValidatorFacts]:
    """Read ``show protocols all NAME`` of one RPKI protocol. A number that is not told of a validator whose list is gone is 0.

    BIRD tells of the validator only while the protocol runs: the description that netorch renders does so always. None for a
    protocol that somebody else wrote and that does not run. Raises ParseError. Source: BIRD proto/rpki/rpki.c
    rpki_show_proto_info().
    """
    head = _HEAD.search(text)
    if not head:
        raise ParseError("expected an RPKI protocol, found none")
    said = dict(_KEY.findall(text))
    described = _VALIDATOR.fullmatch(said.get("Description", "").strip())
    if described:
        address, port = ip_address(described.group(1)), int(described.group(2))
    elif "Cache server" in said:
        # It does not tell the port of RTR's own, and may tell a name.
        try:
            address, port = ip_address(said["Cache server"]), int(said.get("Cache port", RTR_PORT))
        except ValueError:
            return None
    else:
        return None
    status = said.get("Status", f"its protocol is in state {head.group(1)}")
    counts = {family: _ROUTES.search(body) for family, body in _CHANNEL.findall(text)}
    age_s, expires_s = _seconds(said.get("Last update", "")), _seconds(said.get("Expire timer", ""))
    is_up = status == _ESTABLISHED or (status.startswith(_ASKING) and age_s is not None)
    return ValidatorFacts(
        address,
        port,
        state=UP if is_up and age_s is not None else DOWN if age_s is not None else EMPTY,
        error="" if is_up else status,
        age_s=age_s,
        expires_s=expires_s if age_s is not None else None,
        ipv4=_count(counts.get("4")),
        ipv6=_count(counts.get("6")),
    )


def _count(found: Optional[re.Match[str]]) -> int:
    return int(found.group(1)) if found else 0


def _seconds(text: str) -> Optional[float]:
    found = _NUMBER.search(text)
    return float(found.group()) if found else None


class FrrTable(NamedTuple):
    """FRR's table of all entries: how many of each family, and those that cover a prefix that was asked for, as (address, length,
    longest, AS number). ``digest`` tells tables with other entries apart, in whatever order they are."""

    ipv4: int
    ipv6: int
    covering: Tuple[Tuple[str, int, int, int], ...]
    digest: int = 0


def read_frr_table(text: str, asked: Tuple[IPNetwork, ...]) -> FrrTable:
    """Read ``show rpki prefix-table``. Quick, since the table may have half a million lines.

    FRR shows, and counts, an entry once for each validator that it has it of: after it went over to another one, both. Here each
    entry counts once. Raises ParseError for a table that is cut.
    """
    entries = {line for line in text.splitlines() if line[:1] in _HEXADECIMAL}
    # Before any validator has answered FRR says in words that it has no connection.
    if entries and not _COUNT.search(text[-_TAIL:]):
        raise ParseError("expected a table of RPKI with its counts, found none: it may be cut")
    ipv6 = sum(":" in line for line in entries)
    covers = {str(cover.network_address) for prefix in asked for cover in _covers(prefix)}
    rows: Tuple[Tuple[str, int, int, int], ...] = ()
    if covers:
        found = (match for match in _ROW.finditer(text) if match.group(1) in covers)
        rows = tuple((m.group(1), int(m.group(2)), int(m.group(3)), int(m.group(4))) for m in found)
    return FrrTable(len(entries) - ipv6, ipv6, rows, sum(crc32(line.encode()) for line in entries))


def _covers(prefix: IPNetwork) -> Iterator[IPNetwork]:
    return (prefix.supernet(new_prefix=length) for length in range(prefix.prefixlen + 1))


def read_frr_validators(connections: str, table: FrrTable) -> Tuple[ValidatorFacts, ...]:
    """Read ``show rpki cache-connection json``. FRR asks one validator at a time and keeps one table: it counts as that of the
    one that is asked, or was last.

    Source: FRR bgpd/bgp_rpki.c show_rpki_cache_connection.
    """
    if not connections.strip().startswith("{"):
        return ()
    answer = Fields(read_json(connections), "answer")
    group = answer.number("connectedGroup")
    found: List[ValidatorFacts] = []
    is_asked = False
    for row in sorted(answer.parts("connections"), key=lambda each: each.required_number("preference")):
        connected = row.text("state") == "connected"
        has_table = connected or (row.number("preference") == group and not is_asked)
        state = UP if connected else STANDBY if is_asked else DOWN if has_table and table.ipv4 + table.ipv6 else EMPTY
        found.append(
            ValidatorFacts(
                ip_address(row.required_text("host")),
                int(row.required_text("port")),
                state,
                error="" if connected or state == STANDBY else row.text("state") or "",
                ipv4=table.ipv4 if has_table else 0,
                ipv6=table.ipv6 if has_table else 0,
            )
        )
        is_asked = is_asked or connected
    return tuple(found)


def read_frr_servers(text: str) -> Tuple[ValidatorFacts, ...]:
    """Read ``show rpki cache-server json`` of an FRR that has no list of any of them."""
    servers = Fields(read_json(text), "answer").parts("servers")
    return tuple(
        ValidatorFacts(
            ip_address(row.required_text("host")), int(row.required_text("port")), EMPTY, "no answer", ipv4=0, ipv6=0
        )
        for row in servers
    )


def judge(prefix: IPNetwork, asn: int, table: FrrTable) -> OriginFacts:
    """What ``table`` says of ``asn`` as the origin of ``prefix``. Source: RFC 6811 section 2."""
    covering = [
        (longest, origin)
        for address, length, longest, origin in table.covering
        if ip_address(address).version == prefix.version
        and length <= prefix.prefixlen
        and prefix.subnet_of(ip_network((address, length)))  # type: ignore[arg-type]  # of one version, as seen above
    ]
    if any(origin == asn and asn and prefix.prefixlen <= longest for longest, origin in covering):
        return OriginFacts(prefix, asn, VALID)
    if covering:
        return OriginFacts(prefix, asn, INVALID)
    return OriginFacts(prefix, asn, NOT_FOUND if table.ipv4 + table.ipv6 else UNKNOWN)
