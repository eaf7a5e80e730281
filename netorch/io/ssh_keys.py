"""The keys that netorch offers: files and the agent's. Passwords and passphrases are never asked for."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm

from netorch.io.clock import Deadline
from netorch.io.ssh_endpoint import Endpoint
from netorch.io.ssh_library import paramiko


@dataclass(frozen=True)
class Offer:
    """A key to try, and what to call it in messages."""

    key: paramiko.PKey
    label: str


@dataclass
class KeyRing:
    """Loads key files once for all devices of a run, as long as they do not change."""

    _loaded: dict[str, tuple[tuple[int, int], paramiko.PKey | str]] = field(default_factory=dict)

    def load(self, path: str) -> paramiko.PKey | str:
        """The private key in ``path``, or why it cannot be used."""
        try:
            found = os.stat(path)
        except OSError as exc:
            return exc.strerror or str(exc)
        signature = (found.st_mtime_ns, found.st_size)
        cached = self._loaded.get(path)
        if cached is None or cached[0] != signature:
            cached = (signature, _load(path))
            self._loaded[path] = cached
        return cached[1]


def _load(path: str) -> paramiko.PKey | str:
    try:
        key: paramiko.PKey = paramiko.PKey.from_path(path)
    except (TypeError, paramiko.PasswordRequiredException):
        return "encrypted, and no agent holds it"
    except OSError as exc:
        return exc.strerror or str(exc)
    except (ValueError, UnsupportedAlgorithm, paramiko.SSHException, paramiko.pkey.UnknownKeyType) as exc:
        return f"not a private key that netorch can use ({exc})"
    return key


class Agent(paramiko.agent.AgentSSH):
    """A connection to the SSH agent behind ``path``; SSHException or OSError when it does not answer."""

    def __init__(self, path: str, deadline: Deadline) -> None:
        super().__init__()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(max(deadline.left_s(), 0.001))
            self._socket.connect(path)
            self._connect(self._socket)  # type: ignore[attr-defined]
        except BaseException:
            self._socket.close()
            raise

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


@dataclass
class Offers:
    """What to offer to one endpoint, in ssh's order: agent keys of the listed files, other agent keys, the files.

    ``skipped`` says of each file that is not offered why not.
    """

    endpoint: Endpoint
    ring: KeyRing
    deadline: Deadline
    skipped: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def opened(self) -> Iterator[Iterator[Offer]]:
        """The offers; the agent answers as long as the context lasts."""
        with contextlib.ExitStack() as stack:
            agent = self._agent(stack)
            yield self._all(agent.get_keys() if agent is not None else ())

    def _agent(self, stack: contextlib.ExitStack) -> Agent | None:
        path = self.endpoint.agent_socket
        if not path:
            return None
        try:
            agent = Agent(path, self.deadline)
        except (OSError, paramiko.SSHException) as exc:
            self.skipped.append(f"the agent at {path}: {exc}")
            return None
        stack.callback(agent.close)
        return agent

    def _all(self, agent_keys: tuple[paramiko.AgentKey, ...]) -> Iterator[Offer]:
        held = {key.asbytes(): key for key in agent_keys}
        files: list[tuple[str, bytes | None]] = [(path, self._public_blob(path)) for path in self.endpoint.identities]
        by_agent = [path for path, blob in files if blob is not None and blob in held]
        for path, blob in files:
            if blob is not None and blob in held:
                yield Offer(held.pop(blob), f"{path} (by the agent)")
        if not self.endpoint.only_identities:
            for key in held.values():
                yield Offer(key, f"the agent's {key.comment or key.get_name()}")
        for path in self.endpoint.identities:
            if path not in by_agent:
                yield from self._from_file(path)

    def _public_blob(self, path: str) -> bytes | None:
        """The public key of ``path``: beside it, since an encrypted key file does not tell, else from the key itself."""
        with contextlib.suppress(OSError, ValueError), open(f"{path}.pub", encoding="ascii") as file:
            return paramiko.pkey.PublicBlob.from_string(file.read()).key_blob
        if not self.endpoint.agent_socket:
            return None
        key = self.ring.load(path)
        return None if isinstance(key, str) else key.asbytes()

    def _from_file(self, path: str) -> Iterator[Offer]:
        key = self.ring.load(path)
        if not isinstance(key, str):
            yield Offer(key, path)
        elif self.endpoint.identities_chosen or os.path.exists(path):
            self.skipped.append(f"{path}: {key}")
