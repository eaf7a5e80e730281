"""``show status``, ``show memory`` and ``eval``."""

from __future__ import annotations

from typing import Tuple

from netorch.errors import ParseError
from netorch.model.state import DaemonStatus, MemoryUse
from netorch.parse.framing import read_reply
from netorch.parse.textfsm_rows import parse_rows

_STATES = {
    "Daemon is up and running": "up",
    "Reconfiguration in progress": "reconfiguring",
    "Shutdown in progress": "shutting down",
}
_PLAIN_ERRORS = ("syntax error, ", "runtime error")  # codes 9001 and 8008, which plain text does not show
_FACTORS = {"B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}


def parse_status(text: str) -> DaemonStatus:
    """Parse ``show status``.

    Raises ParseError for a line that no rule matches and for an output without its last line; ReplyError where BIRD
    answered with an error.

    Source: BIRD 2.0.12 nest/cmds.c cmd_show_status().
    """
    rows = parse_rows("bird_show_status", read_reply(text))
    if len(rows) != 1 or "state" not in rows[0]:
        raise ParseError("expected one version and, at the end, the daemon's state: the output was cut or changed")
    row = rows[0]
    channels, (left, _, whole) = row.get("restart_channels"), row.get("restart_timer", "").partition("/")
    return DaemonStatus(
        version=row["version"],
        state=_STATES[row["state"]],
        router_id=row.get("router_id"),
        hostname=row.get("hostname"),
        current_time=row.get("current_time"),
        last_reboot=row.get("last_reboot"),
        last_reconfiguration=row.get("last_reconfiguration"),
        graceful_restart_channels=int(channels) if channels else None,
        graceful_restart_wait_s=int(whole) if whole else None,
        graceful_restart_remaining_s=float(left) if left else None,
    )


def parse_memory(text: str) -> Tuple[MemoryUse, ...]:
    """Parse ``show memory``: one MemoryUse per line of the report up to ``Total``, then those about pages, if any.

    Raises ParseError for a line that no rule matches and for a report without its total; ReplyError where BIRD answered with
    an error.

    Source: BIRD nest/cmds.c cmd_show_memory(); samples of 2.0.12, 2.17.5 and 3.1.7 in tests/parse.
    """
    rows = parse_rows("bird_show_memory", read_reply(text))
    report = [row["name"] for row in rows if "overhead" in row]
    if not report or report[-1] != "Total":
        raise ParseError("expected the total at the end of the report: the output was cut or changed")
    return tuple(
        MemoryUse(
            name=row["name"],
            effective_bytes=_bytes(row["effective"]),
            overhead_bytes=_bytes(row["overhead"]) if "overhead" in row else None,
        )
        for row in rows
    )


def _bytes(text: str) -> int:
    number, unit = text.split()
    return round(float(number) * _FACTORS[unit])


def parse_eval(text: str) -> str:
    """Parse ``eval EXPRESSION``: the value as BIRD prints it; strings come without quotes.

    Raises ParseError unless there is exactly one value; ReplyError where BIRD answered with an error, such as an unknown
    constant.

    Source: BIRD 2.0.12 nest/cmds.c cmd_eval(): code 0023.
    """
    reply = read_reply(text, evaluated=True)
    if len(reply.lines) != 1 or reply.code not in (None, 23):
        raise ParseError(f"expected one value, found {len(reply.lines)} lines")
    if reply.code is None and reply.lines[0].startswith(_PLAIN_ERRORS):
        raise ParseError(f"expected a value, found {reply.lines[0]!r}")
    return reply.lines[0]
