"""``show protocols`` and ``show protocols all``."""

from __future__ import annotations

import re
from dataclasses import fields
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Dict, Iterator, List, Optional, Tuple

from netorch.errors import ParseError
from netorch.model.state import Channel, Protocol, UpdateCounts, Updates
from netorch.parse.framing import Reply, read_reply
from netorch.parse.textfsm_rows import Row, parse_rows, refused_values

_TEMPLATE = "bird_show_protocols"
# By the header's words. BIRD 3 counts apart what a limit kept out; BIRD 2 counts it as ignored.
_COUNTERS = {**{field.name: field.name for field in fields(UpdateCounts)}, "RX limit": "ignored", "limit": "ignored"}
_FAMILY = {"family", "pipe_family"}
_ROUTES = {"imported", "filtered", "exported", "preferred"}
_COLUMN_GAP = re.compile(r"\s{2,}")


def parse_protocols(text: str, *, details: bool = True) -> Tuple[Protocol, ...]:
    """Parse ``show protocols all`` (``details``) or ``show protocols``.

    Returns one Protocol per block in the daemon's order, () if there are none. ``since`` is the router's local time without a
    zone. The short form leaves everything None that it does not print.

    Raises ParseError for a line that no rule matches, with its number and text, and for a text that ends inside a block;
    ReplyError where BIRD answered with an error.

    Source: BIRD nest/proto.c proto_cmd_show(); samples of 2.0.12, 2.17.5 and 3.1.7 in tests/parse.
    """
    reply = read_reply(text)
    rows = parse_rows(_TEMPLATE, reply)
    with refused_values():
        protocols = tuple(_protocols(rows))
    _require_whole_blocks(reply, len(protocols), details=details)
    return protocols


def _protocols(rows: Tuple[Row, ...]) -> Iterator[Protocol]:
    """A row with a name begins a protocol, those that follow are its channels."""
    owner: Optional[Row] = None
    channels: List[Channel] = []
    for row in rows:
        if "name" in row:
            if owner is not None:
                yield _protocol(owner, tuple(channels))
            owner, channels = row, []
        elif owner is None or not _FAMILY & row.keys():
            raise ParseError(f"expected a protocol, found only {', '.join(sorted(row))}: the output was cut or changed")
        else:
            channels.append(_channel(row))
    if owner is not None:
        yield _protocol(owner, tuple(channels))


def _require_whole_blocks(reply: Reply, protocols: int, *, details: bool) -> None:
    blocks_ended = reply.lines.count("")
    if details and blocks_ended != protocols:
        problem = f"{blocks_ended} of {protocols} blocks end with their empty line: the output was cut or changed"
        raise ParseError(problem, hint="pass on what birdc printed for `show protocols all`, with its last, empty line")
    if not details and blocks_ended:
        raise ParseError("expected one line per protocol, found details", hint="the command is `show protocols all`")


def _protocol(row: Row, channels: Tuple[Channel, ...]) -> Protocol:
    address, prefix = row.get("neighbor_address"), row.get("neighbor_range")
    source = row.get("source_address")
    hold_left, hold = _timer(row.get("hold_timer"))
    keepalive_left, keepalive = _timer(row.get("keepalive_timer"))
    return Protocol(
        name=row["name"],
        protocol=row["protocol"],
        table=_unless_dashes(row.get("table")),
        state=row.get("state"),
        since=row.get("since"),
        info=" ".join(row["info"].split()) if "info" in row else None,
        description=row.get("description"),
        message=row.get("message"),
        router_id=row.get("router_id"),
        vrf=row.get("vrf"),
        bgp_state=row.get("bgp_state"),
        neighbor_address=ip_address(address) if address else None,
        neighbor_range=ip_network(prefix) if prefix else None,
        neighbor_port=_number(row.get("neighbor_port")),
        neighbor_asn=_number(row.get("neighbor_asn")),
        local_asn=_number(row.get("local_asn")),
        neighbor_id=row.get("neighbor_id"),
        neighbor_graceful_restart=("neighbor_graceful_restart" in row) if address or prefix else None,
        session=tuple(row.get("session", "").split()),
        source_address=ip_address(source) if source else None,
        last_error=row.get("last_error"),
        hold_timer_s=hold,
        hold_timer_remaining_s=hold_left,
        keepalive_timer_s=keepalive,
        keepalive_timer_remaining_s=keepalive_left,
        channels=channels,
    )


