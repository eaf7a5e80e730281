"""Encrypted files of secrets, opened by the programs that they were made with: age and sops."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from threading import Lock
from typing import Any

from netorch.errors import NetorchError
from netorch.model.text import one_line

TIMEOUT_S = 30.0
"""sops may ask a key service in another country; nothing waits longer for one."""

KEY_FILE = "SOPS_AGE_KEY_FILE"
_ERROR_BYTES = 300


class EncryptedFiles:
    """What is inside encrypted files; each is opened once. ``environment`` is what the programs get as theirs.

    The identity for age is found as sops finds it: the file that ``SOPS_AGE_KEY_FILE`` names, else
    ``sops/age/keys.txt`` in the folder of the user's settings.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._opened: dict[tuple[str, ...], str] = {}
        self._lock = Lock()  # devices are rendered side by side

    def age(self, path: str) -> str:
        """The text that age encrypted into the file ``path``, less one newline at its end; NetorchError if it cannot be had."""
        command = ("age", "--decrypt", "--identity", self._identity(), "--", path)
        return self._output(command, path).removesuffix("\n")

    def sops(self, path: str, keys: tuple[str, ...]) -> str:
        """The text or number that ``keys`` lead to in the file ``path`` of sops; NetorchError if it cannot be had."""
        command = ("sops", "decrypt", "--output-type", "json", path)
        try:
            found: Any = json.loads(self._output(command, path))
        except ValueError:  # whose message would show what it is about
            raise NetorchError("sops gave something else than JSON", hint="put sops 3.9 or later on the PATH") from None
        for depth, key in enumerate(keys):
            if not isinstance(found, dict) or key not in found:
                above = "/".join(keys[:depth]) or "the file"
                raise NetorchError(f"expected the key {key!r} in {above}, found none", hint=f"sops edit {path}")
            found = found[key]
        if isinstance(found, bool) or not isinstance(found, (str, int)):
            raise NetorchError(f"expected text behind {'/'.join(keys)}, found something else", hint=f"sops edit {path}")
        return str(found)

    def _identity(self) -> str:
        """Where age's identity is."""
        named = self._environment.get(KEY_FILE)
        if named:
            return named
        home = self._environment.get("HOME", "/")
        settings = self._environment.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
        return os.path.join(settings, "sops", "age", "keys.txt")

    def _output(self, command: tuple[str, ...], path: str) -> str:
        if not os.path.isfile(path):
            raise NetorchError("cannot be read: there is no such file", hint=f"expected {path}")
        with self._lock:
            if command not in self._opened:
                self._opened[command] = self._run(command)
            return self._opened[command]

    def _run(self, command: tuple[str, ...]) -> str:
        program = command[0]
        try:
            done = subprocess.run(
                command,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT_S,
                check=False,
                start_new_session=True,  # away from the terminal: a question nobody expects must not stop a deploy
            )
        except FileNotFoundError:
            raise NetorchError(f"the program {program} is not installed", hint=_INSTALL[program]) from None
        except subprocess.TimeoutExpired:
            raise NetorchError(f"{program} did not answer within {TIMEOUT_S:.0f} s") from None
        if done.returncode != 0:
            said = one_line(done.stderr.decode(errors="replace").strip(), max_bytes=_ERROR_BYTES)
            raise NetorchError(f"{program} cannot decrypt it: {said or 'it does not say why'}", hint=_KEYS)
        try:
            return done.stdout.decode()
        except UnicodeDecodeError:
            raise NetorchError("expected UTF-8 text") from None


_INSTALL = {
    "age": "apt-get install age",
    "sops": "put sops 3.9 or later on the PATH of whoever runs netorch",
}
_KEYS = f"the file that {KEY_FILE} names must hold a key that it was encrypted for (docs/secrets.md)"
