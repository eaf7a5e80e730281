"""Runs any program with marked sockets: its streams, signals and exit status go through, and nothing of it stays behind.

The controller sends lines of JSON: the request, then ``{"in": ...}`` (base64), ``{"end": true}`` for the end of standard
input, ``{"signal": 2}``. It gets ``{"out": ...}``, ``{"err": ...}``, ``{"note": ...}``, and the answer. The end of what it
sends is the end of the program too.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import select
import signal

from netorch.agent.clock import uptime, wait
from netorch.agent.marking import MarkedGroup, enter_private_mounts, remove, sweep
from netorch.agent.outcome import Refused, answer
from netorch.io.netlink.lookups import has_routes
from netorch.io.netlink.route_socket import AF_INET, AF_INET6

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

GRACE_S = 2.0
"""Between asking a program to end and killing it."""

_CHUNK = 1 << 16
_REMOVE_S = 30.0
_NOT_FOUND, _CANNOT_RUN = 127, 126


def execute(request: Dict[str, Any], rest: bytes) -> Dict[str, Any]:
    """The answer to an ExecRequest; ``rest`` is what came behind it already."""
    mark = int(request["mark"])
    _refuse_empty(request["provider"], mark)
    program = Program(request["command"])
    try:
        enter_private_mounts()
        sweep()
        group = MarkedGroup(mark)
    except BaseException:
        program.abandon()
        raise
    guard = _Guard(group.path)
    try:
        group.add(program.pid)
        program.start()
        status = _Pump(program, group, rest).run()
    finally:
        guard.dismiss()
    return answer("exec", status=status)


def _refuse_empty(provider: str, table: int) -> None:
    """Packets of a provider without routes would leave by the others."""
    there = [name for family, name in ((AF_INET, "IPv4"), (AF_INET6, "IPv6")) if has_routes(family, table)]
    if not there:
        hint = "it is drained, down, or a peer on a host with FRR: netorch explain ADDRESS --from HOST --via PROVIDER"
        raise Refused(f"{provider}'s table {table} has no routes: packets would leave by other providers", hint=hint)
    if len(there) == 1:
        missing = "IPv6" if there == ["IPv4"] else "IPv4"
        tell(note=f"{provider}'s table {table} has no {missing} routes: such packets leave by other providers")


def tell(**document: Any) -> None:
    """A line for the controller. Raises BrokenPipeError where it has gone."""
    line = json.dumps(document, separators=(",", ":")).encode() + b"\n"
    while line:
        line = line[os.write(1, line) :]


class Program:
    """A program that waits for ``start``. Its standard streams are pipes of this process's."""

    def __init__(self, command: List[str]) -> None:
        gate, self._opener = os.pipe()
        child_in, self.stdin = os.pipe()
        self.stdout, child_out = os.pipe()
        self.stderr, child_err = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._opener)
            _become(command, gate, child_in, child_out, child_err)
        for descriptor in (gate, child_in, child_out, child_err):
            os.close(descriptor)
        os.set_blocking(self.stdin, False)

    def start(self) -> None:
        """Let it run."""
        os.write(self._opener, b"!")
        os.close(self._opener)

    def abandon(self) -> None:
        """It never runs."""
        os.close(self._opener)
        os.waitpid(self.pid, 0)


