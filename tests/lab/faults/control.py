"""Something between a routing daemon's control sockets and who asks there: it can lie, cut answers short, or say nothing."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Optional

from tests.lab.faults.bed import Target
from tests.lab.faults.router import FRR_SOCKETS, REAL_FRR_SOCKETS, REAL_SOCKET, SOCKET

Twist = Callable[[str, bytes], Optional[bytes]]
"""(command, the daemon's answer) -> what is answered instead; None: nothing, and the connection stays."""

_END = b"\0\0\0"
"""Of an answer of FRR's; its code follows. Source: FRR lib/vty.c vtysh_flush()."""


class Control:
    """Stands in front of the daemon while the block lasts. ``twist`` is asked for every command; ``twisted`` are those whose
    answer was changed, ``asked`` all."""

    def __init__(self, target: Target, twist: Twist) -> None:
        self.asked: list[str] = []
        self.twisted: list[str] = []
        self._target = target
        self._twist = twist
        self._greets = target.router.name == "bird"
        self._is_whole = _is_whole_bird if self._greets else _is_whole_frr
        self._stop = threading.Event()
        self._stack = ExitStack()

    def __enter__(self) -> Control:
        for path, real in self._sockets():
            self._stack.enter_context(self._front(path, real))
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._stack.close()

    def _sockets(self) -> list[tuple[Path, Path]]:
        """Each as the world knows it, and where it is meanwhile."""
        if self._greets:
            return [(self._target.path(SOCKET), self._target.path(REAL_SOCKET))]
        folder = self._target.path(REAL_FRR_SOCKETS)
        folder.mkdir(exist_ok=True)
        return [(path, folder / path.name) for path in sorted(self._target.path(FRR_SOCKETS).glob("*.vty"))]

    @contextmanager
    def _front(self, path: Path, real: Path) -> Iterator[None]:
        state = path.stat()
        os.rename(path, real)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            os.chmod(path, state.st_mode)
            os.chown(path, state.st_uid, state.st_gid)
            own = path.stat().st_ino
            listener.listen(16)
            thread = threading.Thread(target=self._accept, args=(listener, real), daemon=True)
            thread.start()
            try:
                yield
            finally:
                thread.join()
                if path.exists() and path.stat().st_ino == own:
                    os.rename(real, path)
                real.unlink(missing_ok=True)  # the daemon was started anew meanwhile, and has another

    def _accept(self, listener: socket.socket, real: Path) -> None:
        while not self._stop.is_set():
            if select.select([listener], [], [], 0.1)[0]:
                near, _ = listener.accept()
                threading.Thread(target=self._serve, args=(near, real), daemon=True).start()

    def _serve(self, near: socket.socket, real: Path) -> None:
        with near, socket.socket(socket.AF_UNIX) as far:
            try:
                far.connect(str(real))
                if self._greets:
                    near.sendall(self._read_reply(far))
                while not self._stop.is_set():
                    if not select.select([near], [], [], 0.1)[0]:
                        continue
                    command = near.recv(65536)
                    if not command:
                        return
                    far.sendall(command)
                    words = command.decode(errors="replace").strip("\0\r\n ")
                    if not self._answer(near, words, self._read_reply(far)):
                        return
            except OSError:
                return

    def _answer(self, near: socket.socket, command: str, reply: bytes) -> bool:
        self.asked.append(command)
        answer = self._twist(command, reply)
        if answer != reply:
            self.twisted.append(command)
        if answer is None:
            self._stop.wait(30)
            return False
        near.sendall(answer)
        return answer == reply or self._is_whole(answer)

    def _read_reply(self, far: socket.socket) -> bytes:
        data = b""
        while not self._is_whole(data):
            more = far.recv(1 << 18)
            if not more:
                raise OSError("the daemon closed its control socket")
            data += more
        return data


def _is_whole_bird(data: bytes) -> bool:
    last = data[:-1].rpartition(b"\n")[2] if data.endswith(b"\n") else b""
    return len(last) > 4 and last[:4].isdigit() and last[4:5] == b" "


def _is_whole_frr(data: bytes) -> bool:
    return data[-4:-1] == _END
