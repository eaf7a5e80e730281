"""The agent's command line: ``COMMAND`` with a JSON request on standard input; a JSON answer, always, on standard output."""

from __future__ import annotations

import json
import os

from netorch.agent.outcome import Refused, Stop, answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List


def main(arguments: List[str]) -> int:
    """Answer one request; the exit status is 0 whatever the answer says."""
    try:
        document = _handle(arguments)
    except Stop as exc:
        document = answer(exc.outcome, exc.message, hint=exc.hint)
    except Exception as exc:  # noqa: BLE001 - one device's failure becomes its answer
        document = _unexpected(exc)
    reply = json.dumps(document).encode() + b"\n"
    while reply:
        try:
            reply = reply[os.write(1, reply) :]
        except BrokenPipeError:
            break  # the controller has gone; what was done stays in the journal
    return 0


def _handle(arguments: List[str]) -> Dict[str, Any]:
    command = arguments[0] if arguments else ""
    try:
        request = json.loads(_standard_input() or b"{}")
    except ValueError as exc:
        raise Refused(f"the request is not JSON: {exc}") from None
    if command == "facts":
        from netorch.agent.facts import gather

        return gather(request)
    raise Refused(f"no command {command!r}", hint="facts, apply, confirm, revert, history")


def _standard_input() -> bytes:
    parts: List[bytes] = []
    while True:
        data = os.read(0, 1 << 20)
        if not data:
            return b"".join(parts)
        parts.append(data)


def _unexpected(exc: Exception) -> Dict[str, Any]:
    """A defect, or an error of the shared code: told in one line, with the place where it arose."""
    import traceback

    frame = traceback.extract_tb(exc.__traceback__)[-1]
    place = f"{os.path.basename(frame.filename)}:{frame.lineno}"
    hint = getattr(exc, "hint", "") or f"the agent failed at {place}: please report it"
    return answer("failed", f"{type(exc).__name__}: {exc}", hint=hint)
