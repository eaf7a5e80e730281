"""Namespaces of its own for a process and all that it starts, which the kernel ends with it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from netorch.errors import NetorchError

# The chain of deaths: this process, unshare, the first process of the new namespaces, whoever lives in them.
_UNSHARE = ("setpriv", "--pdeathsig", "KILL", "unshare", "--fork", "--kill-child", "--propagation", "private")
_NAMESPACES = ("--net", "--mount", "--ipc", "--pid", "--mount-proc")


def require_root() -> None:
    """Raise NetorchError unless this process may make namespaces."""
    if os.geteuid() != 0:
        raise NetorchError(
            "a rehearsal makes namespaces and needs root", where="rehearse", hint="sudo netorch rehearse ..."
        )


def in_own_namespaces(argv: Sequence[str], stdin: bytes) -> tuple[int, bytes]:
    """Run ``argv`` as the first process of new namespaces; its exit status and standard output. Call it in the main thread.

    Standard error is passed through. Whatever ends this process, or interrupts this function, ends the other as well.
    """
    try:
        process = subprocess.Popen(
            [*_UNSHARE, *_NAMESPACES, *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for this process, which then ends that one
        )
    except FileNotFoundError as exc:
        raise NetorchError(f"{exc.filename} is not installed", where="rehearse", hint="./dev setup") from exc
    with process:
        try:
            stdout, _ = process.communicate(stdin)
        except BaseException:
            process.kill()
            raise
    return process.returncode, stdout


def furnish() -> None:
    """Inside: an empty /run, and a loopback that works. What mounts there are is nobody else's business."""
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "netorch-rehearsal", "/run")
    for folder in ("netns", "lock", "sshd"):
        Path("/run", folder).mkdir()
    _run("ip", "link", "set", "dev", "lo", "up")


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        raise NetorchError(f"'{' '.join(argv)}' failed: {done.stderr.strip()}", where="rehearse")
