"""Undoing a pending change from its journal alone: at once when something fails, at the deadline, or after a crash."""

from __future__ import annotations

from contextlib import suppress

from netorch.agent import daemon, journal
from netorch.agent.bird import Bird, BirdAbsent, BirdSilent
from netorch.agent.files import remove, write_file
from netorch.agent.outcome import reason_of
from netorch.agent.paths import OVERLAY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Tuple

    from netorch.agent.journal import Journal
    from netorch.agent.slots import Slot


def recover() -> str:
    """Finish what an agent left behind that died or whose controller never came back; what was done, "" if nothing was.

    The caller holds the lock. A change that still may be confirmed is left alone.
    """
    journal.clear_leftovers()
    pending = journal.read_pending()
    if pending is None:
        return ""
    if pending["phase"] == journal.CONFIRMED:
        journal.keep_as_generation(pending)
        return f"change {pending['id']} had been confirmed: its files are in place now"
    if not journal.is_decided(pending):
        return ""
    problems, _ = undo(pending)
    done = f"change {pending['id']} was not confirmed in time: undone"
    return f"{done}, but {'; '.join(problems)}" if problems else done


def undo(pending: Journal) -> Tuple[List[str], List[str]]:
    """Put everything back as the journal says it was; what could not be, and remarks.

    While BIRD is there but does not answer, or the overlay cannot be written, the journal stays, so that the next call or the
    watchdog tries again.
    """
    pending["phase"] = journal.UNDOING
    with suppress(OSError):  # a disk that is full now must not keep the change
        journal.save(pending)
    problems: List[str] = []
    notes: List[str] = []
    retry = False
    for step in reversed(pending["steps"]):
        try:
            if step["step"] == "slot":
                _undo_slot(step["before"])
            elif step["step"] == "bird":
                notes += _undo_bird(pending["bird"])
            else:
                _undo_overlay(pending["overlay"])
        except Exception as exc:  # noqa: BLE001 - whatever one step failed with, the others are undone
            problems.append(reason_of(exc))
            # Controllers would follow what the overlay says.
            retry = retry or isinstance(exc, BirdSilent) or (isinstance(exc, OSError) and step["step"] == "overlay")
    if not retry:
        journal.discard(pending)
    return problems, notes


def _undo_slot(before: Slot) -> None:
    from netorch.agent import slots  # and with them pyroute2, which no confirmation needs
    from netorch.io.netlink.route_socket import RouteSocket

    with RouteSocket() as kernel:
        slots.put(kernel, before, found=slots.Snapshot(kernel, [before]).of(before))


def _undo_bird(state: Journal) -> List[str]:
    try:
        with Bird() as control:
            closed = tuple(state["closed"])
            return daemon.undo(control, candidate=state["candidate"], before=state["before"], closed=closed)
    except BirdAbsent:
        return ["BIRD does not run; its configuration on disk is the last good one"]


def _undo_overlay(text: str) -> None:
    if text:
        write_file(OVERLAY, text.encode())
    else:
        remove(OVERLAY)
