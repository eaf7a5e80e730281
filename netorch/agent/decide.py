"""Confirms or undoes the change that waits, and tells what was confirmed before."""

from __future__ import annotations

from contextlib import suppress

from netorch.agent import cold, journal, record
from netorch.agent.daemons import daemon_of
from netorch.agent.files import file_fact
from netorch.agent.outcome import Refused, Stop, answer
from netorch.agent.undo import finish, recover, undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

    from netorch.agent.journal import Journal

_LOCK_PATIENCE_S = 5.0


def confirm(request: Dict[str, Any]) -> Dict[str, Any]:
    """The answer to a DecideRequest that wants the change to stay. Asking again after it worked gives the same answer."""
    with journal.Lock(request["author"], f"confirming {request['id']}", wait_s=_LOCK_PATIENCE_S):
        recovered = recover()
        pending = journal.read_pending()
        if pending is None or pending["id"] != request["id"]:
            return _nothing_waits(request["id"], pending, recovered)
        if pending["phase"] == journal.ARMED:
            return _give_up(pending, "the agent that applied the change died before its checks had passed")
        problem = _meddling(pending) or _confirm_live(pending["daemon"])
        if problem:
            return _give_up(pending, problem)
        pending["phase"] = journal.CONFIRMED
        try:
            journal.save(pending)
        except OSError as exc:
            return _give_up(pending, f"the confirmation cannot be written: {exc.strerror}")
        generation, problems = finish(pending)
        if problems:
            return answer("unknown", "; ".join(problems), generation=generation, hint="plan again")
        return answer("confirmed", generation=generation, proof=_read_back(pending))


def _read_back(kept: Journal) -> Dict[str, Any]:
    """What is there now of a confirmed change, as the JSON of model.request.Proof. Nothing of it is from memory."""
    daemon = daemon_of(kept["daemon"]["name"])
    live = None
    if kept["daemon"]["candidate"] is not None:
        with suppress(Stop), daemon.connect() as control:
            live = control.live_stamp()
    files = []
    for file in kept["files"]:
        found = file_fact(file["path"])
        stamp = daemon.stamp_of(found["text"] or "")
        files.append({"path": file["path"], "sha256": found["sha256"] or "", "stamp": stamp})
    return {"live_stamp": live, "files": files}


def _meddling(pending: Journal) -> str:
    """What somebody else did to the files while the change waited; "" if nothing."""
    for file in pending["files"]:
        expected = file["sha256"] if file.get("placed") else file["before"]
        if file_fact(file["path"])["sha256"] != expected:
            return f"{file['path']} was changed by somebody else while the change waited"
        if file_fact(file["candidate"])["sha256"] != file["sha256"]:
            return f"{file['candidate']} is no longer what was applied"
    return ""


def _confirm_live(state: Journal) -> str:
    candidate = state["candidate"]
    if candidate is None:
        return ""
    try:
        daemon = daemon_of(state["name"])
        if state["cold"]:
            return cold.confirm(daemon, candidate)
        with daemon.connect() as control:
            return control.confirm(stamp=candidate)
    except Stop as exc:
        return exc.message


def revert(request: Dict[str, Any]) -> Dict[str, Any]:
    """The answer to a DecideRequest that wants the change undone."""
    with journal.Lock(request["author"], f"reverting {request['id']}", wait_s=_LOCK_PATIENCE_S):
        recovered = recover()
        pending = journal.read_pending()
        if pending is None or pending["id"] != request["id"]:
            answered = _nothing_waits(request["id"], pending, recovered)
            if answered["outcome"] == "confirmed":
                raise Refused(f"{answered['message']}: only a roll-back can undo it")
            return answered
        return _give_up(pending, f"undone, as {request['author']} asked")


def history() -> Dict[str, Any]:
    """The generations that are kept, newest first."""
    kept = [_generation(journal.read_generation(number)) for number in reversed(journal.generations())]
    return answer("history", history=kept, generation=journal.current_generation())


def generation(request: Dict[str, Any]) -> Dict[str, Any]:
    """The answer to a GenerationRequest."""
    number, kept = request["number"], journal.generations()
    if number not in kept:
        there = f"{kept[0]} to {kept[-1]} are" if kept else "none is"
        raise Refused(f"generation {number} is not kept here: {there}", hint="netorch history shows them")
    items = [*record.read_files(number), *record.read_state(number)["items"]]
    stored = {"generation": _generation(journal.read_generation(number)), "items": items}
    return answer("generation", generation=journal.current_generation(), stored=stored)


def _generation(kept: Journal) -> Dict[str, Any]:
    names = ("number", "id", "author", "confirmed", "reason", "commit", "operations")
    return {**{name: kept[name] for name in names}, "files": [file["path"] for file in kept["files"]]}


def _give_up(pending: Journal, reason: str) -> Dict[str, Any]:
    problems, notes = undo(pending, reason)
    if problems:
        return answer("failed", f"{reason}; undoing the rest failed: {'; '.join(problems)}", notes=notes)
    return answer("reverted", reason, notes=notes)


def _nothing_waits(change_id: str, pending: Optional[Journal], recovered: str) -> Dict[str, Any]:
    for number in reversed(journal.generations()):
        kept = journal.read_generation(number)
        if kept.get("id") == change_id:
            message = f"change {change_id} had been confirmed before"
            return answer("confirmed", message, generation=number, proof=_read_back(kept))
    if pending is not None:
        raise Refused(f"{change_id} does not wait here: {journal.waiting_text(pending)}")
    if recovered:
        return answer("reverted", recovered)
    why = journal.why_undone(change_id)
    if why:
        return answer("reverted", f"change {change_id} is undone: {why}")
    return answer("reverted", f"change {change_id} is not there any more: it was undone at its deadline, or never came")
