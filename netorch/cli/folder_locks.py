"""Locks on the inventory's folder, so that a run from cron and other work from the same inventory know of each other.

The kernel frees them when a process dies. They are on folders themselves: a lock file in a folder for all (/run/lock) belongs to
whoever came first, and the kernel lets nobody else open it there, not even root (fs.protected_regular).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from netorch.errors import Locked, NetorchError

_ROLLOUTS = "pops"
"""The folder below the inventory's that roll-outs hold: the inventory's own is the runs'."""


@contextmanager
def only_run(folder: Path) -> Iterator[bool]:
    """Whether this is the only ``netorch run`` for the inventory ``folder`` on this machine.

    Raises Locked while a roll-out from it is under way: a run would carry out at once what the person lets soak.
    """
    with _opened(folder) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError as exc:
            hint = "keep the inventory on a file system of this machine"
            raise NetorchError(f"cannot be locked: {exc.strerror}", where=str(folder), hint=hint) from exc
        _refuse_beside_rollout(folder)
        yield True


def _refuse_beside_rollout(folder: Path) -> None:
    try:
        with _opened(folder / _ROLLOUTS) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        hint = "the next run looks after what it leaves"
        raise Locked("a deploy or rollback from it is under way", where=str(folder), hint=hint) from exc
    except OSError:
        return  # the inventory is not complete, and will be told so, or its file system knows no locks


@contextmanager
def rolling_out(folder: Path) -> Iterator[None]:
    """A roll-out that a person started from the inventory ``folder``: no run begins meanwhile, other roll-outs may. Where the
    folder's file system knows no locks, the devices' own are left."""
    with ExitStack() as held:
        with suppress(OSError):
            fcntl.flock(held.enter_context(_opened(folder / _ROLLOUTS)), fcntl.LOCK_SH)
        yield


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
