"""What both agents are: a process that looks once a second whether its settings, certificates or its own code have changed, and
that nothing ends but a signal. Whatever fails in it, the kernel keeps what it has."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress

from netorch.agent.clock import uptime
from netorch.agent.files import sha256_of
from netorch.agent.mirror import status
from netorch.agent.mirror.pace import Pace
from netorch.agent.mirror.settings import MAX_BYTES
from netorch.agent.mirror.trust import AUTHORITY, CERTIFICATE, KEY, REVOKED
from netorch.agent.paths import BOOT, STATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

    Metric = Tuple[str, str, str, List[Tuple[Dict[str, str], Optional[float]]]]

PKI = f"{STATE}/pki"
_INTERVAL_S = 1.0
_METRICS_EVERY = 5
_LOG_PAUSE_S = 0.05
_LINES_PER_S, _LINES_AT_ONCE = 10.0, 100.0
_TRUSTED = (f"{PKI}/{AUTHORITY}", f"{PKI}/{REVOKED}")
_FILES = (f"{PKI}/{KEY}", f"{PKI}/{CERTIFICATE}", *_TRUSTED)


class Service:
    """``feed`` or ``mirror``. A subclass says what is done, from ``start`` to ``metrics``."""

    name = ""

    def __init__(self) -> None:
        self.settings_path = f"{status.SETTINGS}/{self.name}.json"
        self.problems: Dict[str, str] = {}
        self.counters: Dict[str, int] = {}
        self.metrics_path: Optional[str] = None
        self.status = status.StatusFile(f"{status.FOLDER}/{self.name}.json", self._document)
        self.loop: asyncio.AbstractEventLoop
        self._home = os.path.realpath(sys.path[0])
        self._started = uptime()
        self._seen: Dict[str, object] = {}
        self._ticks = 0
        self._is_cut_due = False
        self._settings_sha256 = ""
        self._is_writing_soon = False
        self._unsaid: List[str] = []
        self._lines = Pace(_LINES_PER_S, _LINES_AT_ONCE)
        self._stopped: asyncio.Event

    # ---- what a subclass does -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Once, in the loop, before settings and certificates are loaded for the first time."""

    def load_settings(self, data: bytes) -> None:
        """Use these settings from now on; SettingsError where they cannot be used, and nothing has been changed."""

    def load_trust(self, *, is_cut: bool) -> None:
        """Use the certificates as they are on disk now, TrustError where they cannot be used. ``is_cut``: whom the authority
        trusts has changed, so every open connection must show its certificate anew."""

    def each_second(self) -> None:
        """What is done once a second."""

    def stop(self) -> None:
        """Close connections. The kernel's entries stay."""

    def describe(self) -> Dict[str, Any]:
        """The subclass's part of the status file."""
        return {}

    def metrics(self) -> List[Metric]:
        """The subclass's metrics, as ``status.metrics_text`` takes them."""
        return []

    # ---- life ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(self._unexpected)
        self._stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self._stopped.set)
        self.loop.add_signal_handler(signal.SIGHUP, self._look)
        self.guarded("start", self.start)
        self._tick()
        await self._stopped.wait()
        self.guarded("stop", self.stop)
        self._write_status()
        self._write_log()

    def guarded(self, part: str, work: Callable[[], object]) -> None:
        """Do it; what goes wrong is told, and everything else goes on."""
        try:
            work()
        except Exception as exc:  # noqa: BLE001 - whatever it was, entries stay and the agent lives
            self.problem(part, _words(exc))
        else:
            self.problem(part, "")

    def problem(self, part: str, words: str) -> None:
        """What is wrong with a part of the agent; "" for nothing."""
        if words == self.problems.get(part, ""):
            return
        if words:
            self.problems[part] = words
            self.say(f"{part}: {words}")
        else:
            del self.problems[part]
            self.say(f"{part}: all right again")
        self.touch()

    def count(self, name: str, by: int = 1) -> None:
        """Count something that happened."""
        self.counters[name] = self.counters.get(name, 0) + by

    def say(self, text: str) -> None:
        """A line for the log, written soon; a flood is cut short."""
        if self._lines.allows(uptime()):
            if not self._unsaid:
                self.loop.call_later(_LOG_PAUSE_S, self._write_log)
            self._unsaid.append(f"netorch {self.name}: {text}\n")

    def _write_log(self) -> None:
        lines, self._unsaid = self._unsaid, []
        with suppress(OSError, ValueError):
            sys.stderr.write("".join(lines))
            sys.stderr.flush()

    def touch(self) -> None:
        """The status has changed: it is written soon."""
        self.status.touch()
        if not self._is_writing_soon:
            self._is_writing_soon = True
            self.loop.call_later(self.status.wait_s(), self._write_soon)

    def _write_soon(self) -> None:
        self._is_writing_soon = False
        if self.status.is_due:
            self._write_status()

    def _write_status(self) -> None:
        try:
            failure = self.status.write()
        except Exception as exc:  # noqa: BLE001 - as in guarded, which would write it again
            failure = _words(exc)
        if failure and failure != self.problems.get("status"):
            self.say(failure)
        self.problems.pop("status", None)
        if failure:
            self.problems["status"] = failure

    def _tick(self) -> None:
        self.loop.call_later(_INTERVAL_S, self._tick)
        self._ticks += 1
        self._look()
        self.guarded("work", self.each_second)
        self._write_status()
        if self.metrics_path is None:
            self.problem("metrics", "")
        elif self._ticks % _METRICS_EVERY == 1:
            self.guarded("metrics", self._write_metrics)

    def _look(self) -> None:
        """Take over what has changed on disk."""
        self.guarded("agent", self._follow_boot)
        if self._has_changed("settings", _print_of(self.settings_path)) or "settings" in self.problems:
            self.guarded("settings", self._read_settings)
        own = self._has_changed("files", [_print_of(path) for path in _FILES])
        trusted = own and self._has_changed("trust", [_bytes_of(path) for path in _TRUSTED])
        self._is_cut_due = self._is_cut_due or trusted
        if own or "certificates" in self.problems:
            self.guarded("certificates", self._read_certificates)

    def _read_certificates(self) -> None:
        self.load_trust(is_cut=self._is_cut_due)
        self._is_cut_due = False

    def _read_settings(self) -> None:
        with open(self.settings_path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
        self.load_settings(data)
        self._settings_sha256 = sha256_of(data)
        self.touch()

    def _has_changed(self, what: str, now: object) -> bool:
        before = self._seen.get(what, self)
        self._seen[what] = now
        return now != before

    def _follow_boot(self) -> None:
        """Become the agent that BOOT leads to, if that is another one."""
        target = os.path.realpath(BOOT)
        if target == self._home or not os.path.exists(f"{target}/__main__.py") or not os.path.islink(BOOT):
            return
        self.say(f"becoming {os.path.basename(target)}")
        self._write_status()
        self._write_log()
        become(target, self.name)

    # ---- status -------------------------------------------------------------------------------------------------

    def _document(self) -> Dict[str, Any]:
        return {
            "service": self.name,
            "agent": os.path.basename(self._home),
            "settings": self._settings_sha256,
            "pid": os.getpid(),
            "started": round(self._started, 3),
            "updated": round(uptime(), 3),
            "problem": "; ".join(f"{part}: {words}" for part, words in sorted(self.problems.items())),
            "memory_bytes": status.memory_bytes(),
            "cpu_s": status.cpu_s(),
            "counters": self.counters,
            **self.describe(),
        }

    def _write_metrics(self) -> None:
        assert self.metrics_path is not None
        prefix = f"netorch_{self.name}"
        families: List[Metric] = [
            (f"{prefix}_memory_bytes", "gauge", "Resident memory.", [({}, float(status.memory_bytes()))]),
            (f"{prefix}_cpu_seconds_total", "counter", "Processor time.", [({}, status.cpu_s())]),
            (f"{prefix}_problems", "gauge", "What is wrong with the agent.", [({}, float(len(self.problems)))]),
            *self.metrics(),
        ]
        for name, value in sorted(self.counters.items()):
            explanation = f"How many {name.replace('_', ' ')}."
            families.append((f"{prefix}_{name}_total", "counter", explanation, [({}, float(value))]))
        failure = status.replace_file(self.metrics_path, status.metrics_text(families).encode())
        if failure:
            raise OSError(failure)

    def _unexpected(self, _: object, context: Dict[str, Any]) -> None:
        """Something failed in a call-back of the loop's own: told, and nothing ends."""
        exc = context.get("exception")
        self.problem("loop", _words(exc) if isinstance(exc, Exception) else str(context.get("message", "")))


def become(folder: str, name: str) -> None:
    """Run the agent in ``folder`` in place of this process."""
    os.execv(sys.executable, [sys.executable, "-I", "-S", folder, name])  # noqa: S606 - no shell is wanted


def _print_of(path: str) -> Optional[Tuple[int, int, int]]:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _bytes_of(path: str) -> Optional[bytes]:
    with suppress(OSError), open(path, "rb") as file:
        return file.read()
    return None


def _words(exc: Exception) -> str:
    if isinstance(exc, OSError):
        place = f"{exc.filename}: " if exc.filename else ""
        return f"{place}{exc.strerror or exc}"
    if type(exc).__name__ in ("SettingsError", "TrustError"):
        return str(exc)
    import traceback

    frame = traceback.extract_tb(exc.__traceback__)[-1]
    return f"{type(exc).__name__}: {exc} ({os.path.basename(frame.filename)}:{frame.lineno}): please report it"
