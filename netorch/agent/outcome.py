"""How a request ends."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict


class Stop(Exception):
    """The request ends here. ``outcome`` is one of ``model.request.Answer``; ``hint`` says what to do about it."""

    outcome = "failed"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Refused(Stop):
    """Nothing has been changed."""

    outcome = "refused"


class Busy(Stop):
    """Someone else is at work on this device; nothing has been changed."""

    outcome = "locked"


def answer(outcome: str, message: str = "", **members: Any) -> Dict[str, Any]:
    """An Answer as JSON."""
    return {"outcome": outcome, "message": message, **members}
