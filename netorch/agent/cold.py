"""Changes of a device whose routing daemon does not run: the new file takes its place at once, and the daemon starts with it.

Whoever starts it (systemd, a supervisor, the machine's own start) starts what is on disk; a file that was broken by hand would
keep it down for ever. So here the candidate is on disk before it is confirmed. The journal knows that, and undoing puts the
former file back: the daemon goes on with that one, or ends where it cannot read it.
"""

from __future__ import annotations

import os
from contextlib import suppress

from netorch.agent.clock import uptime, wait
from netorch.agent.daemons import DaemonAbsent, DaemonRefused, DaemonSilent, no_longer_live
from netorch.agent.outcome import Stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

    from netorch.agent.daemons import Daemon

_INTERVAL_S = 0.1
_SYSTEMCTL_TIMEOUT_S = 10.0


def start(daemon: Daemon, stamp: str) -> None:
    """Have it started, and return once it runs the configuration ``stamp``. Raises Stop where it does not in time."""
    said = _ask_systemd(daemon.unit)
    deadline = uptime() + daemon.start_timeout_s
    while uptime() < deadline:
        with suppress(DaemonAbsent, DaemonSilent):  # one of several programs may be there before the others
            live = _live_stamp(daemon, wanted=stamp)
            if live != stamp:
                raise Stop(f"{daemon.title} runs {live or 'a configuration without a stamp'}, expected {stamp}")
            return
        wait(_INTERVAL_S)
    hint = "see why in its log, then deploy again" if said is None else f"journalctl -u {daemon.unit} shows why"
    raise Stop(
        f"{daemon.title} does not come up within {daemon.start_timeout_s:g} s{f': {said}' if said else ''}", hint=hint
    )


def _live_stamp(daemon: Daemon, *, wanted: str) -> Optional[str]:
    with daemon.connect() as control:
        live = control.live_stamp()
        if live != wanted:  # somebody was faster, and it has read the former file
            control.reload()
            live = control.live_stamp()
        return live


def _ask_systemd(unit: str) -> Optional[str]:
    """Ask systemd to start ``unit``, whatever it has given up before; its complaint, "" if it has none, None where systemd does
    not run: there whatever keeps the daemon running starts it again by itself."""
    if not os.path.isdir("/run/systemd/system"):
        return None
    import subprocess

    said = ""
    for command in (("reset-failed",), ("start", "--no-block")):
        argv = ["systemctl", *command, f"{unit}.service"]
        try:
            run = subprocess.run(argv, capture_output=True, text=True, timeout=_SYSTEMCTL_TIMEOUT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as exc:
            return str(exc)
        said = (run.stderr.strip().splitlines() or [""])[-1] if run.returncode != 0 else ""
    return said


def confirm(daemon: Daemon, stamp: str) -> str:
    """Why a change that started the daemon cannot stay; "" if it can. There is nothing that it would take back by itself."""
    with daemon.connect() as control:
        live = control.live_stamp()
    return "" if live == stamp else no_longer_live(daemon.title, live, wanted=stamp)


def undo(daemon: Daemon) -> List[str]:
    """The former file is back in its place: let the daemon go on with it, or end. Remarks."""
    try:
        with daemon.connect() as control:
            try:
                control.reload()
            except DaemonRefused:
                control.shut_down()
            else:
                now = "it does now, with the file that it would have started with"
                return [f"{daemon.title} did not run before this change: {now}"]
    except DaemonAbsent:
        pass
    return [f"{daemon.title} does not run, as before this change"]
