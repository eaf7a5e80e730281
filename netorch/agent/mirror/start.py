"""Starts an agent that stays."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from contextlib import suppress

from netorch.agent.mirror.feed import Feed
from netorch.agent.mirror.mirror import Mirror
from netorch.agent.mirror.service import become

_PRIORITY = -10


def serve(name: str) -> None:
    """Be the ``feed`` or the ``mirror`` of this machine until SIGTERM."""
    home = os.path.realpath(sys.path[0])
    if sys.path[0] != home:
        become(home, name)  # behind a link that will lead elsewhere one day: modules of two agents must not mix
    with suppress(
        OSError
    ):  # a change must not wait behind what keeps the machine busy; it is a fraction of a millisecond
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
    service = Feed() if name == Feed.name else Mirror()
    gc.collect()
    gc.freeze()  # what has been loaded stays: it need not be looked at again
    gc.set_threshold(10_000)
    asyncio.run(service.run())
