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


class Outdated(Refused):
    """The device is not what the change was planned from."""

    outcome = "outdated"


class Damaged(Refused, ValueError):
    """A file of netorch's own state cannot be read as what it ought to be."""


class Busy(Stop):
    """Someone else is at work on this device; nothing has been changed."""

    outcome = "locked"


def reason_of(exc: Exception) -> str:
    """Why something failed, in words for the operator; a defect of the agent is told as one."""
    if isinstance(exc, OSError):
        return exc.strerror or str(exc)
    message = getattr(exc, "message", None)  # of a Stop, or of an error of the shared code
    return str(message) if message else f"{type(exc).__name__}: {exc} (a defect of the agent: please report it)"


def answer(outcome: str, message: str = "", **members: Any) -> Dict[str, Any]:
    """An Answer as JSON."""
    return {"outcome": outcome, "message": message, **members}
