"""Connections to devices over SSH. Light to import: paramiko is loaded at the first connect."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from netorch.errors import TimedOut, TransportError, Unreachable
from netorch.io.clock import Deadline, SystemClock
from netorch.io.ssh_config import ConfigError, ConfigReader
from netorch.io.ssh_endpoint import Endpoint, EndpointResolver, SshEnvironment
from netorch.io.ssh_known_hosts import Expected, KnownHost, parse_known_hosts
from netorch.model.inventory import Ssh
from netorch.ports import Clock

if TYPE_CHECKING:
    from netorch.io.ssh_hop import Hop
    from netorch.io.ssh_keys import KeyRing
    from netorch.io.ssh_session import SshTransport
    from netorch.io.ssh_socket import TcpStream

__all__ = ["SshConnector", "SshEnvironment"]

DEFAULT_TIMEOUT_S = 20.0
LOGINS_AT_ONCE = 6
"""Per sshd, which hangs up on new logins at random once 10 are unfinished (sshd_config(5), MaxStartups 10:30:100), and counts
each for a moment longer than its client."""

HANG_UP_PAUSES_S = (0.1, 0.3, 0.9)
"""Before each new try at an sshd that hung up before it said who it is, which is how it says that it has too many logins."""


class SshConnector:
    """``ports.Connector`` for the devices of an inventory; may be used by many threads at once."""

    def __init__(self, devices: Mapping[str, Ssh], environment: SshEnvironment, *, clock: Clock | None = None) -> None:
        self._devices = dict(devices)
        self._environment = environment
        self._clock = clock or SystemClock()
        self._texts = _TextCache()
        reader = ConfigReader(environment.configs, environment.home, environment.user, self._texts.read)
        self._resolver = EndpointResolver(environment, reader)
        self._gates = _Gates()

    def __reduce__(self) -> tuple[Callable[..., SshConnector], tuple[Mapping[str, Ssh], SshEnvironment]]:
        """Locks and caches do not travel to another process; the settings do."""
        return SshConnector, (self._devices, self._environment)

    @functools.cached_property
    def _ring(self) -> KeyRing:
        from netorch.io.ssh_keys import KeyRing

        return KeyRing()

    def endpoint(self, device: str) -> Endpoint:
        """Where and as whom ``device`` would be logged in to.

        Raises TransportError when the ssh_config cannot be followed, KeyError for a device that the connector does not know.
        """
        try:
            return self._resolver.resolve(self._devices[device])
        except ConfigError as exc:
            raise TransportError(str(exc), where=device, hint=exc.hint) from exc

    def connect(self, device: str, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> SshTransport:
        """Log in to ``device``; see ``ports.Connector.connect``."""
        from netorch.io.ssh_hop import HungUp

        deadline = Deadline.after(self._clock, timeout_s)
        target = self.endpoint(device)
        if target.connect_timeout_s is not None:
            deadline = deadline.within(target.connect_timeout_s)
        for pause_s in HANG_UP_PAUSES_S:
            try:
                return self._connect_once(device, target, deadline)
            except HungUp:
                if deadline.left_s() < pause_s:
                    raise
            self._clock.wait(pause_s)
        return self._connect_once(device, target, deadline)

    def _connect_once(self, device: str, target: Endpoint, deadline: Deadline) -> SshTransport:
        from netorch.io.ssh_hop import cut_at
        from netorch.io.ssh_session import SshTransport
        from netorch.io.ssh_socket import open_stream

        way = (*target.jumps, target)
        with contextlib.ExitStack() as undo, contextlib.ExitStack() as guard:
            with self._gates.passing(way[0], deadline, where=device):
                stream = open_stream(way[0], deadline, where=device)
                transport = SshTransport(stream, where=device, clock=self._clock)
                undo.callback(transport.close)
                guard.enter_context(cut_at(deadline, stream.cut))
                with _last_words(stream):
                    self._log_in(transport.add_hop(way[0], deadline), way[0])
            for endpoint in way[1:]:
                with self._gates.passing(endpoint, deadline, where=device):
                    self._log_in(transport.add_hop(endpoint, deadline), endpoint)
            undo.pop_all()
        return transport

    def _log_in(self, hop: Hop, endpoint: Endpoint) -> None:
        hop.shake_hands(self._expected(endpoint))
        hop.log_in(self._ring)

    def _expected(self, endpoint: Endpoint) -> Expected:
        files = endpoint.known_hosts
        return Expected.of(
            (line for path in files for line in _known_hosts(self._texts.read(path) or "", path)),
            host=endpoint.host,
            port=endpoint.port,
            alias=endpoint.host_key_alias,
            files=files,
        )


@contextlib.contextmanager
def _last_words(stream: TcpStream) -> Iterator[None]:
    """Add what a ProxyCommand said to the error that its end caused."""
    try:
        yield
    except TransportError as exc:
        words = stream.last_words()
        if not words:
            raise
        kind = Unreachable if isinstance(exc, Unreachable) else type(exc)  # a way that failed is not tried again
        raise kind(f"{exc.message}; its ProxyCommand says: {words}", where=exc.where, hint=exc.hint) from exc


@functools.lru_cache(maxsize=16)
def _known_hosts(text: str, path: str) -> tuple[KnownHost, ...]:
    return parse_known_hosts(text, path)


class _TextCache:
    """Files' texts, read again when they change."""

    def __init__(self) -> None:
        self._texts: dict[str, tuple[tuple[int, int], str]] = {}

    def read(self, path: str) -> str | None:
        """The text of ``path``, None when there is no such file. Raises ConfigError for one that cannot be read."""
        try:
            found = os.stat(path)
            signature = (found.st_mtime_ns, found.st_size)
            cached = self._texts.get(path)
            if cached is None or cached[0] != signature:
                with open(path, encoding="utf-8", errors="surrogateescape") as file:
                    cached = self._texts[path] = (signature, file.read())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            raise ConfigError(f"cannot be read: {exc.strerror}", where=path) from exc
        return cached[1]


class _Gates:
    """Lets a limited number of logins at a time through to each sshd."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gates: dict[tuple[str, int], threading.Semaphore] = {}

    @contextlib.contextmanager
    def passing(self, endpoint: Endpoint, deadline: Deadline, *, where: str) -> Iterator[None]:
        """Wait for a turn at ``endpoint``, and keep it for the block. Raises TimedOut when no turn comes."""
        with self._lock:
            gate = self._gates.setdefault((endpoint.host, endpoint.port), threading.Semaphore(LOGINS_AT_ONCE))
        if not gate.acquire(timeout=deadline.left_s()):
            raise TimedOut(f"no turn to log in to {endpoint} within {deadline.timeout_s:g} s", where=where)
        try:
            yield
        finally:
            gate.release()
