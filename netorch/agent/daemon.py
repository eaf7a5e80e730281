"""Changes of BIRD's configuration: validated by another process, loaded with BIRD's own way back, undone."""

from __future__ import annotations

import math
import os
import re
from contextlib import suppress

from netorch.agent import bird
from netorch.agent.bird import Bird
from netorch.agent.clock import uptime, wait
from netorch.agent.outcome import Refused
from netorch.agent.paths import BIRD_SOCKET, PROGRAMS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Tuple

VALIDATE_TIMEOUT_S = 30.0
SETTLE_TIMEOUT_S = 30.0
_SETTLE_INTERVAL_S = 0.05
_COMPLAINT = re.compile(r"(?P<file>/\S*?):(?P<line>\d+):(?P<column>\d+) (?P<text>.*)")


def validate(candidate: str, *, path: str, text: str) -> None:
    """Let ``bird -p`` read the candidate, as the user that the daemon runs as, in a process of its own.

    Raises Refused with BIRD's message, the source line and a caret. A daemon that runs as root is not made weaker here: a
    configuration may name files that only its user can open.
    """
    import subprocess  # 5 ms that a change of kernel items alone does not need

    user, group = _runs_as()
    try:
        run = subprocess.run(
            [_program(), "-p", "-c", candidate],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=VALIDATE_TIMEOUT_S,
            check=False,
            cwd="/",
            user=user,
            group=group,
            extra_groups=[],
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"bird -p did not finish within {VALIDATE_TIMEOUT_S:g} s") from None
    if run.returncode != 0:
        said = (run.stderr + run.stdout).decode("utf-8", "replace").strip()
        raise Refused(complaint(said or f"bird -p ended with status {run.returncode}", path=path, text=text))


def _runs_as() -> Tuple[int, int]:
    """The user and group that BIRD runs as: those of its socket, or else those that its package made for it."""
    try:
        owner = os.stat(BIRD_SOCKET)
        return owner.st_uid, owner.st_gid
    except FileNotFoundError:
        import pwd

        with suppress(KeyError):
            made = pwd.getpwnam("bird")
            return made.pw_uid, made.pw_gid
        return 0, 0


def complaint(said: str, *, path: str, text: str) -> str:
    """BIRD's message about ``path``, with the line of ``text`` that it is about and a caret below the place."""
    lines = said.splitlines()
    found = next((match for match in map(_COMPLAINT.search, lines) if match), None)
    if found is None:
        return f"BIRD refuses {path}: {lines[-1]}"
    number, column = int(found["line"]), int(found["column"])
    message = f"BIRD refuses {path}:{number}:{column} {found['text']}"
    source = text.split("\n")
    if not 0 < number <= len(source):
        return message
    # Tabs would move the caret. Any string may be a password, whatever a template's mistake has made of the word before it.
    shown = _masked(source[number - 1])
    return f"{message}\n  {number} | {shown.expandtabs(1)}\n  {' ' * len(str(number))} | {' ' * max(0, column - 1)}^"


def _masked(line: str) -> str:
    """``line`` with the insides of its strings hidden; one that does not end is hidden to the end of the line."""
    parts = line.split('"')
    return '"'.join("*" * len(part) if number % 2 else part for number, part in enumerate(parts))


def _program() -> str:
    for folder in PROGRAMS:
        if os.access(f"{folder}/bird", os.X_OK):
            return f"{folder}/bird"
    raise Refused("there is no program bird here", hint="install BIRD: apt-get install bird2")


def load(daemon: Bird, candidate: str, *, stamp: str, undo_after_s: float) -> None:
    """Load the candidate; BIRD takes it back by itself after ``undo_after_s`` unless it is confirmed.

    Raises Stop where BIRD refuses it, or is not done in time, or has something else live afterwards.
    """
    daemon.ask(f'configure "{candidate}" timeout {math.ceil(undo_after_s)}')
    settle(daemon)
    live = daemon.live_stamp()
    if live != stamp:
        raise bird.BirdRefused(f"BIRD has {live or 'no stamp'} live after loading {stamp}")


def settle(daemon: Bird) -> None:
    """Wait until BIRD has put its configuration to work."""
    deadline = uptime() + SETTLE_TIMEOUT_S
    while daemon.is_reconfiguring():
        if uptime() >= deadline:
            raise bird.BirdSilent(f"BIRD is still reconfiguring after {SETTLE_TIMEOUT_S:g} s")
        wait(_SETTLE_INTERVAL_S)


def read_kernel(daemon: Bird) -> None:
    """Let BIRD read the kernel's tables now, not at its next scan minutes later.

    The kernel drops routes together with their source address without telling, and news of an address is lost where
    BIRD's netlink socket is full of a table's echo. A kernel protocol that learns is read anew when it is reloaded; one
    that does not, or is not up, has nothing to say to it.
    """
    for found in daemon.sessions():
        if found.protocol == "Kernel":
            daemon.try_ask(f"reload in {bird.quoted_name(found.name)}")


def close_session(daemon: Bird, session: str, message: str) -> None:
    """Close a session and tell its neighbour why; nothing for one that is not there."""
    if any(found.name == session and not found.is_closed for found in daemon.sessions()):
        text = f" {bird.quoted_text(message)}" if message else ""
        daemon.ask(f"disable {bird.quoted_name(session)}{text}")


def open_session(daemon: Bird, session: str) -> None:
    """Let a session start that was closed by hand; nothing for one that is not there."""
    if any(found.name == session and found.is_closed for found in daemon.sessions()):
        daemon.ask(f"enable {bird.quoted_name(session)}")


def confirm(daemon: Bird, *, stamp: str) -> Optional[str]:
    """Make the loaded configuration stay; why it cannot, or None."""
    live = daemon.live_stamp()
    if live != stamp:
        return lost(live, stamp)
    reply = daemon.try_ask("configure confirm")
    if reply.code != bird.CONFIRMED:
        return f"BIRD has nothing to confirm ({reply.code:04d} {reply.lines[-1]}): someone or its own timer was faster"
    return None


def lost(live: Optional[str], stamp: str) -> str:
    """That the change is not live any more, in words."""
    found = f"({live or 'no stamp'}, expected {stamp})"
    return f"the live configuration is no longer the one that was applied {found}: somebody reloaded or restarted BIRD"


def undo(
    daemon: Bird, *, candidate: Optional[str], before: Optional[str], closed: Tuple[str, ...], reload: bool
) -> List[str]:
    """Take back what was done to BIRD; remarks. ``candidate`` is the stamp that was loaded, None if none was;
    ``before`` the stamp that was live, ``closed`` the sessions that were down by will. ``reload``: somebody else has been at
    work, so that only the file on disk is known to be good.
    """
    notes = []
    if candidate is not None and candidate != before:
        settle(daemon)
        live = daemon.live_stamp()
        if live == candidate and not reload:
            # Only then: BIRD would undo an earlier, confirmed change just as well.
            daemon.try_ask("configure undo")
            settle(daemon)
            live = daemon.live_stamp()
        if live != before or reload:
            daemon.ask("configure")
            settle(daemon)
            notes.append("BIRD's own undo was not to be had: the file on disk was loaded instead")
    elif candidate is not None:
        daemon.try_ask("configure confirm")  # the same configuration was loaded again: only stop the timer
    _restore_closed(daemon, closed)
    return notes


def _restore_closed(daemon: Bird, closed: Tuple[str, ...]) -> None:
    for session in daemon.sessions():
        if session.is_closed and session.name not in closed:
            daemon.ask(f"enable {bird.quoted_name(session.name)}")
        elif session.protocol == "BGP" and not session.is_closed and session.name in closed:
            daemon.ask(f"disable {bird.quoted_name(session.name)}")
