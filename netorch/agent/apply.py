"""Applies one change, so that whatever dies, the device ends on the new state, confirmed, or on the old one.

Nothing is touched before: the lock is held, the state is still the one that was planned from, every file is written and
verified beside its final place, the daemon has validated its own, what is found is in the journal, and the watchdog runs.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress

from netorch.agent import boot, checks, cold, facts, journal, services, slots, watchdog, way_back
from netorch.agent.clock import boot_id, now, uptime
from netorch.agent.daemons import DaemonAbsent, daemon_of, no_longer_live, other_speaker, refuse_beside
from netorch.agent.files import (
    file_fact,
    read_text,
    refuse_fixed,
    require_room,
    sha256_of,
    sync_folder,
    write_json,
    write_new,
)
from netorch.agent.operations import checked_operations
from netorch.agent.outcome import Busy, Outdated, Refused, Stop, answer, reason_of
from netorch.agent.paths import OVERLAY, PENDING, SETTINGS, STATE
from netorch.agent.record import write_record
from netorch.agent.undo import recover, undo
from netorch.io.netlink.route_socket import RouteSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple

    from netorch.agent.daemons import Control
    from netorch.agent.operations import Item, Operation
    from netorch.agent.slots import Slot

_SPARE_BYTES = 1 << 20
_SPARE_INODES = 64
_SEEN_BY_DAEMON = ("AddressItem", "PeerItem", "RouteItem")


def apply(request: Dict[str, Any]) -> Dict[str, Any]:
    """The answer to an ApplyRequest."""
    change = Change(request)
    with journal.Lock(change.author, change.work):
        recover()
        waiting = journal.read_pending()
        if waiting is not None:
            raise Busy(journal.waiting_text(waiting), hint="wait for it, or revert it, then try again")
        sessions = change.compare_base()
        change.prepare(sessions)
        change.arm()
        try:
            found = change.perform()
            if not found:
                change.wait_for_confirmation()
        except Exception as exc:  # noqa: BLE001 - whatever it was: what nobody can confirm must not stay until the deadline
            return change.take_back(reason_of(exc))
        if found:
            return change.take_back("the checks failed after the change", findings=found)
        return answer("pending", generation=change.generation, notes=change.notes)


class Change:
    """One ApplyRequest on its way."""

    def __init__(self, request: Dict[str, Any]) -> None:
        self.request = request
        self.id: str = request["id"]
        self.author: str = request["author"]
        self.work = f"applying {self.id}" + (f": {request['reason']}" if request.get("reason") else "")
        self.generation: int = request["generation"]
        self.operations: List[Operation] = checked_operations(request["operations"])
        self.check = checks.Check(request["check"])
        self.confirm_timeout_s = float(request["confirm_timeout_s"])
        self.notes: List[str] = []
        self.folder = journal.folder_of(self.id)
        self.journal: journal.Journal = {}
        self._before: Dict[str, Any] = {}
        self._found: List[Item] = []
        self._controller = way_back.controller()
        self._kernel_writers: Dict[str, str] = {}
        self._loaded = 0.0
        self._is_cold = False
        self._daemon = daemon_of(request["facts"]["daemon"])
        self._files = [op["item"] for op in self.operations if op["item"]["kind"] == "FileItem"]
        self._configuration = next((file for file in self._files if file["daemon"]), None)

    # --- before anything is changed

    def compare_base(self) -> Tuple[str, ...]:
        """Refuse a change that was planned from another state than today's; the sessions that are closed now."""
        document, sessions = facts.look({**self.request["facts"], "wants": ()})
        if document["base"] != self.request["base"]:
            changed = f"generation {document['generation']} now, {self.generation} then"
            raise Outdated(f"the device has changed since the plan was made ({changed})", hint="plan again")
        if self._needs_daemon() and not document["daemon"]["running"]:
            if self._configuration is None:
                hint = f"start it: systemctl start {self._daemon.unit}"
                raise Refused(f"{self._daemon.title} does not run", hint=hint)
            refuse_beside(self._daemon, other_speaker(self._daemon))
            self._is_cold = True
        self._found = document["items"]
        return tuple(session.name for session in sessions if session.is_closed)

    def _needs_daemon(self) -> bool:
        closes = any(operation["item"]["kind"] == "ClosedSessionItem" for operation in self.operations)
        return self._configuration is not None or bool(self.check.up) or closes

    def prepare(self, closed: Tuple[str, ...]) -> None:
        """Write candidates and journal, validate; Refused where the device cannot take the change."""
        self._refuse_nonsense()
        wanted = [slot for operation in self.operations for slot in slots.slots_of(operation)]
        with RouteSocket() as kernel:
            snapshot = slots.Snapshot(kernel, wanted)
            self.notes += slots.refuse_impossible(wanted, snapshot)
        new = f"{PENDING}/.{self.id}"
        files: List[Dict[str, Any]] = []
        try:
            if any(os.path.dirname(file["path"]) == SETTINGS for file in self._files):
                os.makedirs(SETTINGS, mode=0o755, exist_ok=True)
            self._require_space()
            for file in self._files:
                refuse_fixed(file["path"])
            os.mkdir(new, mode=0o700)
            os.mkdir(f"{new}/last", mode=0o700)
            for number, (file, sha256) in enumerate(zip(self._files, self.request["sha256"])):
                folder, name = os.path.split(file["path"])
                candidate = f"{folder}/.{name}.netorch"
                before = file_fact(file["path"])
                files.append(
                    {
                        "path": file["path"],
                        "candidate": candidate,
                        "sha256": sha256,
                        "last": str(number),
                        "before": before["sha256"],
                        "placed": self._is_placed(file),
                        "mode": before["mode"],
                    }
                )
                _write_candidate(file, candidate, sha256=sha256)
                _save_last_good(file["path"], f"{new}/last/{number}")
            if self._configuration is not None:
                self._validate(files)
            self.journal = self._new_journal(snapshot, closed, files)
            write_json(f"{new}/request.json", self.request)
            write_record(new, self.generation, found=self._found, operations=self.operations)
            write_json(f"{new}/journal.json", self.journal)
            os.rename(new, self.folder)
            sync_folder(PENDING)
        except (OSError, Stop) as exc:
            with suppress(OSError):
                journal.discard({"files": files, "id": self.id})
                journal.clear_leftovers()
            if isinstance(exc, OSError):
                raise Refused(f"cannot write the new files: {exc.filename or STATE}: {exc.strerror}") from None
            raise

    def _is_placed(self, file: Item) -> bool:
        """Whether a file is put in place before it is confirmed."""
        is_early = file is self._configuration and (self._is_cold or self._daemon.replaces_file)
        return is_early or self._is_placed_first(file)

    def _is_placed_first(self, item: Item) -> bool:
        return item["kind"] == "FileItem" and item["path"] in self._daemon.placed_first

    def _refuse_nonsense(self) -> None:
        if len(self._files) != len(self.request["sha256"]):
            raise Refused(f"{len(self._files)} files came with {len(self.request['sha256'])} hashes")
        if sum(bool(file["daemon"]) for file in self._files) > 1:
            raise Refused("a device has one routing daemon with one configuration")
        if self._configuration is not None and self._daemon.stamp_of(self._configuration["text"]) is None:
            raise Refused(f"{self._configuration['path']} carries no stamp: what is live could not be proven")

    def _require_space(self) -> None:
        need = 3 * sum(len(file["text"].encode()) for file in self._files) + _SPARE_BYTES
        for folder in {STATE, *(os.path.dirname(file["path"]) for file in self._files)}:
            require_room(folder, need, inodes=_SPARE_INODES, what="the change")

    def _validate(self, files: List[Dict[str, Any]]) -> None:
        assert self._configuration is not None, "called for a change of the configuration"
        path, text = self._configuration["path"], self._configuration["text"]
        candidate = next(file["candidate"] for file in files if file["path"] == path)
        self._daemon.validate(candidate, path=path, text=text)

    def _new_journal(self, snapshot: slots.Snapshot, closed: Tuple[str, ...], files: List[Dict[str, Any]]) -> Any:
        before, steps = None, self._steps(snapshot)
        if not self._is_cold and any(step["step"] == "daemon" for step in steps):
            with self._daemon.connect() as control:
                before = control.live_stamp()
                if self.check.prefix_drop_percent is not None and self._configuration is not None:
                    self._before = checks.look(control, prefixes=True)
        candidate = None if self._configuration is None else self._daemon.stamp_of(self._configuration["text"])
        return {
            "id": self.id,
            "author": self.author,
            "reason": self.request.get("reason", ""),
            "commit": self.request.get("commit", ""),
            "since": now(),
            "boot_id": boot_id(),
            "deadline": uptime() + self.check.timeout_s + self.confirm_timeout_s,
            "phase": journal.ARMED,
            "keep": self.request["keep_generations"],
            "steps": steps,
            "operations": len(self.operations),
            "files": files,
            "overlay": read_text(OVERLAY) or "",
            "daemon": {
                "name": self._daemon.name,
                "before": before,
                "candidate": candidate,
                "closed": list(closed),
                "cold": self._is_cold,
            },
        }

    def _steps(self, snapshot: slots.Snapshot) -> List[Dict[str, Any]]:
        """What will be touched, in order, each slot with what is in it now."""
        steps: List[Dict[str, Any]] = []
        for operation in self.operations:
            for slot in slots.slots_of(operation):
                steps.append({"step": "slot", "before": snapshot.of(slot)})
            if operation["item"]["kind"] == "OverlayItem":
                steps.append({"step": "overlay"})
            elif operation["item"]["kind"] == "ServiceItem":
                steps.append({"step": "service", "before": services.look(operation["item"]["name"])})
            elif self._touches_daemon(operation["item"]):
                steps.append({"step": "daemon"})
        return _first_of_each(steps)

    def _touches_daemon(self, item: Item) -> bool:
        return item is self._configuration or item["kind"] == "ClosedSessionItem" or self._is_placed_first(item)

    def arm(self) -> None:
        """From here on the change is undone unless it is confirmed."""
        self.notes += boot.install()
        try:
            watchdog.start(self.id)
        except OSError as exc:
            journal.discard(self.journal)
            raise Refused(f"the watchdog cannot be started: {exc.strerror}") from None

    # --- the change itself

    def perform(self) -> Tuple[str, ...]:
        """Do it, and run the checks; what they found. Raises whatever the first step that fails raises."""
        done: List[Slot] = []
        for operation in self.operations:
            item: Item = operation["item"]
            if item["kind"] == "OverlayItem":
                _keep_overlay_entry(item["entry"])
            elif item["kind"] == "ClosedSessionItem":
                self._close_or_open(operation["action"], item)
            elif item["kind"] == "ServiceItem":
                _start_or_stop(operation["action"], item["name"])
            elif item is self._configuration:
                self._load(item)
            elif self._is_placed_first(item):
                self._place_first(item)
            else:
                done += _put_slots(operation)
        if services.mirror_is_alive():  # its agent may have followed a switch meanwhile
            done = [slot for slot in done if not slots.is_mirrored(slot)]
        if done:
            with RouteSocket() as kernel:
                wrong = slots.differences(kernel, done)
            if wrong:
                raise Stop("; ".join(wrong))
        if any(operation["item"]["kind"] in _SEEN_BY_DAEMON for operation in self.operations):
            with suppress(DaemonAbsent), self._daemon.connect() as control:  # one that starts later reads all of it
                control.read_kernel()
        if self._configuration is None and not (self.check.up or self.check.down):
            return tuple(filter(None, (way_back.problem(self._controller),)))
        with self._daemon.connect() as control:
            return self._run_checks(control)

    def _run_checks(self, control: Control) -> Tuple[str, ...]:
        cut_off = way_back.watch(control, self._controller, before=self._kernel_writers, loaded=self._loaded)
        if cut_off:
            return tuple(cut_off)
        failed = checks.run_check(control, self.check, before=self._before)
        live, candidate = control.live_stamp(), self.journal["daemon"]["candidate"]
        if candidate is not None and live != candidate:
            return (no_longer_live(self._daemon.title, live, wanted=candidate),)
        return failed or tuple(filter(None, (way_back.problem(self._controller),)))

    def _close_or_open(self, action: str, item: Item) -> None:
        if self._is_cold:
            return  # the new file says which sessions are closed
        with self._daemon.connect() as control:
            if action == "remove":
                control.open_session(item["session"])
            else:
                control.close_session(item["session"], item["message"])

    def _file_of(self, item: Item) -> Dict[str, Any]:
        return next(file for file in self.journal["files"] if file["path"] == item["path"])

    def _place_first(self, item: Item) -> None:
        journal.place(self._file_of(item))
        if not self._is_cold:
            self.notes += self._daemon.renew()
            self._daemon.match_programs()

    def _load(self, item: Item) -> None:
        file = self._file_of(item)
        stamp = self.journal["daemon"]["candidate"]
        if self._is_cold:
            journal.place(file)
            cold.start(self._daemon, stamp)
            return
        with self._daemon.connect() as control:
            self._kernel_writers = control.kernel_writers()
            if file["placed"]:
                journal.place(file)
            path = file["path"] if file["placed"] else file["candidate"]
            control.load(path, stamp=stamp, undo_after_s=self.journal["deadline"] - uptime())
        self._loaded = uptime()

    # --- the end

    def wait_for_confirmation(self) -> None:
        """The checks have passed: the time for the confirmation starts now."""
        self.journal["phase"] = journal.APPLIED
        self.journal["deadline"] = min(self.journal["deadline"], uptime() + self.confirm_timeout_s)
        journal.save(self.journal)

    def take_back(self, reason: str, *, findings: Tuple[str, ...] = ()) -> Dict[str, Any]:
        """Undo; the answer."""
        problems, notes = undo(self.journal, "; ".join((reason, *findings)))
        checked = {"findings": list(findings)}
        if problems:
            message = f"{reason}; undoing it failed as well: {'; '.join(problems)}"
            return answer("failed", message, checked=checked, notes=notes)
        return answer("reverted", reason, checked=checked, notes=notes)


