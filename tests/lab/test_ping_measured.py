"""``netorch ping`` beside a capture of its packets: what it says is what went over the wire; live, on record, for Prometheus."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from netorch.app.ping_figures import Figures, Sample, figures
from netorch.model.types import Family
from tests.lab.capture import capture
from tests.lab.deployed_pop import behind_all, kernel_routes, mark
from tests.lab.operator_shell import Said, cron_environment
from tests.lab.quick_lab import QuickLab, only_pop2, quick_lab
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

POP, HOST, SWITCH, QUICK, SLOW = "pop2", "h1.pop2", "sw1.pop2", "northtel", "meadow"
DELAYS_MS = {QUICK: 10.0, SLOW: 80.0}
SPEAKERS = """speakers:
  - {provider: northtel, prefixes_ipv4: 40, prefixes_ipv6: 40, delay_ms: 10}
  - {provider: southnet, prefixes_ipv4: 40, prefixes_ipv6: 40}
  - {provider: meadow, prefixes_ipv4: 40, prefixes_ipv6: 40, delay_ms: 80, loss_percent: 5}
"""
LOSS_PERCENT = {QUICK: 0.0, SLOW: 5.0}
COUNT, INTERVAL_S = 2000, 0.005
TIMEOUT_MS = 2000.0
ECHO_REPLY, ECHO_REQUEST = 0, 8
Row = dict[str, Any]


@dataclass
class Told:
    """What netorch said, and what passed the host's uplink meanwhile: figures, the quickest way first."""

    measured: list[Row]
    wire: list[Figures]
    tcp: dict[str, list[Row]]
    recorded: Said
    on_record: list[Row]
    beside: Said
    metrics: str
    picture: bytes
    piped: Said
    typed: Said
    down: list[Row]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """All of it from one lab: a provider that is quick, and one that is slow and loses a packet in twenty."""
    folder = tmp_path_factory.mktemp("measured")
    with quick_lab(folder / "project", {**only_pop2(), "lab.yml": SPEAKERS}, name="measured") as quick:
        quick.deploy(POP)
        wait_until(lambda: all(_has_routes(quick, p) for p in DELAYS_MS), timeout_s=30, what="routes of both")
        target = behind_all(quick.lab.inventory, Family.IPV4)
        return _tell(quick, target, folder)


def _tell(quick: QuickLab, target: str, folder: Path) -> Told:
    def ping(*options: str) -> Said:
        return quick.project("ping", target, "--from", HOST, *options)

    record, metrics, picture = folder / "record", folder / "ping.prom", folder / "ping.svg"
    with capture(HOST, "eth0", quick.lab.settings, folder=folder, only=f"icmp and host {target}"):
        measured = ping("--count", str(COUNT), "--interval", str(INTERVAL_S), "-o", "json").document
    tcp = {
        port: ping("--tcp", port, "--count", "20", "--interval", "0.05", "-o", "json").document for port in ("80", "81")
    }
    keep = ("--record", str(record), "--metrics", str(metrics), "--quiet")
    recorded = ping("--count", "20", "--interval", "0.02", *keep)
    on_record = quick.project("ping", "--record", str(record), "--since", "1h", "--plot", str(picture), "-o", "json")
    figures_then = metrics.read_text()
    with _held(record):
        beside = ping(*keep)
    piped, typed = _pipe(quick, target), _terminal(quick, target)
    sessions = quick.project("status", SWITCH, "-o", "json").document["devices"][0]["sessions"]
    closed = next(one["name"] for one in sessions if (one["peer"], one["family"]) == (SLOW, "ipv4"))
    quick.lab.run(SWITCH, "birdc", "disable", closed)
    wait_until(lambda: not _has_routes(quick, SLOW), timeout_s=20, what="no route through the provider that is down")
    down = ping("-o", "json").document
    wire = _round_trips((folder / f"{HOST}-eth0.pcap").read_bytes())
    return Told(
        measured,
        wire,
        tcp,
        recorded,
        on_record.document,
        beside,
        figures_then,
        picture.read_bytes(),
        piped,
        typed,
        down,
    )


def _has_routes(quick: QuickLab, provider: str) -> bool:
    return bool(kernel_routes(quick.lab, HOST, Family.IPV4, mark(quick.lab.inventory, provider)))


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """As another netorch ping holds its record."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _round_trips(data: bytes) -> list[Figures]:
    """Of every ICMP identifier in a capture, as tcpdump's clock saw its packets; the quickest first."""
    sent: dict[tuple[int, int], float] = {}
    samples: dict[tuple[int, int], Sample] = {}
    offset = 24
    while offset + 16 <= len(data):
        seconds, microseconds, length, _ = struct.unpack_from("<IIII", data, offset)
        frame, time_s = data[offset + 16 : offset + 16 + length], seconds + microseconds / 1e6
        offset += 16 + length
        icmp = frame[14 + (frame[14] & 15) * 4 :]
        key: tuple[int, int] = struct.unpack_from("!HH", icmp, 4)
        if icmp[0] == ECHO_REQUEST:
            sent[key], samples[key] = time_s, Sample(time_s, None)
        elif icmp[0] == ECHO_REPLY and (time_s - sent[key]) * 1000.0 < TIMEOUT_MS:
            samples[key] = Sample(sent[key], (time_s - sent[key]) * 1000.0)
    by_way: dict[int, list[Sample]] = {}
    for (identifier, _), sample in samples.items():
        by_way.setdefault(identifier, []).append(sample)
    return sorted(map(figures, by_way.values()), key=lambda found: found.median_ms or 0.0)


