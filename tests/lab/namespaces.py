"""Sockets of another network namespace, in the test's own process."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import TypeVar

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000  # linux/sched.h

T = TypeVar("T")


def inside(pid: int, make: Callable[[], T]) -> T:
    """What ``make`` gives in the network namespace of the process ``pid``: a socket stays in the namespace it was made in."""
    return inside_file(f"/proc/{pid}/ns/net", make)


def inside_file(path: str, make: Callable[[], T]) -> T:
    """The same in the namespace that a file stands for, such as ``/run/netns/NAME``."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    other = os.open(path, os.O_RDONLY)
    try:
        assert LIBC.setns(other, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            return make()
        finally:
            assert LIBC.setns(home, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
    finally:
        os.close(home)
        os.close(other)
