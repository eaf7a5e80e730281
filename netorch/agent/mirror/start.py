"""Starts an agent that stays."""

from __future__ import annotations

import asyncio
import gc
import os
import sys

from netorch.agent.mirror.feed import Feed
from netorch.agent.mirror.mirror import Mirror
from netorch.agent.mirror.service import become


def serve(name: str) -> None:
    """Be the ``feed`` or the ``mirror`` of this machine until SIGTERM."""
    home = os.path.realpath(sys.path[0])
    if sys.path[0] != home:
        become(home, name)  # behind a link that will lead elsewhere one day: modules of two agents must not mix
    service = Feed() if name == Feed.name else Mirror()
    gc.collect()
    gc.freeze()  # what has been loaded stays: it need not be looked at again
    gc.set_threshold(10_000)
    asyncio.run(service.run())
