"""What survives the agent: the pending change, the confirmed generations, and the lock.

``pending/ID`` holds ``journal.json`` (what to undo, until when), ``request.json``, ``last/`` (the files as they were) and what
``record`` keeps; on confirmation the folder becomes ``generations/NUMBER``. There is at most one pending change. Its
``phase``:

``armed``      the watchdog runs, changes are being made
``applied``    the checks have passed, the confirmation is awaited
``confirmed``  it stays: what is left to do is to put its files in place
``undoing``    it goes: what is left to do is to finish undoing it

Whoever changes any of this holds the lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from contextlib import suppress

from netorch.agent.clock import boot_id, now, uptime, wait
from netorch.agent.files import file_fact, read_json, remove, sync_folder, write_file, write_json, write_new
from netorch.agent.outcome import Busy, Damaged, Refused
from netorch.agent.paths import GENERATIONS, LOCK, PENDING, STATE, UNDONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    Journal = Dict[str, Any]

ARMED, APPLIED, CONFIRMED, UNDOING = "armed", "applied", "confirmed", "undoing"
_KEPT_GENERATIONS = 10
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LOCK_INTERVAL_S = 0.05
_ENDING_S = 2.0


class Lock:
    """The right to change this device; a context manager. The kernel gives it back when its holder dies."""

    def __init__(self, who: str, what: str, *, wait_s: float = 0.0) -> None:
        self._who = who
        self._what = what
        self._wait_s = wait_s
        self._descriptor = -1

    def __enter__(self) -> Lock:
        make_folders()
        self._descriptor = _open_lock()
        deadline = uptime() + self._wait_s
        has_ended = False
        while not self._try():
            if uptime() >= deadline:
                holder = lock_holder()
                if has_ended or not _end_overdue(holder):
                    os.close(self._descriptor)
                    raise Busy(holder_text(holder), hint="wait until it is done, then try again")
                has_ended, deadline = True, uptime() + _ENDING_S
            wait(_LOCK_INTERVAL_S)
        holder = {"who": self._who, "what": self._what, "since": now(), "at": uptime(), "pid": os.getpid()}
        with suppress(OSError):  # a full disk must keep nobody from undoing
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps(holder).encode(), 0)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # the next holder is not to be taken for this one
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _open_lock() -> int:
    try:
        return os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        # A disk that has become read-only must keep nobody from undoing: the lock is the kernel's, nothing has to be written.
        with suppress(OSError):
            return os.open(LOCK, os.O_RDONLY | os.O_CLOEXEC)
        raise Refused(f"cannot write to {LOCK}: {exc.strerror}") from None


def _end_overdue(holder: Dict[str, Any]) -> bool:
    """End an agent that hangs although its time was up long ago, as one does that hung before its watchdog ran."""
    from netorch.agent.holders import end_holders, is_overdue  # a lock that is free needs none of it

    try:
        pending = read_pending()
    except Refused:
        return False
    if not is_overdue(holder, None if pending is None else pending["deadline"], uptime=uptime()):
        return False
    end_holders(only=holder["pid"])
    return True


def lock_holder() -> Dict[str, Any]:
    """Who wrote its name into the lock last; {} if nobody can be read."""
    try:
        return dict(read_json(LOCK) or {})
    except ValueError:
        return {}


def holder_text(holder: Dict[str, Any]) -> str:
    """Who holds the lock, since when, in words."""
    if not holder:
        return "someone has just begun to work here"
    since_s = max(0.0, now() - float(holder["since"]))
    return f"{holder['who']} is at work here ({holder['what']}), for {since_s:.0f} s"


def make_folders() -> None:
    """The folders of netorch's state, for root alone.

    Raises Refused where they cannot be made.
    """
    try:
        for folder in (STATE, GENERATIONS, PENDING):
            os.makedirs(folder, mode=0o700, exist_ok=True)
            if os.stat(folder).st_mode & 0o077:
                os.chmod(folder, 0o700)
    except OSError as exc:
        raise Refused(f"cannot write to {STATE}: {exc.strerror}") from None


def read_pending() -> Optional[Journal]:
    """The journal of the change that waits; None if there is none.

    Raises Refused for one that cannot be read, as after the loss of a disk's blocks.
    """
    for name in _entries(PENDING):
        if not name.startswith("."):
            path = f"{PENDING}/{name}/journal.json"
            try:
                document = read_json(path)
            except ValueError:
                hint = f"check what is live, then remove {PENDING}/{name}"
                raise Refused(f"{path} is damaged: what it says of a pending change is lost", hint=hint) from None
            if document is not None:
                return dict(document)
    return None


def folder_of(change_id: str) -> str:
    """Where a pending change is kept; Refused for an id that is no file name."""
    if not _ID.fullmatch(change_id):
        raise Refused(f"{change_id!r} cannot be the id of a change: letters, digits, dot, dash, underscore")
    return f"{PENDING}/{change_id}"


def save(journal: Journal) -> None:
    """Write the journal of a pending change; on disk when this returns."""
    write_json(f"{folder_of(journal['id'])}/journal.json", journal)


def is_decided(journal: Journal) -> bool:
    """Whether the change no longer waits: it was confirmed or given up, its deadline has passed, or the machine was
    restarted. What is left to do is to finish it."""
    decided = journal["phase"] in (CONFIRMED, UNDOING)
    return bool(decided or journal["boot_id"] != boot_id() or uptime() >= journal["deadline"])


def waiting_text(journal: Journal) -> str:
    """A pending change, in words."""
    begun_s = max(0.0, now() - journal["since"])
    left_s = max(0.0, journal["deadline"] - uptime())
    states = {ARMED: "is being applied", APPLIED: "waits for its confirmation", UNDOING: "is being undone"}
    state = states.get(journal["phase"], "is confirmed, its files are being put in place")
    what = f"change {journal['id']} by {journal['author']} {state}"
    why = f": {journal['reason']}" if journal.get("reason") else ""
    return f"{what}, begun {begun_s:.0f} s ago, {left_s:.0f} s are left{why}"


def place(file: Dict[str, Any]) -> None:
    """Put a copy of the candidate in place; the candidate stays until the change is confirmed."""
    with open(file["candidate"], "rb") as candidate:
        state = os.fstat(candidate.fileno())
        data = candidate.read()
    write_file(file["path"], data, mode=state.st_mode & 0o7777, owner=state.st_uid, group=state.st_gid)


def keep_as_generation(journal: Journal) -> int:
    """Put the files of a confirmed change in place and file it as a generation; its number.

    May be repeated after it was interrupted at any point.
    """
    for file in journal["files"]:
        if os.path.exists(file["candidate"]):
            if file_fact(file["candidate"])["sha256"] != file["sha256"]:
                _write_again(journal, file)
            os.replace(file["candidate"], file["path"])
            sync_folder(os.path.dirname(file["path"]))
    number = current_generation() + 1
    save({**journal, "number": number, "confirmed": now()})
    os.rename(folder_of(journal["id"]), f"{GENERATIONS}/{number}")
    sync_folder(GENERATIONS)
    sync_folder(PENDING)
    for old in generations()[: -max(1, journal.get("keep", _KEPT_GENERATIONS))]:
        remove_folder(f"{GENERATIONS}/{old}")
    return number


def _write_again(journal: Journal, file: Dict[str, Any]) -> None:
    """A candidate that was damaged after it had been verified; what the change brought is in its record."""
    (item,) = [one for one in read_json(f"{folder_of(journal['id'])}/files.json") if one["path"] == file["path"]]
    state = os.stat(file["candidate"])
    write_new(file["candidate"], item["text"].encode(), mode=item["mode"], owner=state.st_uid, group=state.st_gid)


def note_undone(journal: Journal, reason: str) -> None:
    """Keep why the last change that did not stay was undone, for a controller that asks for it later."""
    with suppress(OSError):  # a full disk must keep nobody from undoing
        note = {"id": journal["id"], "author": journal["author"], "undone": now(), "reason": reason}
        write_json(UNDONE, {**note, "generation": current_generation()})


def why_undone(change_id: str) -> str:
    """Why the change was undone; "" if this is not known any more."""
    undone = _read_undone()
    return str(undone["reason"]) if undone is not None and undone["id"] == change_id else ""


def undone_since(generation: int) -> Optional[Dict[str, Any]]:
    """The last change that did not stay, as the JSON of model.facts.Undone; None where ``generation`` was confirmed after it."""
    undone = _read_undone()
    if undone is None or undone.get("generation") != generation:
        return None
    return {"id": undone["id"], "author": undone["author"], "time": undone["undone"], "reason": undone["reason"]}


def _read_undone() -> Optional[Dict[str, Any]]:
    undone: Optional[Dict[str, Any]] = None
    with suppress(Damaged):  # it is a remark: a damaged one must keep nobody from anything
        undone = read_json(UNDONE)
    return undone


def discard(journal: Journal) -> None:
    """Forget a pending change that has been undone."""
    for file in journal["files"]:
        remove(file["candidate"])
    remove_folder(folder_of(journal["id"]))
    sync_folder(PENDING)


def remove_folder(path: str) -> None:
    """Remove a folder of two levels at most."""
    for name in _entries(path):
        child = f"{path}/{name}"
        if os.path.isdir(child):
            remove_folder(child)
        else:
            remove(child)
    if os.path.isdir(path):
        os.rmdir(path)


def clear_leftovers() -> None:
    """Remove what was being prepared when an agent died."""
    for name in _entries(PENDING):
        if name.startswith("."):
            remove_folder(f"{PENDING}/{name}")


def generations() -> List[int]:
    """The numbers of the generations that are kept, oldest first."""
    return sorted(int(name) for name in _entries(GENERATIONS) if name.isdigit())


def current_generation() -> int:
    """The number of the last confirmed change; 0 before the first."""
    return (generations() or [0])[-1]


def read_generation(number: int) -> Journal:
    """The journal of a confirmed change."""
    return dict(read_json(f"{GENERATIONS}/{number}/journal.json") or {})


def _entries(folder: str) -> List[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
