"""One SSH connection: handshake, host key, login, commands. The only module that drives paramiko; its exceptions end here."""

from __future__ import annotations

import contextlib
import functools
import logging
import select
import threading
from collections.abc import Callable, Iterator, Sequence

import paramiko

from netorch.errors import AuthError, NetorchError, TimedOut, TransportError, Unreachable
from netorch.io.clock import Deadline
from netorch.io.ssh_endpoint import Endpoint
from netorch.io.ssh_keys import KeyRing, Offer, Offers
from netorch.io.ssh_known_hosts import Expected, HostKey
from netorch.io.ssh_socket import TcpStream
from netorch.ports import Clock, Reply

# A library's logger without a handler writes to standard error. What paramiko logs as errors, netorch raises.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

KEY_EXCHANGES = (
    # curve25519 costs the client a fraction of the others; the post-quantum one follows for devices that insist on it.
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "mlkem768x25519-sha256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group14-sha256",
)
GRACE_S = 0.5
"""How long after a command's deadline the connection is cut if the device does not even let the channel be closed."""
_SLICE_S = 0.1
_CHUNK = 32_768


@contextlib.contextmanager
def cut_at(deadline: Deadline, cut: Callable[[], None], *, grace_s: float = 0.0) -> Iterator[None]:
    """Call ``cut`` from another thread if the block lasts beyond ``deadline``: not all of paramiko's waits end by themselves."""
    timer = threading.Timer(deadline.left_s() + grace_s, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


@contextlib.contextmanager
def foreign_errors(deadline: Deadline, *, where: str, doing: str) -> Iterator[None]:
    """Turn what paramiko and sockets raise into netorch's errors; ``doing`` says what was under way."""
    try:
        yield
    except NetorchError:
        raise
    except (paramiko.SSHException, EOFError, OSError) as exc:
        if deadline.passed():
            raise timed_out(deadline, where=where, doing=doing) from exc
        raise TransportError(f"{doing}: {_reason(exc)}", where=where) from exc


def timed_out(deadline: Deadline, *, where: str, doing: str) -> TimedOut:
    """The error of a wait that reached its deadline."""
    return TimedOut(f"{doing}: no answer within {deadline.timeout_s:g} s", where=where)


def _reason(exc: BaseException) -> str:
    if isinstance(exc, EOFError):
        return "the connection was closed"
    if isinstance(exc, paramiko.ChannelException):
        return f"refused by the device: {exc.text} (code {exc.code})"
    return getattr(exc, "strerror", None) or str(exc) or type(exc).__name__


class Hop:
    """The SSH connection to one endpoint: the device itself or a jump host on the way.

    ``sock`` is a socket or another hop's channel. ``cut`` ends all waits of the whole way.
    """

    def __init__(
        self, sock: TcpStream | paramiko.Channel, endpoint: Endpoint, *, where: str, deadline: Deadline
    ) -> None:
        self._sock = sock.socket if isinstance(sock, TcpStream) else sock
        self._endpoint, self._where, self._deadline = endpoint, where, deadline
        self.transport = paramiko.Transport(self._sock)
        self.transport.get_security_options().kex = _available(KEY_EXCHANGES, self.transport.preferred_kex)
        left_s = max(deadline.left_s(), 0.001)
        self.transport.banner_timeout = self.transport.handshake_timeout = left_s
        self.transport.auth_timeout = self.transport.channel_timeout = left_s

    def shake_hands(self, expected: Expected) -> None:
        """Exchange keys and check the host key; nothing of ours is sent before it is known."""
        doing = f"connecting to {self._endpoint}"
        known = expected.algorithms
        options = self.transport.get_security_options()
        options.key_types = sorted(options.key_types, key=lambda name: _key_type(name) not in known)
        finished = threading.Event()
        with foreign_errors(self._deadline, where=self._where, doing=doing):
            self.transport.start_client(event=finished)
            self._wait(finished)
            if not self.transport.is_active():
                raise self._handshake_failure(self.transport.get_exception(), doing)
            key = self.transport.get_remote_server_key()
        found = HostKey(key.get_name(), key.asbytes())
        expected.check(found, where=self._where, at=str(self._endpoint))

    def _wait(self, event: threading.Event) -> None:
        """Until ``event``, the end of the connection or the deadline, at which the connection is cut by ``cut_at``."""
        while not event.wait(_SLICE_S) and self.transport.is_active():
            if self._deadline.passed():
                raise EOFError

    def _handshake_failure(self, failure: BaseException | None, doing: str) -> BaseException:
        if self._deadline.passed():
            return timed_out(self._deadline, where=self._where, doing=doing)
        if isinstance(failure, paramiko.ssh_exception.IncompatiblePeer):
            return TransportError(
                f"{doing}: no algorithm in common: {failure}; the device offers {self._offered()}",
                where=self._where,
                hint="its sshd is too old for today's cryptography (SHA-1 is not spoken): update it, or allow newer "
                "algorithms in its sshd_config",
            )
        if not self.transport.remote_version:
            banner = isinstance(failure, paramiko.SSHException) and "Indecipherable" in str(failure)
            return Unreachable(
                f"{doing}: {failure if banner else 'the connection was closed before the device said who it is'}",
                where=self._where,
                hint="is that port an sshd's?"
                if banner
                else "sshd may have too many logins at once (MaxStartups), or refuse this address",
            )
        return failure or EOFError()

    def _offered(self) -> str:
        lists = self.transport._get_latest_kex_init()  # type: ignore[attr-defined]
        return ", ".join((*lists["kex_algo_list"], *lists["server_key_algo_list"]))

    def log_in(self, ring: KeyRing) -> None:
        """Offer keys until one is accepted. Raises AuthError when none is."""
        doing = f"logging in to {self._endpoint} as {self._endpoint.user}"
        offers = Offers(self._endpoint, ring, self._deadline)
        refused: list[str] = []
        with foreign_errors(self._deadline, where=self._where, doing=doing), offers.opened() as opened:
            for offer in opened:
                if self._accepted(offer):
                    return
                refused.append(f"{offer.label} ({HostKey('', offer.key.asbytes()).fingerprint})")
                if not self.transport.is_active():
                    break
        if self._deadline.passed():
            raise timed_out(self._deadline, where=self._where, doing=doing)
        raise self._no_key(doing, refused, offers.skipped)

    def _accepted(self, offer: Offer) -> bool:
        finished = threading.Event()
        self.transport.auth_publickey(self._endpoint.user, offer.key, finished)
        self._wait(finished)
        if self.transport.is_authenticated():
            return True
        failure = self.transport.get_exception()
        if isinstance(failure, paramiko.ssh_exception.PartialAuthentication):
            raise AuthError(
                f"{self._endpoint} accepts the key but wants more: {', '.join(failure.allowed_types)}",
                where=self._where,
                hint="netorch logs in with one key and nothing else: let sshd ask for 'publickey' alone for this user",
            )
        if isinstance(failure, (paramiko.AuthenticationException, type(None))):
            return False
        raise failure

    def _no_key(self, doing: str, refused: list[str], skipped: list[str]) -> AuthError:
        closed = "" if self.transport.is_active() else "; then the device closed the connection"
        tried = f"refused {', '.join(refused)}{closed}" if refused else "there is no key to offer"
        unusable = f"; not usable: {'; '.join(skipped)}" if skipped else ""
        if closed:
            hint = "sshd closes after some refusals (MaxAuthTries): name the right key as 'identity' in the inventory"
        elif any("encrypted" in why for why in skipped):
            hint = "load the key into an agent (ssh-add), or name an unencrypted key as 'identity' in the inventory"
        else:
            hint = f"add the public key to {self._endpoint.user}'s authorized_keys, or name the right one as 'identity'"
        return AuthError(f"{doing}: {tried}{unusable}", where=self._where, hint=hint)

    def open_way_to(self, endpoint: Endpoint) -> paramiko.Channel:
        """A channel through this jump host to the next endpoint. Raises Unreachable when the jump host cannot get there."""
        doing = f"reaching {endpoint} through {self._endpoint}"
        with foreign_errors(self._deadline, where=self._where, doing=doing):
            try:
                return self.transport.open_channel(
                    "direct-tcpip", (endpoint.host, endpoint.port), ("127.0.0.1", 0), timeout=self._deadline.left_s()
                )
            except paramiko.ChannelException as exc:
                raise Unreachable(f"{doing}: {exc.text or 'refused'} (code {exc.code})", where=self._where) from exc

    def close(self) -> None:
        """End the connection and its threads; never raises."""
        with contextlib.suppress(OSError):
            # Wakes paramiko's thread, which else notices only after its poll interval.
            self._sock.shutdown(2)
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            self.transport.close()
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            self._sock.close()
        if self.transport.ident is not None:
            self.transport.join(timeout=1.0)
        self.transport.packetizer.complete_handshake()  # ends the timer of a handshake that failed


def _available(wanted: Sequence[str], offered: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in wanted if name in offered)


def _key_type(algorithm: str) -> str:
    """The known_hosts key type behind a signature algorithm (RFC 8332: RSA keys sign with SHA-2)."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


class SshTransport:
    """``ports.Transport`` over SSH: ``hops`` from the first jump host to the device, above ``stream``."""

    def __init__(self, stream: TcpStream, hops: list[Hop], *, where: str, clock: Clock) -> None:
        self._stream, self._hops, self._where, self._clock = stream, hops, where, clock
        self._channel: paramiko.Channel | None = None

    def run(self, command: str, *, stdin: bytes = b"", timeout_s: float) -> Reply:
        """Run ``command``; see ``ports.Transport.run``. After TimedOut the connection may be gone."""
        deadline = Deadline.after(self._clock, timeout_s)
        doing = f"running {_shortened(command)}"
        with foreign_errors(deadline, where=self._where, doing=doing), cut_at(deadline, self._cut, grace_s=GRACE_S):
            self._channel = self._hops[-1].transport.open_session(timeout=deadline.left_s())
            try:
                self._channel.exec_command(command)
                return _Exchange(self._channel, stdin, deadline, where=self._where, doing=doing).finish()
            finally:
                self._channel.close()

    def _cut(self) -> None:
        self._stream.cut()
        if self._channel is not None:
            # paramiko waits for the answer to "exec" without end if the connection died just before.
            self._channel.event.set()

    def close(self) -> None:
        """End the connection; never raises."""
        for hop in reversed(self._hops):
            hop.close()
        self._stream.close()


class _Exchange:
    """A running command: feeds its standard input and drains both outputs until it has ended."""

    def __init__(self, channel: paramiko.Channel, stdin: bytes, deadline: Deadline, *, where: str, doing: str) -> None:
        self._channel, self._stdin, self._deadline = channel, stdin, deadline
        self._where, self._doing = where, doing
        self._stdout: list[bytes] = []
        self._stderr: list[bytes] = []

    def finish(self) -> Reply:
        """The reply, once everything has arrived. Raises TimedOut or TransportError when it has not."""
        feeder: threading.Thread | None = None
        if len(self._stdin) <= self._channel.out_window_size:
            self._feed()
        else:
            feeder = threading.Thread(target=self._feed, name=f"stdin {self._where}", daemon=True)
            feeder.start()
        try:
            self._drain()
            if not self._channel.status_event.wait(self._deadline.left_s()):
                raise timed_out(self._deadline, where=self._where, doing=self._doing)
        finally:
            self._channel.close()  # wakes the feeder
            if feeder is not None:
                feeder.join(GRACE_S)
        return self._reply()

    def _feed(self) -> None:
        # A command may end without reading all of its input: how it ended is for the reader to tell.
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            for start in range(0, len(self._stdin), _CHUNK):
                self._channel.sendall(self._stdin[start : start + _CHUNK])
            self._channel.shutdown_write()

    def _drain(self) -> None:
        """Read both streams until their end, or until the connection's."""
        poll = select.poll()
        poll.register(self._channel.fileno(), select.POLLIN)
        channel = self._channel
        while True:
            ended = channel.eof_received or channel.closed
            while channel.recv_ready():
                self._stdout.append(channel.recv(1 << 20))
            while channel.recv_stderr_ready():
                self._stderr.append(channel.recv_stderr(1 << 20))
            if ended:
                return
            if self._deadline.passed():
                raise timed_out(self._deadline, where=self._where, doing=self._doing)
            poll.poll(max(1, int(self._deadline.left_s() * 1000)))

    def _reply(self) -> Reply:
        """An end without the device saying so is no end: a cut connection also looks like one, with empty streams."""
        if not self._channel.eof_received:
            failure = self._channel.get_transport().get_exception()
            reason = f": {_reason(failure)}" if failure is not None else ""
            raise TransportError(
                f"{self._doing}: the connection ended before the command did{reason}",
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


@functools.lru_cache(maxsize=64)
def _shortened(command: str) -> str:
    first = command.strip().splitlines()[0] if command.strip() else "''"
    return first if len(first) <= 60 and first == command.strip() else f"{first[:60]}..."
