"""Commands over an SSH connection."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable

from netorch.errors import TimedOut, TransportError
from netorch.io.clock import Deadline
from netorch.io.ssh_endpoint import Endpoint
from netorch.io.ssh_hop import Hop, cut_at, foreign_errors, reason, timed_out
from netorch.io.ssh_library import paramiko
from netorch.io.ssh_socket import TcpStream
from netorch.ports import Clock, Reply

GRACE_S = 0.5
"""How long after a command's deadline the connection is cut if the device does not even let the channel be closed."""
PULSE_INTERVAL_S = 5.0
PULSE_TIMEOUT_S = 8.0
"""A device that runs a command is asked for a sign of life this often, and has this long to give it: TCP alone does not tell an
sshd that hangs, or a middle box that swallows everything, from a command that takes its time.
"""
_CHUNK = 32_768


class SshTransport:
    """``ports.Transport`` over SSH, above ``stream``. Hops are added from the first jump host to the device."""

    def __init__(self, stream: TcpStream, *, where: str, clock: Clock) -> None:
        self._stream, self._where, self._clock = stream, where, clock
        self._hops: list[Hop] = []
        self._channel: paramiko.Channel | None = None

    def add_hop(self, endpoint: Endpoint, deadline: Deadline) -> Hop:
        """The next SSH connection, to be logged in to: on the stream itself, or through the last hop.

        Raises Unreachable when the last hop cannot get to ``endpoint``.
        """
        sock = self._hops[-1].open_way_to(endpoint) if self._hops else self._stream.socket
        self._hops.append(Hop(sock, endpoint, where=self._where, deadline=deadline))
        return self._hops[-1]

    def run(
        self,
        command: str,
        *,
        stdin: bytes | Iterable[bytes] = b"",
        timeout_s: float,
        doing: str = "",
        on_output: Callable[[bytes], None] | None = None,
    ) -> Reply:
        """Run ``command``; see ``ports.Transport.run``. After TimedOut the connection may be gone."""
        deadline = Deadline.after(self._clock, timeout_s)
        doing = doing or f"running {_shortened(command)}"
        pulse = _Pulse(self._hops[-1].transport, self._cut)
        try:
            with pulse:
                return self._run(command, stdin, deadline, doing=doing, on_output=on_output)
        except TransportError as exc:
            if not pulse.is_lost:
                raise
            hint = "what the command did is unknown: look at the device's state before trying again"
            raise TimedOut(
                f"{doing}: no sign of life from the device for {PULSE_TIMEOUT_S:g} s", where=self._where, hint=hint
            ) from exc

    def _run(
        self,
        command: str,
        stdin: bytes | Iterable[bytes],
        deadline: Deadline,
        *,
        doing: str,
        on_output: Callable[[bytes], None] | None,
    ) -> Reply:
        with foreign_errors(deadline, where=self._where, doing=doing), cut_at(deadline, self._cut, grace_s=GRACE_S):
            self._channel = self._hops[-1].transport.open_session(timeout=deadline.left_s())
            try:
                self._channel.exec_command(command)
                exchange = _Exchange(self._channel, stdin, deadline, where=self._where, doing=doing)
                return exchange.finish(on_output)
            finally:
                self._channel.close()

    def _cut(self) -> None:
        self._stream.cut()
        if self._channel is not None:
            # paramiko waits for the answer to "exec" without end if the connection died just before.
            self._channel.event.set()

    def close(self) -> None:
        """End the connection; never raises."""
        self._stream.cut()  # first, so that no farewell waits for a device that does not read any more
        for hop in reversed(self._hops):
            hop.close()
        self._stream.close()


