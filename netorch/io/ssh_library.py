"""paramiko, imported without what netorch has no use for."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["paramiko"]

# For "Match exec" in its own reader of ssh_config paramiko imports invoke, and with it asyncio: more than half of the time
# that its import takes. It does without where invoke is missing, and netorch reads ssh_config itself.
_modules: dict[str, Any] = sys.modules
_hidden = "invoke" not in _modules
if _hidden:
    _modules["invoke"] = None
try:
    import paramiko
finally:
    if _hidden:
        del _modules["invoke"]