def _write_candidate(file: Item, candidate: str, *, sha256: str) -> None:
    import grp

    try:
        group = grp.getgrnam(file["group"]).gr_gid
    except KeyError:
        raise Refused(f"there is no group {file['group']} for {file['path']}") from None
    write_new(candidate, file["text"].encode(), mode=file["mode"], group=group)
    sync_folder(os.path.dirname(candidate))
    with open(candidate, "rb") as written:
        found = sha256_of(written.read())
    if found != sha256:
        raise Refused(f"{file['path']} arrived damaged: sha256 {found}, expected {sha256}", hint="try again")


def _save_last_good(path: str, copy: str) -> None:
    try:
        with open(path, "rb") as file:
            data, state = file.read(), os.fstat(file.fileno())
    except FileNotFoundError:
        return
    write_new(copy, data, mode=0o600, owner=state.st_uid, group=state.st_gid)


def _put_slots(operation: Operation) -> List[Slot]:
    wanted = slots.slots_of(operation)
    with RouteSocket() as kernel:
        for slot in wanted:
            slots.put(kernel, slot, found=slots.Snapshot(kernel, [slot]).of(slot))
    return wanted


def _start_or_stop(action: str, service: str) -> None:
    if action == "remove":
        services.stop(service)
    else:
        services.start(service)


def _keep_overlay_entry(entry: Dict[str, Any]) -> None:
    from netorch.model.codec import from_json, to_json  # only the overlay's changes need the model
    from netorch.model.overlay import OverlayEntry, merge_overlays

    held = tuple(from_json(OverlayEntry, member) for member in facts.overlay_entries())
    merged = merge_overlays((held, (from_json(OverlayEntry, entry),)))
    write_json(OVERLAY, {"entries": [to_json(member) for member in merged.entries]})


def _first_of_each(steps: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Steps without repetitions: undoing one twice would be wasted, and for a slot only what was found first counts."""
    seen = set()
    kept = []
    for step in steps:
        key = json.dumps(step, sort_keys=True)
        if key not in seen:
            seen.add(key)
            kept.append(step)
    return kept
