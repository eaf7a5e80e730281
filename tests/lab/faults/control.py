"""Something between BIRD's control socket and who asks it: it can lie, cut answers short, or say nothing."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable
from typing import Optional

from tests.lab.faults.bed import Target
from tests.lab.faults.router import REAL_SOCKET, SOCKET

Twist = Callable[[str, bytes], Optional[bytes]]
"""(command, BIRD's answer) -> what is answered instead; None: nothing, and the connection stays."""


class Control:
    """Stands in front of BIRD while the block lasts. ``twist`` is asked for every command; ``twisted`` are those whose answer
    was changed, ``asked`` all."""

    def __init__(self, target: Target, twist: Twist) -> None:
        self.asked: list[str] = []
        self.twisted: list[str] = []
        self._target = target
        self._twist = twist
        self._stop = threading.Event()

    def __enter__(self) -> Control:
        self._path, self._real = self._target.path(SOCKET), self._target.path(REAL_SOCKET)
        state = self._path.stat()
        os.rename(self._path, self._real)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        os.chown(self._path, state.st_uid, state.st_gid)
        self._listener.listen(16)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._listener.close()
        if self._real.exists():  # BIRD was not restarted meanwhile
            os.rename(self._real, self._path)

    def _accept(self) -> None:
        while not self._stop.is_set():
            if select.select([self._listener], [], [], 0.1)[0]:
                near, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, socket.socket(socket.AF_UNIX) as far:
            try:
                far.connect(str(self._real))
                near.sendall(_read_reply(far))
                while not self._stop.is_set():
                    if not select.select([near], [], [], 0.1)[0]:
                        continue
                    command = near.recv(65536)
                    if not command:
                        return
                    far.sendall(command)
                    if not self._answer(near, command.decode().strip(), _read_reply(far)):
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
        return answer == reply or answer[-1:] == b"\n"


def _read_reply(far: socket.socket) -> bytes:
    data = b""
    while True:
        last = data[:-1].rpartition(b"\n")[2] if data.endswith(b"\n") else b""
        if len(last) > 4 and last[:4].isdigit() and last[4:5] == b" ":
            return data
        more = far.recv(65536)
        if not more:
            raise OSError("BIRD closed its control socket")
        data += more
