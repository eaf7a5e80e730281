"""One SSH login: handshake, host key, keys. Here and in ssh_session paramiko is driven, and its exceptions end."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from netorch.errors import AuthError, NetorchError, TimedOut, TransportError, Unreachable
from netorch.io.clock import Deadline
from netorch.io.ssh_endpoint import Endpoint
from netorch.io.ssh_keys import KeyRing, Offer, Offers
from netorch.io.ssh_known_hosts import Expected, HostKey
from netorch.io.ssh_library import paramiko

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
_SLICE_S = 0.1


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
        raise TransportError(f"{doing}: {reason(exc)}", where=where) from exc


def timed_out(deadline: Deadline, *, where: str, doing: str) -> TimedOut:
    """The error of a wait that reached its deadline."""
    return TimedOut(f"{doing}: no answer within {deadline.timeout_s:g} s", where=where)


def reason(exc: BaseException) -> str:
    """What ``exc`` says, in words for a message."""
    if isinstance(exc, EOFError):
        return "the connection ended"
    if isinstance(exc, paramiko.ChannelException):
        return f"refused by the device: {exc.text} (code {exc.code})"
    return getattr(exc, "strerror", None) or str(exc) or type(exc).__name__


class HungUp(Unreachable):
    """The other end closed the connection before it said who it is; nothing was sent to it."""


class _Transport(paramiko.Transport):
    """Keeps what paramiko only logs: the algorithms that the device offers, and why it disconnects."""

    offered: Mapping[str, Sequence[str]] = {}
    farewell = ""

    def _really_parse_kex_init(self, message: paramiko.Message, **ours: Any) -> Mapping[str, list[str]]:
        parsed: Mapping[str, list[str]] = super()._really_parse_kex_init(message, **ours)  # type: ignore[misc]
        if not ours:
            self.offered = parsed
        return parsed

    def _parse_disconnect(self, message: paramiko.Message) -> None:
        message.get_int()
        self.farewell = message.get_text()


class Hop:
    """The SSH connection to one endpoint: the device itself or a jump host on the way.

    ``sock`` is a socket or another hop's channel. At ``deadline`` the caller cuts the way, which ends all waits here.
    """

    def __init__(
        self, sock: socket.socket | paramiko.Channel, endpoint: Endpoint, *, where: str, deadline: Deadline
    ) -> None:
        self._sock = sock
        self._endpoint, self._where, self._deadline = endpoint, where, deadline
        self.transport = _Transport(self._sock)
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
                f"{doing}: no algorithm in common: {failure}; the device offers {self._offer()}",
                where=self._where,
                hint="its sshd is too old for today's cryptography (SHA-1 is not spoken): update it, or allow newer "
                "algorithms in its sshd_config",
            )
        if "Indecipherable" in str(failure):
            return Unreachable(f"{doing}: {failure}", where=self._where, hint="is that port an sshd's?")
        if not self.transport.remote_version:
            return HungUp(
                f"{doing}: the connection was closed before the device said who it is",
                where=self._where,
                hint="sshd may have too many logins at once (MaxStartups), or refuse this address",
            )
        return failure or EOFError()

    def _offer(self) -> str:
        kinds = ("kex_algo_list", "server_key_algo_list", "server_encrypt_algo_list", "server_mac_algo_list")
        return "; ".join(", ".join(self.transport.offered.get(kind, ())) for kind in kinds)

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
        closed = (
            "" if self.transport.is_active() else f"; then the device hung up: {self.transport.farewell or 'no reason'}"
        )
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
        """End the connection and its threads; never raises. Quick once the way is cut, which wakes paramiko's thread."""
        for end in (self.transport.close, self._sock.close):
            with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                end()
        if self.transport.ident is not None:
            self.transport.join(timeout=1.0)
        self.transport.packetizer.complete_handshake()  # ends the timer of a handshake that failed


def _available(wanted: Sequence[str], offered: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in wanted if name in offered)


def _key_type(algorithm: str) -> str:
    """The known_hosts key type behind a signature algorithm (RFC 8332: RSA keys sign with SHA-2)."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm
