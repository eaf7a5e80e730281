"""What an agent writes of itself: its status for netorch, and a file for node_exporter's textfile collector."""

from __future__ import annotations

import json
import os
from contextlib import suppress

from netorch.agent.clock import uptime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

FOLDER = "/run/netorch"
SETTINGS = "/etc/netorch"

_FAST_S = 0.1
_SLOW_S = 1.0
_MANY = 300
"""A document of more entries than this is written once a second at most."""

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class StatusFile:
    """``describe`` gives the document; it is written whole, once a second, and soon after a ``touch``."""

    def __init__(self, path: str, describe: Callable[[], Dict[str, Any]]) -> None:
        self.path = path
        self._describe = describe
        self._written = float("-inf")
        self._entries = 0
        self.is_due = True

    def touch(self) -> None:
        """Something has changed."""
        self.is_due = True

    def wait_s(self) -> float:
        """How long to wait now: while a change goes through, other hosts on the same machine need the processor."""
        return _FAST_S if self._entries <= _MANY else max(_FAST_S, self._written + _SLOW_S - uptime())

    def write(self) -> str:
        """Write it now; why that failed, "" if it did not."""
        document = self._describe()
        self._entries = len(document.get("entries", ()))
        self._written, self.is_due = uptime(), False
        return replace_file(self.path, json.dumps(document).encode())

    def read(self) -> Dict[str, Any]:
        """What the agent before this one wrote last; {} if that cannot be read."""
        with suppress(OSError, ValueError):
            with open(self.path, "rb") as file:
                found = json.load(file)
            if isinstance(found, dict):
                return found
        return {}


def replace_file(path: str, data: bytes) -> str:
    """Replace a file that need not survive a restart; why that failed, "" if it did not."""
    new = f"{path}.new"
    try:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        with open(descriptor, "wb") as file:
            file.write(data)
        os.replace(new, path)
    except OSError as exc:
        return f"{path} cannot be written: {exc.strerror}"
    return ""


def memory_bytes() -> int:
    """The process's resident memory."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * _PAGE_BYTES


def cpu_s() -> float:
    """Processor time that the process has used."""
    times = os.times()
    return round(times.user + times.system, 2)


def metrics_text(families: Iterable[Tuple[str, str, str, List[Tuple[Dict[str, str], Optional[float]]]]]) -> str:
    """Prometheus' text format of (name, kind, help, samples); samples without a value are left out.

    Source: prometheus.io, exposition formats.
    """
    lines: List[str] = []
    for name, kind, explanation, samples in families:
        lines += (f"# HELP {name} {explanation}", f"# TYPE {name} {kind}")
        for labels, value in samples:
            if value is not None:
                inside = ",".join(f'{key}="{_quoted(text)}"' for key, text in labels.items())
                lines.append(f"{name}{{{inside}}} {value:.17g}" if inside else f"{name} {value:.17g}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
