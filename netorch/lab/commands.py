"""The lab's own use of iproute2 and friends; every command has a deadline and fails with its own words."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from netorch.errors import DeviceError, NetorchError, TimedOut
from netorch.ports import Clock

Thing = TypeVar("Thing")

NETNS_FOLDER = Path("/run/netns")
TOOL_TIMEOUT_S = 60.0
POLL_S = 0.02


@dataclass(frozen=True)
class Tools:
    """Runs programs that inherit the lab's lock, so that one which outlives a killed ``lab up`` still keeps others out."""

    lock_fd: int

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout_s: float = TOOL_TIMEOUT_S) -> str:
        """Standard output of ``argv``; DeviceError with its standard error when it fails."""
        try:
            done = subprocess.run(
                argv, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False,
                pass_fds=(self.lock_fd,),
            )  # fmt: skip
        except FileNotFoundError as exc:
            raise NetorchError(f"{argv[0]} is not installed", where="lab", hint="./dev setup") from exc
        except subprocess.TimeoutExpired as exc:
            raise TimedOut(f"'{' '.join(argv)}' did not end within {timeout_s:g} s", where="lab") from exc
        if done.returncode != 0:
            raise DeviceError(f"'{' '.join(argv)}' failed: {(done.stderr or done.stdout).strip()}", where="lab")
        return done.stdout

    def ip(self, arguments: Sequence[str], *, netns: str = "", stdin: str = "") -> str:
        """Run ``ip`` in namespace ``netns`` ("": here). Its own option ``-n`` fails in a chroot whose / is no mount."""
        where = ["nsenter", f"--net={NETNS_FOLDER / netns}"] if netns else []
        return self.run([*where, "ip", *arguments], stdin=stdin)

    def ip_batch(self, lines: Sequence[str], *, netns: str = "") -> None:
        """Run ``ip`` commands in namespace ``netns`` ("": here). Those that name no family go first, then -4, then -6."""
        for option in ("", "-4", "-6"):
            chosen = [line.removeprefix(option).strip() for line in lines if _option(line) == option]
            if chosen:
                self.ip([*([option] if option else []), "-batch", "-"], netns=netns, stdin="\n".join(chosen) + "\n")


def _option(line: str) -> str:
    return line[:2] if line.startswith(("-4 ", "-6 ")) else ""


def at_once(work: Callable[[Thing], object], things: Sequence[Thing]) -> None:
    """``work`` on every thing, a few at a time; raises the first error once all have ended."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        tasks = [pool.submit(work, thing) for thing in things]
    for task in tasks:
        task.result()


def wait_for(condition: Callable[[], bool], what: str, *, clock: Clock, timeout_s: float) -> None:
    """Return once ``condition`` holds; TimedOut naming ``what`` after ``timeout_s``."""
    end = clock.monotonic() + timeout_s
    while not condition():
        if clock.monotonic() > end:
            raise TimedOut(f"{what}: not within {timeout_s:g} s", where="lab")
        clock.wait(POLL_S)
