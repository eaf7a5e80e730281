"""What can be seen of a roll-out from outside, as it happens: on its devices, in its audit log, and on its terminal."""

from __future__ import annotations

import ctypes
import json
import os
import re
import selectors
import struct
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from netorch.agent.clock import uptime
from tests.lab.faults.asked import record
from tests.lab.faults.bed import STATE, Target
from tests.lab.labs import LIBC

STARTED, PLANNED = "started", "plan shown"
# Source: linux/inotify.h
_MODIFY, _MOVED_TO, _CREATE, _NONBLOCK, _CLOEXEC = 0x2, 0x80, 0x100, 0o4000, 0o2000000
_HEAD = struct.Struct("iIII")
_LINES = (
    (re.compile(r"batch (\d+) of \d+: [^:]*$"), "batch {} begun"),
    (re.compile(r"batch (\d+) of \d+: .*: waiting "), "batch {} soaks"),
)
_DONE = re.compile(r"(\S+): changed")


@dataclass(frozen=True)
class Event:
    """``device`` is "" for the controller itself; ``at`` are seconds since boot."""

    device: str
    what: str
    at: float = field(compare=False, default=0.0)

    def __str__(self) -> str:
        return f"{self.device}: {self.what}" if self.device else self.what


class _Inotify:
    """Files and folders that tell when they change; a context manager."""

    def __init__(self) -> None:
        self.descriptor = LIBC.inotify_init1(_NONBLOCK | _CLOEXEC)
        assert self.descriptor >= 0, os.strerror(ctypes.get_errno())
        self._tell: dict[int, Callable[[str], None]] = {}

    def watch(self, path: Path, mask: int, tell: Callable[[str], None]) -> None:
        """Call ``tell`` with the name of what happened to something in ``path``, "" for a file itself."""
        number = LIBC.inotify_add_watch(self.descriptor, os.fsencode(path), mask)
        if number >= 0:
            self._tell[number] = tell

    def read(self) -> bool:
        """Tell all that has happened; True: there may be more later."""
        try:
            data = os.read(self.descriptor, 1 << 16)
        except BlockingIOError:
            return True
        while data:
            number, _, _, length = _HEAD.unpack_from(data)
            name = data[_HEAD.size : _HEAD.size + length].rstrip(b"\0").decode()
            data = data[_HEAD.size + length :]
            if number in self._tell:
                self._tell[number](name)
        return True


class Sight:
    """Sees every step of the roll-out that ``process`` is; a context manager. ``events`` grows in the order of what happens,
    ``said`` with what it says on standard error."""

    def __init__(self, targets: Sequence[Target], audit: Path) -> None:
        self.events: list[Event] = []
        self.said = ""
        self._inotify = _Inotify()
        self._known: set[tuple[str, str]] = set()
        self._audit = audit
        self._tails: dict[Path, int] = {}
        audit.touch(mode=0o600)
        self._inotify.watch(audit, _MODIFY, lambda _: self._read_audit())
        self._tails[audit] = audit.stat().st_size
        for target in targets:
            self._watch(target)

    def __enter__(self) -> Sight:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._inotify.descriptor)

    def follow(self, process: subprocess.Popen[str], *, until: Callable[[], bool], timeout_s: float) -> None:
        """Look until ``until`` says so after something has happened, or the process has ended and said all."""
        deadline = uptime() + timeout_s
        assert process.stdout is not None
        assert process.stderr is not None
        self._tell(Event("", STARTED, uptime()))
        with selectors.DefaultSelector() as selector:
            selector.register(self._inotify.descriptor, selectors.EVENT_READ, self._inotify.read)
            for stream, read in ((process.stdout, self._read_out), (process.stderr, self._read_err)):
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, selectors.EVENT_READ, lambda s=stream, r=read: r(s.fileno()))
            while len(selector.get_map()) > 1 and not until():
                assert uptime() < deadline, f"{timeout_s:g} s: only {', '.join(map(str, self.events[-5:]))}"
                for key, _ in selector.select(0.02):
                    if not key.data():
                        selector.unregister(key.fileobj)
        self._inotify.read()

    def drain(self) -> None:
        """What has happened since."""
        self._inotify.read()

    # --- where it is seen

    def _watch(self, target: Target) -> None:
        asked = record(target)
        self._tails[asked] = asked.stat().st_size
        root, name = target.root, target.name
        folder = root / STATE.lstrip("/")
        watch = self._inotify.watch
        watch(asked, _MODIFY, lambda _: self._read_asked(name, asked))
        watch(folder / "agent", _MOVED_TO, lambda entry: self._see(name, "agent installed", when=entry[:1] != "."))
        watch(folder / "pending", _CREATE | _MOVED_TO, lambda entry: self._see_pending(name, folder, entry))
        watch(folder / "generations", _MOVED_TO, lambda _: self._see(name, "filed"))
        place, _, file = target.router.configuration.lstrip("/").rpartition("/")
        watch(root / place, _MOVED_TO, lambda entry: self._see(name, "file in place", when=entry == file))

    def _see_pending(self, name: str, folder: Path, entry: str) -> None:
        if entry.startswith("."):
            self._see(name, "preparing")
            journal = folder / "pending" / entry.removeprefix(".")
            self._inotify.watch(
                folder / "pending" / entry, _MOVED_TO, lambda file: self._see_journal(name, journal, file)
            )
        else:
            self._see(name, "armed")

    def _see_journal(self, name: str, folder: Path, file: str) -> None:
        if file != "journal.json" or (name, "armed") not in self._known:
            return
        try:
            phase = json.loads((folder / file).read_text())["phase"]
        except FileNotFoundError:
            phase = "confirmed"  # nothing else lets it go to the generations so soon
        if phase in ("applied", "confirmed"):
            self._see(name, phase)

    def _read_asked(self, name: str, path: Path) -> None:
        for word in self._new_lines(path):
            if len(word) == 64:
                self._see(name, "agent sent")
            elif word in ("apply", "confirm"):
                self._see(name, f"{word} asked")
            elif word == "facts":
                times = 1 + sum(what.startswith("facts asked") for device, what in self._known if device == name)
                self._see(name, f"facts asked ({times})")

    def _read_audit(self) -> None:
        for line in map(json.loads, self._new_lines(self._audit)):
            if line["result"] != "begun":  # the apply that is asked for next is seen itself
                self._see(line["device"], "on record")

    def _new_lines(self, path: Path) -> list[str]:
        with path.open("rb") as file:
            file.seek(self._tails[path])
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._tails[path] += len(whole)
        return whole.decode().splitlines()

    def _read_out(self, descriptor: int) -> bool:
        data = os.read(descriptor, 1 << 16)
        if data:
            self._see("", PLANNED)
        return bool(data)

    def _read_err(self, descriptor: int) -> bool:
        data = os.read(descriptor, 1 << 16)
        self.said += data.decode(errors="replace")
        for line in data.decode(errors="replace").splitlines():
            for pattern, what in _LINES:
                if found := pattern.match(line):
                    self._see("", what.format(found[1]))
            if found := _DONE.match(line):
                self._see(found[1], "told")
        return bool(data)

    def _see(self, device: str, what: str, *, when: bool = True) -> None:
        if when:
            self._tell(Event(device, what, uptime()))

    def _tell(self, event: Event) -> None:
        if (event.device, event.what) not in self._known:
            self._known.add((event.device, event.what))
            self.events.append(event)
