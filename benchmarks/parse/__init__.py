"""``show protocols all`` of 1,000 sessions, text to objects: netorch beside other parsers, above a line machine.

The text repeats the Established sessions of a sample of BIRD 2.0.12. What each contender does with it differs: netorch yields
typed objects and refuses unknown lines and cuts; the one-state template yields text, and knows unknown lines only; ttp yields
text and passes over every line that it does not know; the line machine, the floor, splits lines at the first colon and checks
nothing.
"""

from __future__ import annotations

import io
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from textfsm import TextFSM

from benchmarks import peers
from benchmarks.report import Progress, measure
from netorch.parse import parse_protocols, read_reply
from netorch.parse.textfsm_rows import parse_rows
from tests.parse.line_machine import read_blocks

HERE = Path(__file__).parent
SAMPLE = HERE.parent.parent / "tests/parse/samples/bird_2.0.12/protocols_all.raw"
SESSIONS = 1_000
ROUNDS = 5
PEERS = ("ttp",)
FLOOR = "floor: line machine"


def prepare(progress: Progress) -> None:
    """Install the peer."""
    peers.install("parse", PEERS, progress)


def run(progress: Progress) -> dict[str, Any]:
    """One row per contender; seconds are of one reading in a running process."""
    text = sessions_text(SESSIONS)
    with_codes = coded(text)
    contenders = {
        FLOOR: _timed(lambda: read_blocks(text)),
        "netorch": _timed(lambda: parse_protocols(text)),
        "netorch, reply codes": _timed(lambda: parse_protocols(with_codes)),
        "netorch, TextFSM alone": _timed(lambda: parse_rows("bird_show_protocols", read_reply(text))),
        "one-state TextFSM": _timed(lambda: plain_textfsm(text)),
    }
    if peers.program("parse", "python"):
        contenders["ttp"] = lambda: ttp(text)
    lines = text.count("\n")
    rows = measure(contenders, rounds=ROUNDS, floor=FLOOR)
    return {
        "sessions": SESSIONS,
        "lines": lines,
        "versions": {name: version(name) for name in ("netorch", "textfsm")} | peers.versions("parse", PEERS),
        "rows": [{**row, "lines_per_s": round(lines / row["seconds_median"])} for row in rows],
    }


def sessions_text(sessions: int) -> str:
    """Output of ``show protocols all`` with this many Established sessions, each under a name of its own."""
    banner, header, rest = SAMPLE.read_text(encoding="utf-8").split("\n", 2)
    blocks = [block.split(None, 1)[1] for block in rest.split("\n\n") if "BGP state:          Established" in block]
    body = [f"session{number:04d} {blocks[number % len(blocks)]}\n\n" for number in range(sessions)]
    return f"{banner}\n{header}\n{''.join(body)}"


def coded(text: str) -> str:
    """``text`` as the control socket sends it, which is what the agent reads."""
    banner, header, *lines = text.split("\n")[:-1]
    parts = [f"0001 {banner}", f"2002-{header}"]
    code = "2002"
    for line in lines:
        own = "1006" if line[:1] in ("", " ") else "1002"
        parts.append(f" {line}" if own == code else f"{own}-{line}")
        code = own
    return "\n".join([*parts, "0000 "]) + "\n"


def plain_textfsm(text: str) -> list[Any]:
    """All rows by a template of one state."""
    machine = TextFSM(io.StringIO((HERE / "plain.textfsm").read_text(encoding="utf-8")))
    return list(machine.ParseText(text))


def ttp(text: str) -> float:
    """ttp's seconds, measured in an interpreter of its own."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        command = [str(peers.program("parse", "python")), str(HERE / "ttp_peer.py"), file.name, str(HERE / "plain.ttp")]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, found = printed.split()
    _require(int(found))
    return float(seconds)


def _timed(contender: Callable[[], Any]) -> Callable[[], float]:
    def timed() -> float:
        start = time.perf_counter()
        found = contender()
        taken = time.perf_counter() - start
        _require(len(found))
        return taken

    return timed


def _require(found: int) -> None:
    assert found >= SESSIONS, f"found {found} of {SESSIONS} sessions"
