"""What survives the agent: the pending change, the confirmed generations, and the lock.

``pending/ID`` holds ``journal.json`` (what to undo, until when) and ``request.json``; on confirmation the folder becomes
``generations/NUMBER``. There is at most one pending change.
"""

from __future__ import annotations

import os

from netorch.agent.files import read_json
from netorch.agent.paths import GENERATIONS, PENDING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

ARMED, CONFIRMED = "armed", "confirmed"


def read_pending() -> Optional[Dict[str, Any]]:
    """The journal of the change that waits; None if there is none."""
    for name in _entries(PENDING):
        if not name.startswith("."):
            document = read_json(f"{PENDING}/{name}/journal.json")
            if document is not None:
                return dict(document)
    return None


def generations() -> List[int]:
    """The numbers of the generations that are kept, oldest first."""
    return sorted(int(name) for name in _entries(GENERATIONS) if name.isdigit())


def current_generation() -> int:
    """The number of the last confirmed change; 0 before the first."""
    return (generations() or [0])[-1]


def _entries(folder: str) -> List[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
