"""Resolves the inventory's secret references. The value is in no message and no exception."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from netorch.errors import NetorchError

READ_BYTES = 4096
"""Far more than any secret; what a daemon can be given, rendering knows (netorch.render.seal)."""


class InventorySecrets:
    """``ports.Secrets`` for ``env:NAME``, from ``environment``, and ``file:PATH``, relative to ``folder``."""

    def __init__(self, folder: str, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment

    def resolve(self, reference: str) -> str:
        """The secret behind ``reference``; one newline at the end of a file is not part of it.

        Raises NetorchError, which names the reference, where there is none.
        """
        scheme, _, name = reference.partition(":")
        if scheme == "env" and name:
            return _found(self._from_environment(name, reference), reference)
        if scheme == "file" and name:
            return _found(_from_file(os.path.join(self._folder, name), reference), reference)
        # What stands here may be the secret itself.
        raise NetorchError("expected a reference to a secret, env:NAME or file:PATH, found something else")

    def _from_environment(self, name: str, reference: str) -> str:
        value = self._environment.get(name)
        if value is None:
            raise _refused(reference, "the environment variable is not set", hint=f"export {name}=...")
        return value


def _from_file(path: str, reference: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # never waits for a FIFO's writer
    except OSError as error:
        raise _refused(reference, f"cannot be read: {error.strerror}", hint=f"write the secret to {path}") from None
    with open(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise _refused(reference, "expected a regular file")
        if mode & stat.S_IRWXO:
            raise _refused(
                reference, f"others may use the file (mode {stat.S_IMODE(mode):04o})", hint=f"chmod 600 {path}"
            )
        content = file.read(READ_BYTES)
    try:
        return content.decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise _refused(reference, "expected UTF-8 text") from None


def _found(value: str, reference: str) -> str:
    if not value:
        raise _refused(reference, "expected a secret, found nothing")
    return value


def _refused(reference: str, message: str, *, hint: str = "") -> NetorchError:
    return NetorchError(message, where=f"secret {reference}", hint=hint)
