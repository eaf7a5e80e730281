"""Undoing a pending change from its journal alone: at once when something fails, at the deadline, or after a crash."""

from __future__ import annotations

import os
from contextlib import suppress

from netorch.agent import cold, journal, services
from netorch.agent.clock import boot_id
from netorch.agent.daemons import DaemonAbsent, DaemonSilent, daemon_of, restore_closed
from netorch.agent.files import file_fact, remove, write_file
from netorch.agent.outcome import Stop, reason_of
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
    with suppress(OSError):  # a disk that has become read-only must keep nobody from undoing
        journal.clear_leftovers()
    pending = journal.read_pending()
    if pending is None:
        return ""
    if pending["phase"] == journal.CONFIRMED:
        _, problems = finish(pending)
        return "; ".join([f"change {pending['id']} had been confirmed: its files are in place now", *problems])
    if not journal.is_decided(pending):
        return ""
    reason = _why_given_up(pending)
    problems, _ = undo(pending, reason)
    done = f"change {pending['id']} was undone: {reason}"
    return f"{done}, but {'; '.join(problems)}" if problems else done


def _why_given_up(pending: Journal) -> str:
    if pending["phase"] == journal.UNDOING:
        return "it had been given up"
    if pending["boot_id"] != boot_id():
        return "the machine was restarted before it was confirmed"
    return "nobody confirmed it before its deadline"


def finish(pending: Journal) -> Tuple[int, List[str]]:
    """Put the files of a confirmed change in place, whatever came between; its generation, and what is not as it should be.

    A daemon that was restarted after the confirmation and before its file was in place came back with the old one.
    """
    number = journal.keep_as_generation(pending)
    candidate = pending["daemon"]["candidate"]
    if candidate is None:
        return number, []
    daemon = daemon_of(pending["daemon"]["name"])
    try:
        with daemon.connect() as control:
            if control.live_stamp() != candidate:
                control.reload()
            live = control.live_stamp()
    except Stop as exc:
        return number, [f"it is confirmed and on disk, but what is live is unknown: {exc.message}"]
    if live == candidate:
        return number, []
    return number, [f"it is confirmed and on disk, but {daemon.title} runs {live or 'no stamp'}"]


def undo(pending: Journal, reason: str) -> Tuple[List[str], List[str]]:
    """Put everything back as the journal says it was; what could not be, and remarks. ``reason`` is kept.

    While the daemon is there but does not answer, or a file or the overlay cannot be written, the journal stays, so that the
    next call or the watchdog tries again.
    """
    pending["phase"] = journal.UNDOING
    with suppress(OSError):  # a disk that is full now must not keep the change
        journal.save(pending)
    problems, notes = _restore_files(pending)
    retry = bool(problems)
    moved = bool(notes)
    for step in reversed(pending["steps"]):
        try:
            if step["step"] == "slot":
                _undo_slot(step["before"])
            elif step["step"] == "daemon":
                notes += _undo_daemon(pending["daemon"], reload=moved)
            elif step["step"] == "service":
                services.put_back(step["before"])
            else:
                _undo_overlay(pending["overlay"])
        except Exception as exc:  # noqa: BLE001 - whatever one step failed with, the others are undone
            problems.append(reason_of(exc))
            # Controllers would follow what the overlay says.
            retry = retry or isinstance(exc, DaemonSilent) or (isinstance(exc, OSError) and step["step"] == "overlay")
    if not retry:
        journal.note_undone(pending, reason)
        journal.discard(pending)
    return problems, notes


def _undo_slot(before: Slot) -> None:
    from netorch.agent import slots  # and with them pyroute2, which no confirmation needs
    from netorch.io.netlink.route_socket import RouteSocket

    with RouteSocket() as kernel:
        slots.put(kernel, before, found=slots.Snapshot(kernel, [before]).of(before))


def _restore_files(pending: Journal) -> Tuple[List[str], List[str]]:
    """What is on disk was none of the change's to touch until it was confirmed: where somebody else did, their file is set
    aside. Problems, and remarks on what was moved.
    """
    problems: List[str] = []
    notes: List[str] = []
    for file in pending["files"]:
        found = file_fact(file["path"])
        is_ours = bool(file.get("placed")) and found["sha256"] == file["sha256"]
        if found["sha256"] == file["before"] or (file["before"] is None and not is_ours):
            continue
        aside = f"{file['path']}.set-aside"
        try:
            if found["sha256"] is not None and not is_ours:
                os.replace(file["path"], aside)
            _put_back(file, f"{journal.folder_of(pending['id'])}/last/{file['last']}")
        except OSError as exc:
            problems.append(f"{file['path']} was changed meanwhile and cannot be put back: {exc.strerror}")
            continue
        if is_ours:
            continue
        notes.append(f"{file['path']} was changed by somebody while this change waited: their file is {aside} now")
    return problems, notes


def _put_back(file: Journal, last: str) -> None:
    """The file as it was, from its copy; gone where there was none."""
    if file["before"] is None:
        remove(file["path"])
        return
    kept = os.stat(last)
    with open(last, "rb") as copy:
        write_file(file["path"], copy.read(), mode=file["mode"], owner=kept.st_uid, group=kept.st_gid)


def _undo_daemon(state: Journal, *, reload: bool) -> List[str]:
    daemon = daemon_of(state["name"])
    daemon.match_programs()
    if state["cold"]:
        return cold.undo(daemon)
    try:
        with daemon.connect() as control:
            notes = control.undo(candidate=state["candidate"], before=state["before"], reload=reload)
            restore_closed(control, tuple(state["closed"]))
            return notes
    except DaemonAbsent:
        return [f"{daemon.title} does not run; its configuration on disk is the last good one"]


def _undo_overlay(text: str) -> None:
    if text:
        write_file(OVERLAY, text.encode())
    else:
        remove(OVERLAY)
