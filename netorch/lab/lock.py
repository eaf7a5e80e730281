"""One command at a time works on a lab."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from netorch.errors import Locked, NetorchError
from netorch.lab.commands import POLL_S
from netorch.lab.settings import LabSettings


@contextmanager
def lab_lock(settings: LabSettings, *, timeout_s: float) -> Iterator[int]:
    """Hold the run folder, made if need be, and yield the descriptor that holds it.

    Programs started meanwhile inherit the descriptor: the lock is free only once they have ended too, also when this
    process is killed. The folder goes again if nothing was put into it. Raises Locked after ``timeout_s``.
    """
    fd = _acquire(settings, timeout_s)
    try:
        yield fd
    finally:
        try:
            settings.run.rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EBUSY):
                raise
        os.close(fd)


def _acquire(settings: LabSettings, timeout_s: float) -> int:
    end = settings.clock.monotonic() + timeout_s
    while True:
        try:
            settings.run.mkdir(mode=0o755, exist_ok=True)
        except OSError as exc:
            raise NetorchError(
                f"cannot be made: {exc.strerror}", where=str(settings.run), hint="the lab needs root"
            ) from exc
        fd = os.open(settings.run, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it may have removed the folder meanwhile: then the lock is on nothing.
            if settings.run.exists() and os.path.samestat(os.fstat(fd), settings.run.stat()):
                return fd
        except BlockingIOError:
            pass
        os.close(fd)
        if settings.clock.monotonic() > end:
            raise Locked("another netorch works on the lab", where=str(settings.run), hint="try again once it is done")
        settings.clock.wait(POLL_S)
