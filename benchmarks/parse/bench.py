"""``show protocols all`` of 1,000 sessions, text to objects: netorch beside other parsers, above a line machine.

The text repeats the Established sessions of a sample of BIRD 2.0.12. Every contender reads all of it, in turns; the median
of its rounds counts. What each of them does differs: netorch yields typed objects and refuses unknown lines and cuts; the
one-state template yields text, and knows unknown lines only; ttp yields text and passes over every line that it does not
know; the line machine, the floor, splits lines at the first colon and checks nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import statistics
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

from textfsm import TextFSM

from netorch.parse import parse_protocols, read_reply
from netorch.parse.textfsm_rows import parse_rows
from tests.parse.line_machine import read_blocks

HERE = Path(__file__).parent
SAMPLE = HERE.parent.parent / "tests/parse/samples/bird_2.0.12/protocols_all.raw"
SESSIONS = 1_000
ROUNDS = 5
SLOW_ROUNDS = 1  # ttp takes seconds a round


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


def plain_textfsm(text: str) -> List[Any]:
    machine = TextFSM(io.StringIO((HERE / "plain.textfsm").read_text(encoding="utf-8")))
    return list(machine.ParseText(text))


def ttp(text: str) -> List[Any]:
    parser = importlib.import_module("ttp").ttp(data=text, template=(HERE / "plain.ttp").read_text(encoding="utf-8"))
    parser.parse(one=True)
    return list(parser.result()[0][0]["protocols"][1:])  # the first is the table's header


def measure(contenders: Dict[str, Callable[[], Any]], rounds: int) -> Dict[str, float]:
    """The median seconds of each, taken in turns so that a busy moment of the machine hits all of them."""
    seconds: Dict[str, List[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            start = time.perf_counter()
            found = contender()
            seconds[name].append(time.perf_counter() - start)
            if len(found) < SESSIONS:
                raise AssertionError(f"{name} found {len(found)} of {SESSIONS} sessions")
    return {name: statistics.median(times) for name, times in seconds.items()}


def run() -> Dict[str, Any]:
    """Measure all contenders; ``rows`` has one entry each, ratios are to netorch and to the floor of the same run."""
    text = sessions_text(SESSIONS)
    with_codes = coded(text)
    seconds = measure(
        {
            "netorch": lambda: parse_protocols(text),
            "netorch, reply codes": lambda: parse_protocols(with_codes),
            "netorch, TextFSM alone": lambda: parse_rows("bird_show_protocols", read_reply(text)),
            "peer: one-state TextFSM": lambda: plain_textfsm(text),
            "floor: line machine": lambda: read_blocks(text),
        },
        ROUNDS,
    )
    if importlib.util.find_spec("ttp"):
        seconds |= measure({"peer: ttp": lambda: ttp(text)}, SLOW_ROUNDS)
    lines = text.count("\n")
    rows = [
        {
            "contender": name,
            "seconds": round(taken, 4),
            "lines_per_s": round(lines / taken),
            "times_netorch": round(taken / seconds["netorch"], 2),
            "times_floor": round(taken / seconds["floor: line machine"], 2),
        }
        for name, taken in seconds.items()
    ]
    return {"benchmark": "parse", "sessions": SESSIONS, "lines": lines, "rounds": ROUNDS, "rows": rows}


def table(result: Dict[str, Any]) -> str:
    """``result`` of ``run`` for people."""
    head = (
        f"show protocols all, {result['sessions']:,} sessions, {result['lines']:,} lines, median of {result['rounds']}"
    )
    lines = [head, f"{'':26}{'seconds':>9}{'lines/s':>12}{'x netorch':>11}{'x floor':>9}"]
    lines += [
        f"{row['contender']:26}{row['seconds']:>9.3f}{row['lines_per_s']:>12,}{row['times_netorch']:>11.2f}{row['times_floor']:>9.1f}"
        for row in result["rows"]
    ]
    return "\n".join(lines)
