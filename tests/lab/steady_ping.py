"""A ping that goes on while something else happens, and counts what was lost."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from netorch.io.clock import SystemClock
from netorch.lab import lab_status
from tests.lab import echo_sender
from tests.lab.labs import Lab
from tests.waiting import wait_until

INTERVAL_S = 0.008
IN_FLIGHT = 40
"""How many of the last packets may have been on their way when it ended."""


@dataclass
class Steady:
    """What became of the packets; filled when the ping ends. ``lost`` are seconds after the start."""

    interval_s: float = INTERVAL_S
    sent: int = 0
    lost: tuple[float, ...] = ()
    lasted_s: float = 0.0
    said: str = ""

    @property
    def longest_gap_s(self) -> float:
        """For how long no packet was answered at most; 0 where none was lost."""
        numbers = [round(moment / self.interval_s) for moment in self.lost]
        begun, longest = 0, 0
        for at, number in enumerate(numbers):
            if at == 0 or number > numbers[at - 1] + 1:
                begun = number
            longest = max(longest, number - begun + 1)
        return longest * self.interval_s

    @property
    def rate(self) -> float:
        """Packets per second."""
        return self.sent / self.lasted_s


@contextmanager
def steady_ping(
    lab: Lab, node: str, destination: str, *options: str, folder: Path, interval_s: float = INTERVAL_S
) -> Iterator[Steady]:
    """Ping from ``node``, 125 packets a second of 1000 bytes, while the block runs; the first is answered before it. ``options``
    are those of ``echo_sender``."""
    netns = next(status.netns for status in lab_status(lab.settings) if status.name == node)
    argv = [sys.executable, "-I", "-S", echo_sender.__file__, *options, destination, str(interval_s)]
    path = folder / f"ping-{node}-{destination.replace(':', '-')}.txt"
    result = Steady(interval_s)
    clock = SystemClock()
    started = clock.monotonic()
    with (
        path.open("wb") as file,
        # The network's namespace alone, so that the signal reaches ping.
        subprocess.Popen(["nsenter", f"--net=/run/netns/{netns}", *argv], stdout=file, stderr=file) as ping,
    ):
        try:
            wait_until(lambda: b"answered" in path.read_bytes(), timeout_s=30, what=f"{destination} answers {node}")
            yield result
        finally:
            ping.send_signal(signal.SIGINT)
            ping.wait(timeout=10)
            result.lasted_s = clock.monotonic() - started
            _fill(result, path.read_text())


def _fill(result: Steady, text: str) -> None:
    lines = text.splitlines()
    assert "sent " in text, text[-2000:]
    result.sent = int(lines[-1].partition(" ")[2])
    answered = {int(line) for line in lines if line.isdecimal()}
    last = max(answered)
    due = max(last, result.sent - IN_FLIGHT)
    result.lost = tuple(round(number * result.interval_s, 3) for number in range(1, due + 1) if number not in answered)
    result.said = f"{len(answered)} of {result.sent} answered"
