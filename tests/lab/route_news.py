"""What the kernels of nodes tell of their IPv6 routes, and which were away for an instant.

IPv4 routes are left out: everybody replaces them, and a full table of them is more news at once than a socket holds.
"""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from netorch.lab import lab_status
from tests.lab.labs import Lab
from tests.waiting import wait_until

INSTANT_S = 0.2
"""A route that goes and comes again within this time was changed, not taken back: what a session's end takes stays away for
longer. Times are those at which ``ip`` read of it."""

_LINE = re.compile(
    r"\[(?P<at>[-\d]+T[\d:.]+)\] (?P<deleted>Deleted )?(?:unicast |blackhole |unreachable )?"
    r"(?P<prefix>[0-9a-f:.]+(?:/\d+)?|default) (?P<rest>.*)"
)
_TABLE = re.compile(r"\btable (\S+)")
_MARKS = ("2001:db8:ffff:1::", "2001:db8:ffff:2::")
"""Routes that are away for an instant at the beginning and at the end of what is told."""


@dataclass
class RouteNews:
    """After the block, what was told, by node: lines of ``ip -6 -ts monitor route``."""

    lines: dict[str, list[str]] = field(default_factory=dict)

    def instants(self) -> list[str]:
        """The routes that were away for an instant, and how long."""
        return [text for node, lines in self.lines.items() for text in _instants(node, lines) if _mark_of(text) is None]


@contextmanager
def route_news(lab: Lab, nodes: Sequence[str], folder: Path) -> Iterator[RouteNews]:
    """All that changes in the IPv6 tables of ``nodes`` while the block runs. AssertionError where some of it was missed."""
    news, files = RouteNews(), {node: folder / f"{node}.routes" for node in nodes}
    with ExitStack() as stack:
        for node, path in files.items():
            stack.enter_context(_monitor(lab, node, path))
        _wait_for(lab, files, _MARKS[0])
        yield news
        _wait_for(lab, files, _MARKS[1])
    for node, path in files.items():
        text = path.read_text()
        assert "receive error" not in text, f"{node}: news were lost"
        news.lines[node] = text.splitlines()


@contextmanager
def _monitor(lab: Lab, node: str, path: Path) -> Iterator[None]:
    netns = next(status.netns for status in lab_status(lab.settings) if status.name == node)
    argv = ["nsenter", f"--net=/run/netns/{netns}", "ip", "-6", "-ts", "-rcvbuf", str(32 << 20), "monitor", "route"]
    with path.open("wb") as file, subprocess.Popen(argv, stdout=file, stderr=subprocess.STDOUT) as monitor:
        try:
            yield
        finally:
            monitor.send_signal(signal.SIGTERM)
            monitor.wait(10)


def _wait_for(lab: Lab, files: dict[str, Path], mark: str) -> None:
    route = f"{mark}/128 dev lo table 7"
    script = " && ".join(f"ip -6 route {action} {route}" for action in ("replace", "delete") * 2)

    def is_heard(node: str) -> bool:
        lab.sh(node, script)
        return mark in map(_mark_of, _instants(node, files[node].read_text().splitlines()))

    for node in files:
        wait_until(lambda node=node: is_heard(node), what=f"news of {node}'s routes come")  # type: ignore[misc]


def _instants(node: str, lines: Sequence[str]) -> Iterator[str]:
    gone: dict[tuple[str, str], datetime] = {}
    for found in filter(None, map(_LINE.match, lines)):
        table = _TABLE.search(found["rest"])
        key = (found["prefix"], table[1] if table else "main")
        at = datetime.fromisoformat(found["at"])
        if found["deleted"]:
            gone[key] = at
        elif key in gone:
            away_s = (at - gone.pop(key)).total_seconds()
            if away_s < INSTANT_S:
                yield f"{node}: {key[0]} of table {key[1]} was away for {away_s:.6f} s"


def _mark_of(text: str) -> str | None:
    return next((mark for mark in _MARKS if f" {mark}" in text), None)
