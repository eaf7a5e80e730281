"""The agent's command line: ``COMMAND`` with a JSON request on standard input; a JSON answer, always, on standard output."""

from __future__ import annotations

import json
import os

from netorch.agent.outcome import Refused, Stop, answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Tuple


def main(arguments: List[str]) -> int:
    """Answer one request; the exit status is 0 whatever the answer says."""
    if arguments[:1] == ["watchdog"]:
        from netorch.agent.watchdog import watch
        from netorch.io.netlink import links  # noqa: F401 - now: at the deadline the agent's folder may have gone

        watch(arguments[1])
        return 0
    if arguments[:1] in (["feed"], ["mirror"]):
        from netorch.agent.mirror.start import serve

        serve(arguments[0])
        return 0
    _write(1, _answer(lambda: _handle(arguments)))
    return 0


def _answer(work: Callable[[], Dict[str, Any]]) -> Dict[str, Any]:
    try:
        return work()
    except Stop as exc:
        return answer(exc.outcome, exc.message, hint=exc.hint)
    except Exception as exc:  # noqa: BLE001 - one device's failure becomes its answer
        return _unexpected(exc)


def _write(descriptor: int, document: Dict[str, Any]) -> None:
    reply = json.dumps(document).encode() + b"\n"
    try:
        while reply:
            reply = reply[os.write(descriptor, reply) :]
    except BrokenPipeError:
        return  # the controller has gone; what was done is in the journal


def _handle(arguments: List[str]) -> Dict[str, Any]:
    command = arguments[0] if arguments else ""
    if command == "recover":
        from netorch.agent.boot import recover_at_boot

        return recover_at_boot()
    if command == "exec":
        from netorch.agent.execute import execute

        head, rest = _first_line()
        return execute(json.loads(head), rest)
    try:
        request = json.loads(_read(0) or b"{}")
    except ValueError as exc:
        raise Refused(f"the request is not JSON: {exc}") from None
    if command == "facts":
        from netorch.agent.facts import gather

        return gather(request)
    if command == "history":
        from netorch.agent.decide import history

        return history()
    if command == "generation":
        from netorch.agent.decide import generation

        return generation(request)
    if command in ("ping", "ping-watch"):
        from netorch.agent.ping import ping, watch

        return ping(request) if command == "ping" else watch(request)
    if command in ("trace", "inside", "traffic"):
        from netorch.agent import trace

        return {"trace": trace.trace, "inside": trace.inside, "traffic": trace.traffic}[command](request)
    if command == "rejected":
        from netorch.agent.rejected import rejected

        return rejected(request)
    if command in ("csr", "certify"):
        from netorch.agent import certificates

        return certificates.make_csr(request) if command == "csr" else certificates.certify(request)
    if command in ("apply", "confirm", "revert"):
        return _detached(command, request)
    known = "facts, apply, confirm, revert, history, generation, csr, certify, recover, ping, ping-watch"
    known += ", trace, inside, traffic, rejected, exec"
    raise Refused(f"no command {command!r}", hint=known)


def _change(command: str, request: Dict[str, Any]) -> Dict[str, Any]:
    if command == "apply":
        from netorch.agent.apply import apply

        return apply(request)
    from netorch.agent import decide

    return decide.confirm(request) if command == "confirm" else decide.revert(request)


def _detached(command: str, request: Dict[str, Any]) -> Dict[str, Any]:
    """Work in a process of its own session: one that the SSH session's end, however it comes, does not end half-way."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setsid()
            os.close(reading)
            _leave_streams()
            _write(writing, _answer(lambda: _change(command, request)))
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    reply = _read(reading)
    os.waitpid(child, 0)
    if not reply:
        hint = "its watchdog finishes what was confirmed and undoes everything else at the deadline: plan again then"
        return answer("unknown", "the agent was killed while it worked", hint=hint)
    return dict(json.loads(reply))


def _leave_streams() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)


def _first_line() -> Tuple[bytes, bytes]:
    """What is asked, and what has come behind it already."""
    data = b""
    while b"\n" not in data:
        more = os.read(0, 1 << 16)
        if not more:
            raise Refused("the request ends before its line does")
        data += more
    head, _, rest = data.partition(b"\n")
    return head, rest


def _read(descriptor: int) -> bytes:
    parts: List[bytes] = []
    while True:
        data = os.read(descriptor, 1 << 20)
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
