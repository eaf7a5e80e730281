"""BIRD's control socket, spoken to directly: a reply is whole only with its final code, and every wait has a deadline.

A line is ``NNNN-text``, the next one with the same code `` text``, the last one ``NNNN text``; codes from 8000 are errors.

Source: BIRD 2.0.12 nest/cli.c, doc/reply_codes.
"""

from __future__ import annotations

import _socket
import errno
import os
import re

from netorch.agent.clock import as_utc, uptime, wait
from netorch.agent.daemons import DaemonAbsent, DaemonRefused, DaemonSilent, ShortProtocol
from netorch.agent.outcome import Stop
from netorch.model.conventions import BIRD_SOCKET, BIRD_STAMP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

DONE, IN_PROGRESS, QUEUED, SHUTTING_DOWN = 3, 4, 5, 6
CONFIRMED, NOTHING_TO_DO, EVALUATED = 18, 19, 23
FIRST_ERROR = 8000
REPLY_TIMEOUT_S = 10.0
MESSAGE_BYTES = 255  # RFC 9003 section 2; BIRD cuts what is longer

_CONNECT_INTERVAL_S = 0.05
_LONGEST_LAST_LINE = 8192
_START = "start it: systemctl start bird"
_FINAL = re.compile(rb"\d{4} ")
_CODED = re.compile(r"\d{4}[- ]")
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,63}")
_STAMP = re.compile(rf'^define {BIRD_STAMP} = "([^"\n]*)";', re.MULTILINE)


class BirdAbsent(DaemonAbsent):
    """BIRD does not run, or not where its control socket is expected."""


class BirdSilent(DaemonSilent):
    """BIRD runs but does not answer, or stopped in the middle of an answer."""


class BirdGone(BirdSilent):
    """BIRD closed the connection."""


class BirdRefused(DaemonRefused):
    """BIRD answered with an error."""


class BirdReply:
    """``text`` is the reply as it came, codes included; ``lines`` the same without codes; ``code`` the final one."""

    __slots__ = ("code", "lines", "text")

    def __init__(self, code: int, lines: List[str], text: str) -> None:
        self.code = code
        self.lines = lines
        self.text = text


class Bird:
    """A connection to the daemon; a context manager. ``version`` is what it greeted with.

    Raises BirdAbsent, BirdSilent; ``ask`` also BirdRefused.
    """

    def __init__(self, *, timeout_s: float = REPLY_TIMEOUT_S, path: str = BIRD_SOCKET) -> None:
        self._timeout_s = timeout_s
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        self._socket.settimeout(timeout_s)
        try:
            self._connect(path)
            self.version = self._read("the connection").lines[0].partition("BIRD ")[2].partition(" ")[0]
        except BirdGone as gone:  # it takes connections before it reads its file, and ends where it cannot
            self._socket.close()
            raise BirdAbsent(f"BIRD does not run: {path}: {gone.message}", hint=_START) from None
        except Stop:
            self._socket.close()
            raise

    def _connect(self, path: str) -> None:
        deadline = uptime() + self._timeout_s
        while True:
            try:
                self._socket.connect(path)
                return
            except _socket.timeout:
                raise self._silent("the connection") from None
            except OSError as exc:
                if exc.errno != errno.EAGAIN:
                    raise BirdAbsent(f"BIRD does not run: {path}: {os.strerror(exc.errno or 0)}", hint=_START) from None
            # It is there, but so many wait to be let in that no more may: it hangs, or is very busy.
            if uptime() >= deadline:
                raise self._silent("the connection")
            wait(_CONNECT_INTERVAL_S)

    def __enter__(self) -> Bird:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, command: str) -> BirdReply:
        """The reply to ``command``, in full."""
        reply = self.try_ask(command)
        if reply.code >= FIRST_ERROR:
            raise BirdRefused(f"BIRD answered {reply.code:04d} {reply.lines[-1]}")
        return reply

    def try_ask(self, command: str) -> BirdReply:
        """The reply to ``command``, an error as well."""
        try:
            self._socket.sendall(command.encode() + b"\n")
        except _socket.timeout:
            raise self._silent(command) from None
        except OSError as exc:
            raise BirdGone(f"BIRD closed its control socket: {os.strerror(exc.errno or 0)}") from None
        return self._read(command)

    def _read(self, command: str) -> BirdReply:
        deadline = uptime() + self._timeout_s
        parts: List[bytes] = []
        end = b""
        while not _is_final(end):
            parts.append(self._receive(command, deadline))
            end = (end + parts[-1])[-_LONGEST_LAST_LINE:]
        return _reply(b"".join(parts))

    def _receive(self, command: str, deadline: float) -> bytes:
        left = deadline - uptime()
        if left <= 0:
            raise self._silent(command)
        self._socket.settimeout(left)
        try:
            data = self._socket.recv(1 << 18)
        except _socket.timeout:
            raise self._silent(command) from None
        except OSError as exc:
            raise BirdGone(f"BIRD closed its control socket: {os.strerror(exc.errno or 0)}") from None
        if not data:
            raise BirdGone(f"BIRD closed its control socket before it had answered {command!r}")
        return data

    def _silent(self, command: str) -> BirdSilent:
        return BirdSilent(
            f"BIRD did not answer {_shown(command)} within {self._timeout_s:g} s",
            hint="is the process stopped, or busy? look at its log and its state (ps)",
        )

    def live_stamp(self) -> Optional[str]:
        """The stamp of the configuration that is live; None where it has none."""
        reply = self.try_ask(f"eval {BIRD_STAMP}")
        return reply.lines[-1].strip('"') if reply.code == EVALUATED else None

    def short_protocols(self) -> List[ShortProtocol]:
        """Every protocol, in one line each."""
        return [found for found in map(_short_protocol, self.ask("show protocols").lines) if found is not None]

    def live_lines(self, live: Optional[str]) -> None:
        """See ``daemons.Control``: BIRD does not tell what it runs."""

    def last_reconfiguration(self) -> Optional[str]:
        """When the live configuration was loaded, in the router's local time."""
        head = "Last reconfiguration on "
        return next((line[len(head) :] for line in self.ask("show status").lines if line.startswith(head)), None)

    def is_reconfiguring(self) -> bool:
        """Whether a configuration is still being put to work."""
        return self.ask("show status").lines[-1].startswith("Reconfiguration")