def _become(command: List[str], gate: int, *streams: int) -> None:
    """In the child: wait at the gate, then be the program. Never returns."""
    status = _CANNOT_RUN
    try:
        if not os.read(gate, 1):
            os._exit(status)
        os.setsid()
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number in (signal.SIGPIPE, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.execvp(command[0], command)  # noqa: S606 - what is asked for, without a shell
    except FileNotFoundError:
        status = _NOT_FOUND
        os.write(2, f"{command[0]}: command not found\n".encode())
    except OSError as exc:
        os.write(2, f"{command[0]}: {exc.strerror}\n".encode())
    finally:
        os._exit(status)


class _Guard:
    """A process that takes the group away once this one has ended, however it did."""

    def __init__(self, path: str) -> None:
        reading, self._writing = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.setsid()
                os.close(self._writing)
                null = os.open(os.devnull, os.O_RDWR)
                for stream in range(3):
                    os.dup2(null, stream)
                os.closerange(3, reading)
                os.closerange(reading + 1, 256)
                os.read(reading, 1)
                deadline = uptime() + _REMOVE_S
                while not remove(path) and uptime() < deadline:
                    wait(0.02)
            finally:
                os._exit(0)
        os.close(reading)

    def dismiss(self) -> None:
        """Have it done now, and wait until it is."""
        os.close(self._writing)
        os.waitpid(self._pid, 0)


class _Pump:
    """Carries what goes in and out, until the program has ended and all that it said has been passed on."""

    def __init__(self, program: Program, group: MarkedGroup, rest: bytes) -> None:
        self._program, self._group = program, group
        self._lines = rest
        self._waiting = b""  # for the program's standard input
        self._ends_input = False
        self._open = {program.stdout: "out", program.stderr: "err"}
        self._status: Optional[int] = None
        self._killed_at: Optional[float] = None

    def run(self) -> int:
        """The exit status, 128 and the signal's number for a program that was killed."""
        self._take(b"")
        listening = True
        while self._open and not (self._ended() and self._is_quiet()):
            poll = select.poll()
            for descriptor in self._open:
                poll.register(descriptor, select.POLLIN)
            if listening:
                poll.register(0, select.POLLIN)
            if self._waiting and self._program.stdin >= 0:
                poll.register(self._program.stdin, select.POLLOUT)
            for descriptor, _ in poll.poll(100):
                if descriptor == 0:
                    listening = self._listen()
                elif descriptor == self._program.stdin:
                    self._feed()
                else:
                    self._pass_on(descriptor)
            if self._killed_at is not None and uptime() >= self._killed_at:
                self._group.signal(signal.SIGKILL)
        while not self._ended():
            wait(0.01)
        assert self._status is not None
        return self._status

    def _is_quiet(self) -> bool:
        """Nothing more to read: what the program left running may hold its streams open."""
        poll = select.poll()
        for descriptor in self._open:
            poll.register(descriptor, select.POLLIN)
        return not poll.poll(0)

    def _ended(self) -> bool:
        if self._status is None:
            pid, status = os.waitpid(self._program.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                self._status = 128 - code if code < 0 else code
        return self._status is not None

    def _listen(self) -> bool:
        """What the controller sends; False once it has gone, and with it the program."""
        data = os.read(0, _CHUNK)
        if data:
            self._take(data)
            return True
        self._group.signal(signal.SIGHUP)
        self._killed_at = uptime() + GRACE_S
        return False

    def _take(self, data: bytes) -> None:
        *complete, self._lines = (self._lines + data).split(b"\n")
        for line in complete:
            document = json.loads(line)
            if "in" in document:
                self._waiting += base64.b64decode(document["in"])
            elif "signal" in document:
                self._group.signal(int(document["signal"]))
            elif document.get("end"):
                self._ends_input = True
        self._feed()

    def _feed(self) -> None:
        if self._program.stdin < 0:
            return
        try:
            while self._waiting:
                self._waiting = self._waiting[os.write(self._program.stdin, self._waiting[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._waiting, self._ends_input = b"", True  # the program does not read any more
        if self._ends_input:
            os.close(self._program.stdin)
            self._program.stdin = -1

    def _pass_on(self, descriptor: int) -> None:
        data = os.read(descriptor, _CHUNK)
        if not data:
            os.close(descriptor)
            del self._open[descriptor]
            return
        try:
            tell(**{self._open[descriptor]: base64.b64encode(data).decode()})
        except BrokenPipeError:
            if self._killed_at is None:
                self._group.signal(signal.SIGHUP)
                self._killed_at = uptime() + GRACE_S
