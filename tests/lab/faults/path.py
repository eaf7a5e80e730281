"""A path between controller and device that breaks at a chosen byte: cut, silent, slow, or refusing."""

from __future__ import annotations

import select
import socket
import struct
import threading
from dataclasses import dataclass, field

from tests.lab.faults.bed import Attempt, free_port
from tests.lab.quick_lab import Project

LOCAL = "127.0.0.1"
_CHUNK = 1 << 16
_RESET = struct.pack("ii", 1, 0)


@dataclass
class Path:
    """Carries TCP connections to ``address`` port 22. ``up`` and ``down`` count the bytes towards the device and from it.

    Once ``break_up`` or ``break_down`` bytes have passed the path breaks in the way of ``how``: ``cut`` (both ends are reset) or
    ``silent`` (connections stay, nothing is carried any more). ``delay_s`` is waited before each chunk.
    """

    address: str
    how: str = "none"
    break_up: int = -1
    break_down: int = -1
    delay_s: float = 0.0
    up: int = 0
    down: int = 0
    connections: int = 0
    broken: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._listener = free_port(LOCAL)
        self._closed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where the controller connects to."""
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Path:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            ready, _, _ = select.select([self._listener], [], [], 0.2) if not self._closed.is_set() else ([], [], [])
            if self._closed.is_set():
                return
            if ready:
                near, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        if self.broken.is_set() and self.how == "cut":
            _reset(near)
            return
        far = socket.create_connection((self.address, 22), timeout=30)
        far.settimeout(None)
        open_ends = {near: far, far: near}
        while open_ends and not self._closed.is_set():
            ready, _, _ = select.select(list(open_ends), [], [], 0.2)
            if self.broken.is_set():
                if self.how == "cut":
                    _reset(near)
                    _reset(far)
                    return
                continue  # silent: whatever comes stays where it is
            for source in ready:
                self._pass_on(source, open_ends, near)
        near.close()
        far.close()

    def _pass_on(
        self, source: socket.socket, open_ends: dict[socket.socket, socket.socket], near: socket.socket
    ) -> None:
        try:
            data = source.recv(_CHUNK)
        except OSError:
            data = b""
        if self.delay_s:
            self._closed.wait(self.delay_s)
        sink = open_ends[source]
        limit = self.break_up - self.up if source is near else self.break_down - self.down
        has_limit = (self.break_up if source is near else self.break_down) >= 0
        breaks = has_limit and len(data) > limit
        if breaks:
            data = data[: max(0, limit)]
        try:
            sink.sendall(data)
            if not data and not breaks:
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        if source is near:
            self.up += len(data)
        else:
            self.down += len(data)
        if breaks:
            self.broken.set()
        elif not data:
            del open_ends[source]


def _reset(end: socket.socket) -> None:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    end.close()


def lead_through(project: Project, attempt: Attempt, path: Path) -> None:
    """Let the operator's copy reach the attempt's device through ``path``."""
    device = attempt.target
    project.edit(
        f"pops/{device.pop}.yml",
        f"ssh: {{address: {device.address}}}",
        f"ssh: {{address: {LOCAL}, port: {path.port}}}",
    )
    known = project.folder / ".lab/known_hosts"
    lines = dict(line.split(" ", 1) for line in known.read_text().splitlines())
    known.write_text(known.read_text() + f"[{LOCAL}]:{path.port} {lines[device.address]}\n")
