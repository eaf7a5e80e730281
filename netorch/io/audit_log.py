"""The audit log's places: a file that is only ever appended to, and syslog where it listens."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

SYSLOG = "/dev/log"
_AUTHPRIV_NOTICE = 10 * 8 + 5  # RFC 5424 section 6.2.1
_SYSLOG_BYTES = 8000  # what journald and rsyslog take in one datagram


class AuditLog:
    """Appends lines to the file ``path`` (0600) and tells syslog. What cannot be written is told to ``warn``, once, and stops
    nobody: a full disk must not keep an operator from draining a provider."""

    def __init__(self, path: Path, warn: Callable[[str], None], *, syslog: str = SYSLOG) -> None:
        self.path = path
        self._warn = warn
        self._syslog = syslog
        self._has_warned = False

    def write(self, line: str) -> None:
        """Append ``line`` in one write, so that lines of several programs never mix."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, f"{line}\n".encode("utf-8", "replace"))
            finally:
                os.close(descriptor)
        except OSError as exc:
            if not self._has_warned:
                self._has_warned = True
                self._warn(f"the audit log cannot be written: {self.path}: {exc.strerror}")
        self._tell_syslog(line)

    def _tell_syslog(self, line: str) -> None:
        text = f"<{_AUTHPRIV_NOTICE}>netorch[{os.getpid()}]: {line}".encode("utf-8", "replace")[:_SYSLOG_BYTES]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            try:
                sender.sendto(text, self._syslog)
            except OSError:
                return  # nobody listens there, or too slowly: the file has it
