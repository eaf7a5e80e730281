"""Resolves the inventory's secret references. The value is in no message and no exception."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping

from netorch.errors import NetorchError
from netorch.io.secret_programs import EncryptedFiles

READ_BYTES = 4096
"""Far more than any secret; what a daemon can be given, rendering knows (netorch.render.seal)."""

CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""Where systemd puts the credentials of a service (systemd.exec(5))."""


class InventorySecrets:
    """``ports.Secrets``. Paths are relative to ``folder``; ``environment`` holds variables, the folder of systemd's
    credentials, and what age and sops find their keys by."""

    def __init__(self, folder: str, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._encrypted = EncryptedFiles(environment)
        self._schemes: Mapping[str, Callable[[str], str]] = {
            "env": self._from_environment,
            "file": lambda name: _from_file(self._path(name)),
            "age": lambda name: self._encrypted.age(self._path(name)),
            "sops": self._from_sops,
            "credential": self._from_credential,
        }

    def resolve(self, reference: str) -> str:
        """The secret behind ``reference``; one newline at the end of a file is not part of it.

        Raises NetorchError, which names the reference, where there is none.
        """
        scheme, _, name = reference.partition(":")
        if scheme not in self._schemes or not name:
            # What stands here may be the secret itself.
            forms = ", ".join(f"{known}:..." for known in self._schemes)
            raise NetorchError(f"expected a reference to a secret ({forms}), found something else")
        try:
            found = self._schemes[scheme](name)
        except NetorchError as error:
            raise NetorchError(error.message, where=f"secret {reference}", hint=error.hint) from None
        if not found:
            raise NetorchError("expected a secret, found nothing", where=f"secret {reference}")
        return found

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def _from_environment(self, name: str) -> str:
        value = self._environment.get(name)
        if value is None:
            raise NetorchError("the environment variable is not set", hint=f"export {name}=...")
        return value

    def _from_sops(self, name: str) -> str:
        path, _, keys = name.partition("#")
        return self._encrypted.sops(self._path(path), tuple(keys.split("/")))

    def _from_credential(self, name: str) -> str:
        folder = self._environment.get(CREDENTIALS)
        if not folder:
            raise NetorchError(
                f"netorch was not started with credentials ({CREDENTIALS} is not set)",
                hint=f"LoadCredential={name}:PATH in the systemd unit that runs netorch",
            )
        return _from_file(os.path.join(folder, name))


def _from_file(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # never waits for a FIFO's writer
    except OSError as error:
        raise NetorchError(f"cannot be read: {error.strerror}", hint=f"write the secret to {path}") from None
    with open(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise NetorchError("expected a regular file")
        if mode & stat.S_IRWXO:
            raise NetorchError(f"others may use the file (mode {stat.S_IMODE(mode):04o})", hint=f"chmod 600 {path}")
        content = file.read(READ_BYTES)
    try:
        return content.decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise NetorchError("expected UTF-8 text") from None
