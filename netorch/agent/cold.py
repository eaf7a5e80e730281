"""Changes of a device whose BIRD does not run: the new file takes its place at once, and BIRD starts with it.

Whoever starts BIRD (systemd, a supervisor, the machine's own start) starts what is on disk; a file that was broken by hand
would keep it down for ever. So here the candidate is on disk before it is confirmed. The journal knows that, and undoing puts
the former file back: BIRD goes on with that one, or ends where it cannot read it.
"""

from __future__ import annotations

import os
from contextlib import suppress

from netorch.agent import bird, daemon
from netorch.agent.bird import Bird, BirdAbsent, BirdSilent
from netorch.agent.clock import uptime, wait
from netorch.agent.files import write_file
from netorch.agent.outcome import Stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

START_TIMEOUT_S = 20.0
"""How long BIRD has to come up with its new file."""

_INTERVAL_S = 0.1
_SYSTEMCTL_TIMEOUT_S = 10.0


def place(file: Dict[str, Any]) -> None:
    """Put a copy of the candidate in place; the candidate stays until the change is confirmed."""
    with open(file["candidate"], "rb") as candidate:
        state = os.fstat(candidate.fileno())
        data = candidate.read()
    write_file(file["path"], data, mode=state.st_mode & 0o7777, owner=state.st_uid, group=state.st_gid)


def start(stamp: str) -> None:
    """Have BIRD started, and return once it runs the configuration ``stamp``. Raises Stop where it does not in time."""
    said = _ask_systemd()
    deadline = uptime() + START_TIMEOUT_S
    while uptime() < deadline:
        with suppress(BirdAbsent):
            live = _live_stamp(wanted=stamp)
            if live != stamp:
                raise Stop(f"BIRD runs {live or 'a configuration without a stamp'}, expected {stamp}")
            return
        wait(_INTERVAL_S)
    hint = "see why in its log, then deploy again" if said is None else "journalctl -u bird shows why"
    raise Stop(f"BIRD does not come up within {START_TIMEOUT_S:g} s{f': {said}' if said else ''}", hint=hint)


def _live_stamp(*, wanted: str) -> Optional[str]:
    with Bird() as control:
        live = control.live_stamp()
        if live != wanted:  # somebody was faster, and it has read the former file
            control.ask("configure")
            daemon.settle(control)
            live = control.live_stamp()
        return live


def _ask_systemd() -> Optional[str]:
    """Ask systemd to start BIRD, whatever it has given up before; its complaint, "" if it has none, None where it does not run.
    Elsewhere whatever keeps BIRD running starts it again by itself."""
    if not os.path.isdir("/run/systemd/system"):
        return None
    import subprocess

    said = ""
    for command in (("reset-failed",), ("start", "--no-block")):
        argv = ["systemctl", *command, "bird.service"]
        try:
            run = subprocess.run(argv, capture_output=True, text=True, timeout=_SYSTEMCTL_TIMEOUT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as exc:
            return str(exc)
        said = (run.stderr.strip().splitlines() or [""])[-1] if run.returncode != 0 else ""
    return said


def confirm(stamp: str) -> str:
    """Why a change that started BIRD cannot stay; "" if it can. There is nothing that BIRD itself would take back."""
    with Bird() as control:
        live = control.live_stamp()
    return "" if live == stamp else daemon.lost(live, stamp)


def undo() -> List[str]:
    """The former file is back in its place: let BIRD go on with it, or end. Remarks."""
    try:
        with Bird() as control:
            reply = control.try_ask("configure")
            if reply.code < bird.FIRST_ERROR:
                daemon.settle(control)
                return [
                    "BIRD did not run before this change: it does now, with the file that it would have started with"
                ]
            with suppress(BirdSilent):  # it may be gone before it has answered
                control.try_ask("down")
    except BirdAbsent:
        pass
    return ["BIRD does not run, as before this change"]
