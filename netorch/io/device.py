"""A device, seen from the controller: asks its agent, and installs the agent first where it is missing or another version."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain
from typing import Any, TypeVar

from netorch.errors import DeviceError, Locked, NetorchError, Outdated, ParseError, Reverted, TransportError, first_line
from netorch.io.zipapp import AgentArchive, build_agent
from netorch.model.certificate import CertifyRequest, CsrRequest
from netorch.model.codec import from_json, to_json
from netorch.model.conventions import STATE_FOLDER
from netorch.model.facts import DeviceFacts
from netorch.model.rejected import RejectedAnswer, RejectedRequest
from netorch.model.request import (
    Answer,
    ApplyRequest,
    DecideRequest,
    ExecRequest,
    FactsRequest,
    Generation,
    GenerationRequest,
    PingAnswer,
    PingBatch,
    PingRequest,
    PingWatch,
    StoredGeneration,
)
from netorch.model.trace import InsideAnswer, InsideRequest, TraceAnswer, TraceRequest, TrafficAnswer, TrafficRequest
from netorch.ports import Connector, Reply, Transport

Thing = TypeVar("Thing")

AGENT_FOLDER = f"{STATE_FOLDER}/agent"
CONNECT_TIMEOUT_S = 12.0
FACTS_TIMEOUT_S = 60.0
DECIDE_TIMEOUT_S = 60.0
INSTALL_TIMEOUT_S = 60.0
CERTIFICATE_TIMEOUT_S = 20.0
REJECTED_TIMEOUT_S = 300.0
ENDLESS_S = 400 * 86400.0
APPLY_MARGIN_S = 60.0
"""What an apply may take beyond its checks: validation, loading the configuration, a revert."""

_DOING = {
    "facts": "asking for facts",
    "apply": "applying",
    "confirm": "confirming",
    "revert": "reverting",
    "csr": "asking for a certificate signing request",
    "certify": "installing a certificate",
    "ping-watch": "pinging",
    "exec": "running a program",
    "trace": "asking for the way of packets",
    "inside": "counting routes",
    "traffic": "measuring traffic",
    "rejected": "asking for refused routes",
}
_MISSING, _INSTALL_FAILED, _NO_PROGRAM = 90, 91, 127
_ERRORS: dict[str, type[NetorchError]] = {
    "locked": Locked,
    "outdated": Outdated,
    "reverted": Reverted,
    "unknown": TransportError,
}


class Device:
    """One device; a context manager. Connects when first asked and keeps the connection. Not shared between threads.

    ``sudo``: the SSH user is not root. Every method raises TransportError where the device cannot be reached, and TimedOut at
    a deadline: what the device did meanwhile is then unknown.
    """

    def __init__(
        self, name: str, connector: Connector, *, sudo: bool = False, connect_timeout_s: float = CONNECT_TIMEOUT_S
    ) -> None:
        self.name = name
        self._connector = connector
        self._connect_timeout_s = connect_timeout_s
        self._prefix = "sudo -n " if sudo else ""
        self._transport: Transport | None = None
        self._agent: AgentArchive = build_agent()

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def facts(self, request: FactsRequest, *, timeout_s: float = FACTS_TIMEOUT_S) -> DeviceFacts:
        """What the device has.

        Raises DeviceError with the agent's reason where it cannot tell.
        """
        return self._ask_for("facts", request, lambda answer: answer.facts, what="facts", timeout_s=timeout_s)

    def apply(self, request: ApplyRequest) -> Answer:
        """Apply a change that then waits for ``confirm``.

        Raises DeviceError where it was refused (nothing changed) or failed, Reverted where it was undone, Locked where
        someone else is at work, TransportError also where the agent was killed: what it did is unknown.
        """
        timeout_s = APPLY_MARGIN_S + request.check.timeout_s
        return self._ask("apply", request, expected="pending", timeout_s=timeout_s)

    def confirm(self, request: DecideRequest, *, timeout_s: float = DECIDE_TIMEOUT_S) -> Answer:
        """Make the pending change stay, over a new connection: this proves that the device can still be reached.

        Raises Reverted where the change is already undone.
        """
        self.close()
        return self._ask("confirm", request, expected="confirmed", timeout_s=timeout_s)

    def revert(self, request: DecideRequest, *, timeout_s: float = DECIDE_TIMEOUT_S) -> Answer:
        """Undo the pending change."""
        return self._ask("revert", request, expected="reverted", timeout_s=timeout_s)

    def history(self, *, timeout_s: float = FACTS_TIMEOUT_S) -> tuple[Generation, ...]:
        """The generations that the device keeps, newest first."""
        return self._ask("history", None, expected="history", timeout_s=timeout_s).history

    def generation(self, number: int, *, timeout_s: float = FACTS_TIMEOUT_S) -> StoredGeneration:
        """What the generation ``number`` holds: files with their texts, and kernel items.

        Raises DeviceError with the numbers that are kept where it is not among them.
        """
        request = GenerationRequest(number)
        return self._ask_for(
            "generation", request, lambda answer: answer.stored, what="a generation", timeout_s=timeout_s
        )

    def ping(self, request: PingRequest) -> PingAnswer:
        """Send echo requests from the device."""
        timeout_s = FACTS_TIMEOUT_S + request.count * request.interval_s + request.timeout_s
        return self._ask_for("ping", request, lambda answer: answer.ping, what="echoes", timeout_s=timeout_s)

    def watch_pings(self, request: PingWatch, tell: Callable[[PingBatch], None]) -> None:
        """Send packets from the device; ``tell`` is given what becomes of them while it goes on. What it raises ends that."""
        lines = _Lines(lambda document: tell(from_json(PingBatch, document)), self._garbled)
        timeout_s = FACTS_TIMEOUT_S + request.count * request.interval_s + request.timeout_s
        self._ask(
            "ping-watch", request, expected="ping", timeout_s=timeout_s if request.count else ENDLESS_S, lines=lines
        )

    def execute(
        self, request: ExecRequest, *, sent: Iterable[bytes], take: Callable[[dict[str, Any]], None], timeout_s: float
    ) -> int:
        """Run a program on the device; its exit status. ``sent`` are lines for the agent (netorch/agent/execute.py) as they
        come; ``take`` is given what it says meanwhile, which is what these lines are answered with."""
        lines = _Lines(take, self._garbled)
        place = f"{AGENT_FOLDER}/{self._agent.sha256}/__main__.py"
        if self._run(f"{self._prefix}test -f {place}", b"", INSTALL_TIMEOUT_S, doing="asking for the agent").status:
            self._install()  # now: what is sent can be sent once
        head = json.dumps(to_json(request)).encode() + b"\n"
        reply = self._run(self._agent_command("exec"), chain([head], sent), timeout_s, doing="exec", lines=lines)
        return self._expect(self._read_answer(reply), "exec").status

    def trace(self, request: TraceRequest) -> TraceAnswer:
        """What the device does with packets that it sends."""
        timeout_s = FACTS_TIMEOUT_S + (2.0 * len(request.queries) if request.send else 0.05 * len(request.queries))
        return self._ask_for("trace", request, lambda answer: answer.trace, what="ways", timeout_s=timeout_s)

    def inside(self, request: InsideRequest) -> InsideAnswer:
        """To how many prefixes inside one the device's daemon has routes.

        Raises DeviceError where the daemon does not say.
        """
        return self._ask_for("inside", request, lambda answer: answer.inside, what="counts", timeout_s=FACTS_TIMEOUT_S)

    def traffic(self, request: TrafficRequest) -> TrafficAnswer:
        """How much leaves the device for a prefix."""
        timeout_s = FACTS_TIMEOUT_S + request.window_s
        return self._ask_for("traffic", request, lambda answer: answer.traffic, what="traffic", timeout_s=timeout_s)

    def rejected(self, request: RejectedRequest) -> RejectedAnswer:
        """The routes that the device's daemon refused of some sessions.

        Raises DeviceError where the daemon does not say.
        """
        return self._ask_for(
            "rejected", request, lambda answer: answer.rejected, what="refused routes", timeout_s=REJECTED_TIMEOUT_S
        )

    def certificate_request(self, request: CsrRequest) -> Answer:
        """A certificate signing request of the device in ``csr``; "" where it cannot make a key, ``message`` says why."""
        return self._ask("csr", request, expected="csr", timeout_s=CERTIFICATE_TIMEOUT_S)

    def certify(self, request: CertifyRequest) -> Answer:
        """Install a certificate and what goes with it; ``certificate`` of the answer is then in use.

        Raises DeviceError where the device would not be able to use it: it then keeps what it has.
        """
        return self._ask("certify", request, expected="certified", timeout_s=CERTIFICATE_TIMEOUT_S)

    def _ask_for(
        self, command: str, request: object, part: Callable[[Answer], Thing | None], *, what: str, timeout_s: float
    ) -> Thing:
        """The ``part`` of the answer that ``command`` is asked for; its outcome is called like the command."""
        found = part(self._ask(command, request, expected=command, timeout_s=timeout_s))
        if found is None:
            raise self._garbled(f"an answer without {what}")
        return found

    def _ask(
        self, command: str, request: object, *, expected: str, timeout_s: float, lines: _Lines | None = None
    ) -> Answer:
        document = json.dumps(to_json(request) if request is not None else {}).encode()
        reply = self._run(self._agent_command(command), document, timeout_s, doing=command, lines=lines)
        if reply.status == _MISSING:
            self._install()
            reply = self._run(self._agent_command(command), document, timeout_s, doing=command, lines=lines)
        return self._expect(self._read_answer(reply), expected)

    def _expect(self, answer: Answer, expected: str) -> Answer:
        if answer.outcome == expected:
            return answer
        error = _ERRORS.get(answer.outcome, DeviceError)
        if answer.outcome not in ("refused", "failed", *_ERRORS):
            raise self._garbled(f"the outcome {answer.outcome!r}, expected {expected!r}")
        findings = answer.checked.findings if answer.checked is not None else ()
        raise error("\n".join((answer.message, *findings, *answer.notes)), where=self.name, hint=answer.hint)

    def _agent_command(self, command: str) -> str:
        place = f"{AGENT_FOLDER}/{self._agent.sha256}"
        # -I -S: nothing of the device's own Python packages, and half the start-up time.
        script = f"test -f {place}/__main__.py || exit {_MISSING}; exec python3 -I -S {place} {command}"
        return f"{self._prefix}sh -c {shlex.quote(script)}"

    def _install(self) -> None:
        script = f"exec python3 -I -S -c {shlex.quote(self._agent.installer)} {AGENT_FOLDER} {self._agent.sha256}"
        command = f"{self._prefix}sh -c {shlex.quote(script)}"
        reply = self._run(command, self._agent.data, INSTALL_TIMEOUT_S, doing="installing the agent")
        if reply.status == 0:
            return
        said = _said(reply)
        if reply.status == _INSTALL_FAILED:
            raise DeviceError(f"the agent could not be installed: {said}", where=self.name)
        raise self._failed_start(reply)

    def _run(
        self, command: str, stdin: bytes | Iterable[bytes], timeout_s: float, *, doing: str, lines: _Lines | None = None
    ) -> Reply:
        if self._transport is None:
            self._transport = self._connector.connect(self.name, timeout_s=self._connect_timeout_s)
        try:
            doing = _DOING.get(doing, doing)
            if lines is None:
                return self._transport.run(command, stdin=stdin, timeout_s=timeout_s, doing=doing)
            reply = self._transport.run(command, stdin=stdin, timeout_s=timeout_s, doing=doing, on_output=lines.take)
            return replace(reply, stdout=lines.last)
        except TransportError:
            self.close()  # it may hold the rest of an answer that nobody waits for
            raise

    def _read_answer(self, reply: Reply) -> Answer:
        if reply.status != 0:
            raise self._failed_start(reply)
        try:
            document: Any = json.loads(reply.stdout)
            return from_json(Answer, document)
        except ValueError as exc:
            # The beginning: whatever else is printed there comes first, and no part of a file is shown.
            shown = reply.stdout[:60].decode("utf-8", "replace")
            raise self._garbled(f"{len(reply.stdout)} bytes that are not JSON, beginning {shown!r}") from exc
        except ParseError as exc:
            raise self._garbled(exc.message) from exc

    def _failed_start(self, reply: Reply) -> DeviceError:
        said = _said(reply)
        if reply.status == _NO_PROGRAM:
            hint = "the agent needs python3, 3.9 or later, on the device's PATH"
            return DeviceError(f"python3 cannot be started: {said}", where=self.name, hint=hint)
        if self._prefix and reply.stderr.startswith(b"sudo:"):
            hint = "the SSH user must be root, or be allowed sudo without a password"
            return DeviceError(said, where=self.name, hint=hint)
        hint = f"are its files damaged? rm -r {AGENT_FOLDER}/{self._agent.sha256} on the device has it sent anew"
        return DeviceError(f"the agent ended with status {reply.status}: {said}", where=self.name, hint=hint)

    def _garbled(self, found: str) -> DeviceError:
        hint = "is something else printing in the SSH user's start-up files?"
        return DeviceError(f"expected one answer of the agent, found {found}", where=self.name, hint=hint)


class _Lines:
    """An agent's output as it arrives: what it tells meanwhile, a line each, and its answer as the last one."""

    def __init__(self, tell: Callable[[dict[str, Any]], None], garbled: Callable[[str], DeviceError]) -> None:
        self.last = b""
        self._tell, self._garbled = tell, garbled

    def take(self, data: bytes) -> None:
        """Tell of every line that is complete, but for the answer. Raises DeviceError for one that is neither."""
        *complete, rest = (self.last + data).split(b"\n")
        self.last = rest
        for line in complete:
            try:
                document: Any = json.loads(line)
                if "outcome" in document:
                    self.last = line
                else:
                    self._tell(document)
            except (ValueError, TypeError, ParseError) as exc:
                raise self._garbled(f"a line beginning {line[:60].decode('utf-8', 'replace')!r}") from exc


def _said(reply: Reply) -> str:
    """The last word of a failed command."""
    lines = reply.stderr.decode("utf-8", "replace").strip().splitlines()
    return first_line(lines[-1]) if lines else "it said nothing"
