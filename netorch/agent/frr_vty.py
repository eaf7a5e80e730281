"""The control sockets of FRR's programs, spoken to directly: an answer takes less than a millisecond, every wait has a deadline.

A command ends with a zero byte. An answer ends with three of them and the command's result: 0 success, 1 a warning, the others
errors. vtysh, which speaks the same, takes 25 ms to start, and hangs for ever where a program is stopped.

Source: FRR 8.4.4 and 10.3, lib/vty.c vtysh_read(), vtysh_flush(); vtysh/vtysh.c vtysh_client_run(); lib/command.h CMD_SUCCESS.
"""

from __future__ import annotations

import _socket
import errno
import os

from netorch.agent.clock import uptime, wait
from netorch.agent.daemons import DaemonAbsent, DaemonRefused, DaemonSilent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Tuple

SOCKETS = "/run/frr"
REPLY_TIMEOUT_S = 10.0

_SUCCESS, _WARNING = 0, 1
_CONNECT_INTERVAL_S = 0.05


class FrrAbsent(DaemonAbsent):
    """None of FRR's programs runs, or the one that was asked does not."""


class FrrSilent(DaemonSilent):
    """FRR, or one of its programs, runs but does not answer; or a part of FRR is missing."""


class FrrEnded(FrrSilent):
    """A program ended while it was asked."""


class FrrRefused(DaemonRefused):
    """FRR answered with an error, or does not have live what it was given."""


class Vty:
    """A connection to one of FRR's programs (``bgpd``), whose socket is in ``folder``, with the right to do everything.

    Raises FrrAbsent, FrrSilent; ``ask`` also FrrRefused.
    """

    def __init__(self, program: str, *, timeout_s: float = REPLY_TIMEOUT_S, folder: str = SOCKETS) -> None:
        self.program = program
        self._path = f"{folder}/{program}.vty"
        self._timeout_s = timeout_s
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        self._socket.settimeout(timeout_s)
        try:
            self._connect()
            self.ask("enable")
        except (FrrAbsent, FrrSilent, FrrRefused):
            self._socket.close()
            raise

    def _connect(self) -> None:
        deadline = uptime() + self._timeout_s
        while True:
            try:
                self._socket.connect(self._path)
                return
            except _socket.timeout:
                raise self._silent() from None
            except OSError as exc:
                if exc.errno != errno.EAGAIN:
                    hint = "start it: systemctl start frr"
                    raise FrrAbsent(f"{self.program} does not run: {self._path}: {exc.strerror}", hint=hint) from None
            # It is there, but so many wait to be let in that no more may: it hangs, or is very busy.
            if uptime() >= deadline:
                raise self._silent()
            wait(_CONNECT_INTERVAL_S)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def ask(self, *commands: str) -> str:
        """What it answers to the last of ``commands``; FrrRefused at the first that it refuses, with its words, not the command,
        which may hold a secret."""
        said = ""
        for command in commands:
            try:
                self._socket.settimeout(self._timeout_s)
                self._socket.sendall(command.encode() + b"\0")
            except _socket.timeout:
                raise self._silent() from None
            except OSError as exc:
                raise self._gone(exc) from None
            code, said = self._read()
            if code not in (_SUCCESS, _WARNING):
                words = said.strip().partition(":")[0] or f"error {code}"
                raise FrrRefused(f"{self.program} refuses a command: {words}")
        return said

    def _read(self) -> Tuple[int, str]:
        deadline = uptime() + self._timeout_s
        parts: List[bytes] = []
        end = b""
        while not (len(end) == 4 and end[:3] == b"\0\0\0"):
            left = deadline - uptime()
            if left <= 0:
                raise self._silent()
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(1 << 18)
            except _socket.timeout:
                raise self._silent() from None
            except OSError as exc:
                raise self._gone(exc) from None
            if not data:
                raise FrrEnded(f"{self.program} ended before it had answered")
            parts.append(data)
            end = (end + data)[-4:]
        return end[3], b"".join(parts)[:-4].decode("utf-8", "replace")

    def _silent(self) -> FrrSilent:
        return FrrSilent(
            f"{self.program} did not answer within {self._timeout_s:g} s",
            hint="is the process stopped, or busy? look at its log and its state (ps)",
        )

    def _gone(self, exc: OSError) -> FrrEnded:
        return FrrEnded(f"{self.program} closed its control socket: {os.strerror(exc.errno or 0)}")
