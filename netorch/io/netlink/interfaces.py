"""Interfaces by name and by number."""

from __future__ import annotations

import errno
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict


class Names:
    """Interface names by index; looked up once each, ``#INDEX`` for an interface that has gone."""

    def __init__(self) -> None:
        self._known: Dict[int, str] = {}

    def __getitem__(self, index: int) -> str:
        name = self._known.get(index)
        if name is None:
            try:
                name = socket.if_indextoname(index)
            except OSError:
                name = f"#{index}"
            self._known[index] = name
        return name


def index_of(interface: str) -> int:
    """The number of ``interface``; OSError (ENODEV) where there is none of this name."""
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        raise OSError(errno.ENODEV, f"there is no interface {interface}") from None
