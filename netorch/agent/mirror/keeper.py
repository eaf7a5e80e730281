"""What a mirror holds, on the disk: after a boot of the machine its next hops are reachable before a feed can be heard."""

from __future__ import annotations

from netorch.agent.clock import uptime
from netorch.agent.record import write_mirror

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from typing import Any, Dict, List, Optional

    from netorch.agent.mirror.service import Service

_EVERY_S = 5.0


class Keeper:
    """Writes what has changed, in a thread: a disk may take its time, a MAC must not wait for it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._asked = float("-inf")
        self._items: Optional[List[Dict[str, Any]]] = None
        self._writing: Optional[asyncio.Future[None]] = None

    @property
    def is_due(self) -> bool:
        """Whether it is time to look again."""
        return uptime() - self._asked > _EVERY_S

    def keep(self, items: List[Dict[str, Any]]) -> None:
        """Have the disk hold ``items``, unless it does, or is still being written to."""
        self._asked = uptime()
        if items != self._items and (self._writing is None or self._writing.done()):
            self._items = items
            self._writing = self._service.loop.run_in_executor(None, write_mirror, items)
            self._writing.add_done_callback(lambda done: self._service.guarded("keep", lambda: self._note(done)))

    def _note(self, done: asyncio.Future[None]) -> None:
        if not done.cancelled() and done.exception() is not None:
            self._items = None  # it is tried again
            done.result()
