"""Confirms or undoes the change that waits, and tells what was confirmed before."""

from __future__ import annotations

from netorch.agent import daemon, journal
from netorch.agent.bird import Bird
from netorch.agent.outcome import Refused, Stop, answer
from netorch.agent.undo import recover, undo

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
        state = pending["bird"]
        if state["candidate"] is not None:
            try:
                with Bird() as control:
                    problem = daemon.confirm(control, stamp=state["candidate"])
            except Stop as exc:
                problem = exc.message
            if problem:
                return _give_up(pending, problem)
        pending["phase"] = journal.CONFIRMED
        journal.save(pending)
        return answer("confirmed", generation=journal.keep_as_generation(pending))


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


def _generation(record: Journal) -> Dict[str, Any]:
    names = ("number", "id", "author", "confirmed", "reason", "commit", "operations")
    return {**{name: record[name] for name in names}, "files": [file["path"] for file in record["files"]]}


def _give_up(pending: Journal, reason: str) -> Dict[str, Any]:
    problems, notes = undo(pending)
    if problems:
        return answer("failed", f"{reason}; undoing the rest failed: {'; '.join(problems)}", notes=notes)
    return answer("reverted", reason, notes=notes)


def _nothing_waits(change_id: str, pending: Optional[Journal], recovered: str) -> Dict[str, Any]:
    for number in reversed(journal.generations()):
        if journal.read_generation(number).get("id") == change_id:
            return answer("confirmed", f"change {change_id} had been confirmed before", generation=number)
    if pending is not None:
        raise Refused(f"{change_id} does not wait here: {journal.waiting_text(pending)}")
    if recovered:
        return answer("reverted", recovered)
    return answer("reverted", f"change {change_id} is not there any more: it was undone at its deadline, or never came")