class _Pulse:
    """Asks the device for signs of life while the block lasts; cuts the connection where none comes. Source: RFC 4254
    section 4: a request that wants a reply gets one, if only that it is not known.
    """

    def __init__(self, transport: paramiko.Transport, cut: Callable[[], None]) -> None:
        self.is_lost = False
        self._transport = transport
        self._cut = cut
        self._done = threading.Event()

    def __enter__(self) -> None:
        threading.Thread(target=self._ask, name="pulse", daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def _ask(self) -> None:
        while not self._done.wait(PULSE_INTERVAL_S) and self._transport.is_active():
            timer = threading.Timer(PULSE_TIMEOUT_S, self._give_up)
            timer.daemon = True
            timer.start()
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                self._transport.global_request("keepalive@openssh.com", wait=True)
            timer.cancel()

    def _give_up(self) -> None:
        if not self._done.is_set():
            self.is_lost = True
            self._cut()


class _Bell(threading.Event):
    """Rung when either stream has data or ends.

    paramiko clears a stream's event when that stream runs empty, which would silence what the other one has rung; its
    Channel.fileno() loses wake-ups the same way. Only the reader silences a bell.
    """

    def clear(self) -> None:
        """Nothing."""

    def silence(self) -> None:
        """Wait for the next ring."""
        super().clear()


class _Exchange:
    """A running command: feeds its standard input and drains both outputs until it has ended."""

    def __init__(
        self, channel: paramiko.Channel, stdin: bytes | Iterable[bytes], deadline: Deadline, *, where: str, doing: str
    ) -> None:
        self._channel, self._stdin, self._deadline = channel, stdin, deadline
        self._where, self._doing = where, doing
        self._stdout: list[bytes] = []
        self._stderr: list[bytes] = []

    def finish(self, on_output: Callable[[bytes], None] | None = None) -> Reply:
        """The reply, once everything has arrived; without what ``on_output`` was given of it. Raises TimedOut or TransportError
        when it has not."""
        feeder: threading.Thread | None = None
        if isinstance(self._stdin, bytes) and len(self._stdin) <= self._channel.out_window_size:
            self._feed()
        else:
            feeder = threading.Thread(target=self._feed, name=f"stdin {self._where}", daemon=True)
            feeder.start()
        try:
            self._drain(on_output or self._stdout.append)
            if not self._channel.status_event.wait(self._deadline.left_s()):
                raise timed_out(self._deadline, where=self._where, doing=self._doing)
        finally:
            self._channel.close()  # wakes the feeder
            if feeder is not None:
                # One that waits for its next part is not waited for: it finds the channel closed.
                feeder.join(GRACE_S if isinstance(self._stdin, bytes) else 0.0)
        return self._reply()

    def _feed(self) -> None:
        # A command may end without reading all of its input: how it ended is for the reader to tell.
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            for part in [self._stdin] if isinstance(self._stdin, bytes) else self._stdin:
                for start in range(0, len(part), _CHUNK):
                    self._channel.sendall(part[start : start + _CHUNK])
            self._channel.shutdown_write()

    def _drain(self, on_output: Callable[[bytes], None]) -> None:
        """Read both streams until their end, or until the connection's."""
        channel, bell = self._channel, _Bell()
        channel.in_buffer.set_event(bell)
        channel.in_stderr_buffer.set_event(bell)
        while True:
            bell.silence()
            ended = channel.eof_received or channel.closed
            while channel.recv_ready():
                on_output(channel.recv(1 << 20))
            while channel.recv_stderr_ready():
                self._stderr.append(channel.recv_stderr(1 << 20))
            if ended:
                return
            if not bell.wait(self._deadline.left_s()):
                raise timed_out(self._deadline, where=self._where, doing=self._doing)

    def _reply(self) -> Reply:
        """An end without the device saying so is no end: a cut connection also looks like one, with empty streams."""
        if not self._channel.eof_received:
            failure = self._channel.get_transport().get_exception()
            why = "" if failure is None or isinstance(failure, EOFError) else f": {reason(failure)}"
            raise TransportError(
                f"{self._doing}: the connection ended before the command did{why}",
                where=self._where,
                hint="what the command did is unknown: look at the device's state before trying again",
            )
        if self._channel.exit_status < 0:
            raise TransportError(
                f"{self._doing}: the command ended without an exit status: it was killed, or the connection was cut",
                where=self._where,
                hint="what the command did is unknown: look at the device's state before trying again",
            )
        return Reply(self._channel.exit_status, b"".join(self._stdout), b"".join(self._stderr))


def _shortened(command: str) -> str:
    first = command.strip().splitlines()[0] if command.strip() else "''"
    return first if len(first) <= 60 and first == command.strip() else f"{first[:60]}..."