def _pipe(quick: QuickLab, target: str) -> Said:
    """``--watch`` into a pipe, interrupted once it has said something."""
    process = quick.project.start("ping", target, "--from", HOST, "--watch")
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    return quick.project.finish(process, timeout_s=30, already=first)


def _terminal(quick: QuickLab, target: str) -> Said:
    """``--watch`` on a terminal, Ctrl-C typed once it has drawn a row with a time in it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    argv = [sys.executable, "-m", "netorch", "ping", target, "--from", HOST, "--watch"]
    environment = {**cron_environment(), "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    seen = bytearray()
    with subprocess.Popen(
        argv,
        cwd=quick.project.folder,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        is_typed = False
        while data := _read(ours):
            seen += data
            if not is_typed and seen.count(b"Ctrl-C ends") > 1 and "▁" in seen.decode(errors="replace"):
                process.send_signal(signal.SIGINT)  # what the terminal does for the one in front
                is_typed = True
    os.close(ours)
    return Said(tuple(argv), process.returncode, seen.decode(errors="replace"), "")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # its other end is closed
        return b""


def by_provider(rows: list[Row]) -> dict[str, Row]:
    return {row["provider"]: row for row in rows}


# ---- what it measures --------------------------------------------------------------------------------------------


def test_counts_are_those_of_the_wire(told: Told) -> None:
    """Every packet that is told as sent left the host, and every loss is one: as many answers came in as are told."""
    counts = sorted((row["median_ms"], row["sent"], row["received"]) for row in told.measured)
    assert [count[1:] for count in counts] == [(COUNT, found.received) for found in told.wire]
    assert [found.sent for found in told.wire] == [COUNT, COUNT]


def test_times_are_those_of_the_wire(told: Told) -> None:
    """The median differs by less than 2 ms from what a capture says, and nothing is quicker than the provider's delay."""
    rows = sorted(told.measured, key=lambda row: float(row["median_ms"]))
    assert [row["provider"] for row in rows] == [QUICK, SLOW]
    for row, found in zip(rows, told.wire, strict=True):
        assert abs(row["median_ms"] - found.median_ms) < 2.0
        assert row["min_ms"] >= DELAYS_MS[row["provider"]]
        assert row["min_ms"] <= row["median_ms"] <= row["p90_ms"] <= row["p99_ms"]


def test_what_lines_do_is_found(told: Told) -> None:
    """The delay of each provider within 2 ms, and its loss within a point."""
    for row in told.measured:
        assert abs(row["median_ms"] - DELAYS_MS[row["provider"]]) < 2.0
        assert abs(row["loss_percent"] - LOSS_PERCENT[row["provider"]]) < 1.0


@pytest.mark.parametrize("port", ["80", "81"])
def test_connections_measure_too(told: Told, port: str) -> None:
    """A port that is open answers, and so does one that is closed; neither is quicker than the provider's delay."""
    rows = by_provider(told.tcp[port])
    assert {row["protocol"] for row in rows.values()} == {f"tcp/{port}"}
    assert all(rows[name]["received"] > 0 and rows[name]["min_ms"] >= delay for name, delay in DELAYS_MS.items())


def test_a_dead_provider_is_no_loss(told: Told) -> None:
    """Without a session it is down, and nothing is sent by it; the other goes on."""
    rows = by_provider(told.down)
    assert (rows[SLOW]["state"], rows[SLOW]["sent"], rows[SLOW]["loss_percent"]) == ("down", 0, None)
    assert "v4 is Down" in rows[SLOW]["note"]
    assert (rows[QUICK]["state"], rows[QUICK]["note"]) == ("ok", None)


# ---- what becomes of it ------------------------------------------------------------------------------------------


def test_a_scheduled_ping_is_silent_and_on_record(told: Told) -> None:
    """Nothing is printed; the record, its picture and Prometheus have it."""
    assert (told.recorded.out, told.recorded.err) == ("", "")
    assert {row["provider"]: row["sent"] for row in told.on_record} == {QUICK: 20, SLOW: 20}
    assert told.picture.startswith(b"<?xml")
    assert 'provider="northtel",quantile="0.5"' in told.metrics


def test_a_second_one_does_not_begin(told: Told) -> None:
    """While another holds the record nothing is sent, and cron hears nothing."""
    assert (told.beside.code, told.beside.out, told.beside.err) == (0, "", "")


def test_a_pipe_gets_lines_and_the_summary(told: Told) -> None:
    """A line for each row and period, then the table; Ctrl-C is no accident, and has its exit code."""
    first, *rest = told.piped.out.splitlines()
    assert f"  {HOST}  " in first
    assert "median_ms" in first
    assert [line.split()[:2] for line in rest[-3:]] == [["host", "provider"], [HOST, QUICK], [HOST, SLOW]]
    assert (told.piped.code, told.piped.err) == (130, "")


def test_a_terminal_is_drawn_in_place(told: Told) -> None:
    """Each picture goes over the last one, and at the end only the summary stays."""
    cursor_up, erase_line = "\x1b[1A", "\x1b[2K"
    assert told.typed.out.count("Ctrl-C ends") > 1
    assert cursor_up in told.typed.out
    assert erase_line in told.typed.out
    assert SLOW in told.typed.out.rpartition(cursor_up)[2]
    assert "Ctrl-C ends" not in told.typed.out.rpartition(cursor_up)[2]
    assert told.typed.code == 130