def _channel(row: Row) -> Channel:
    receive_limit, receive_hit = _limit(row.get("receive_limit"))
    import_limit, import_hit = _limit(row.get("import_limit"))
    export_limit, export_hit = _limit(row.get("export_limit"))
    routes = _routes(row.get("routes"))
    return Channel(
        family=row.get("family") or row["pipe_family"],
        state=row.get("channel_state"),
        table=row.get("channel_table"),
        preference=_number(row.get("preference")),
        input_filter=row.get("input_filter"),
        output_filter=row.get("output_filter"),
        receive_limit=receive_limit,
        receive_limit_hit=receive_hit,
        receive_limit_action=row.get("receive_limit_action"),
        import_limit=import_limit,
        import_limit_hit=import_hit,
        import_limit_action=row.get("import_limit_action"),
        export_limit=export_limit,
        export_limit_hit=export_hit,
        export_limit_action=row.get("export_limit_action"),
        routes_imported=routes.get("imported"),
        routes_filtered=routes.get("filtered"),
        routes_exported=routes.get("exported"),
        routes_preferred=routes.get("preferred"),
        updates=_updates(row),
        next_hops=tuple(ip_address(hop) for hop in row.get("next_hops", "").split()),
        igp_table_ipv4=row.get("igp_table_ipv4"),
        igp_table_ipv6=row.get("igp_table_ipv6"),
        base_table=row.get("base_table"),
        graceful_restart_recovery=row.get("graceful_restart_recovery"),
        neighbor_graceful_restart=row.get("neighbor_graceful_restart_state"),
        peer_table=row.get("peer_table"),
        import_state=row.get("import_state"),
        export_state=row.get("export_state"),
    )


def _updates(row: Row) -> Optional[Updates]:
    header = row.get("counts_header")
    if header is None:
        return None
    columns = _columns(header)
    return Updates(
        import_updates=_counts(columns, row["import_updates"]),
        import_withdraws=_counts(columns, row["import_withdraws"]),
        export_updates=_counts(columns, row["export_updates"]),
        export_withdraws=_counts(columns, row["export_withdraws"]),
    )


@lru_cache(maxsize=16)
def _columns(header: str) -> Tuple[str, ...]:
    """The counter that each column belongs to; versions of BIRD have different ones, so they are known by their names."""
    words = _COLUMN_GAP.split(header)
    unknown = set(words) - _COUNTERS.keys()
    if unknown:
        raise ParseError(
            f"expected the counters {', '.join(sorted(_COUNTERS))}, found also {', '.join(sorted(unknown))}"
        )
    return tuple(_COUNTERS[word] for word in words)


def _counts(columns: Tuple[str, ...], text: str) -> UpdateCounts:
    values = text.split()
    if len(values) != len(columns):
        raise ParseError(f"expected {len(columns)} counters ({', '.join(columns)}), found {text!r}")
    found: Dict[str, int] = {}
    for name, value in zip(columns, values):
        if value != "---":
            found[name] = found.get(name, 0) + int(value)
    return UpdateCounts(**found)


def _routes(text: Optional[str]) -> Dict[str, int]:
    """``1 imported, 2 exported`` as {"imported": 1, "exported": 2}."""
    if text is None:
        return {}
    pairs = [part.split() for part in text.split(",")]
    if any(len(pair) != 2 or pair[1] not in _ROUTES or not pair[0].isdigit() for pair in pairs):
        raise ParseError(f"expected numbers of {', '.join(sorted(_ROUTES))} routes, found {text!r}")
    return {name: int(number) for number, name in pairs}


def _limit(text: Optional[str]) -> Tuple[Optional[int], Optional[bool]]:
    """``100 [HIT]`` as (100, True)."""
    if text is None:
        return None, None
    number, _, hit = text.partition(" ")
    return int(number), bool(hit)


def _timer(text: Optional[str]) -> Tuple[Optional[float], Optional[int]]:
    """``12.345/240`` as (12.345, 240): what is left, and the whole."""
    if text is None:
        return None, None
    left, _, whole = text.partition("/")
    return float(left), int(whole)


def _number(text: Optional[str]) -> Optional[int]:
    return None if text is None else int(text)


def _unless_dashes(text: Optional[str]) -> Optional[str]:
    return None if text == "---" else text