def _short_protocol(line: str) -> Optional[ShortProtocol]:
    parts = line.split(None, 4)
    if len(parts) < 4 or parts[:2] == ["Name", "Proto"]:
        return None
    name, protocol, table, state = parts[:4]
    # The fifth column may hold a space (iso long); two of them end it.
    since, _, info = (parts[4] if len(parts) == 5 else "").partition("  ")
    info = info.strip()
    is_bgp, is_down = protocol == "BGP", state == "down"
    bgp_state, _, error = info.partition(" ")  # as in ``Active        Socket: Connection refused``
    return ShortProtocol(
        name,
        protocol,
        table=None if table == "---" else table,
        state=state,
        since=as_utc(since) or None,
        info=info or None,
        bgp_state=None if not is_bgp else "Down" if is_down else bgp_state or None,
        error=error.strip() if is_bgp and not is_down else info,
        # One that BIRD took down itself, over a limit, says so.
        is_closed=is_bgp and is_down and not info.startswith("Automatic shutdown"),
    )


def stamp_of(text: str) -> Optional[str]:
    """The stamp that a configuration carries."""
    found = _STAMP.search(text)
    return found.group(1) if found else None


def quoted_name(session: str) -> str:
    """``session`` as a symbol for a command: quoted, so that it is never a keyword such as ``all``, nor a pattern."""
    if not _NAME.fullmatch(session):
        raise BirdRefused(f"{session!r} cannot be the name of a session in BIRD")
    return f"'{session}'"


def quoted_text(text: str) -> str:
    """``text`` as a string for a command. BIRD's strings have no escapes: what would end one is replaced."""
    plain = "".join("'" if char == '"' else char if char.isprintable() else " " for char in text)
    return f'"{plain.encode()[:MESSAGE_BYTES].decode(errors="ignore")}"'


def _is_final(end: bytes) -> bool:
    """Whether what was received ends with a line that ends a reply."""
    start = end.rfind(b"\n", 0, -1) + 1
    return end.endswith(b"\n") and (start > 0 or len(end) < _LONGEST_LAST_LINE) and bool(_FINAL.match(end, start))


def _reply(raw: bytes) -> BirdReply:
    text = raw.decode("utf-8", "replace")
    lines = text.split("\n")[:-1]
    return BirdReply(int(lines[-1][:4]), [line[5:] if _CODED.match(line) else line[1:] for line in lines], text)


def _shown(command: str) -> str:
    return command if len(command) < 60 else command[:57] + "..."
