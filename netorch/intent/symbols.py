"""Names of sessions: symbols that every routing daemon takes."""

from __future__ import annotations

import hashlib
import re
from typing import AbstractSet

from netorch.model.types import Family

_LONGEST_BASE = 40  # leaves room for a hash, the family and the suffixes of the session's filters
_FOREIGN = re.compile(r"[^a-z0-9]")


def session_symbol(base: str, family: Family, *, taken: AbstractSet[str] = frozenset()) -> str:
    """``base`` and ``family`` as a symbol such as ``northtel_1_v4``, at most 54 characters, never one of ``taken``.

    Lower-case letters, digits, underscores; a letter first; ``_v4`` or ``_v6`` last, so that it is no keyword of BIRD. It
    depends on ``base`` alone unless that symbol is taken: a session keeps its name when others come and go.
    """
    clean = _FOREIGN.sub("_", base.lower()).strip("_")
    if not clean or not clean[0].isalpha():
        clean = f"n{clean}"
    symbol = f"{clean}_v{family.number}"
    if len(clean) > _LONGEST_BASE or symbol in taken:
        digest = hashlib.sha256(base.encode()).hexdigest()[:8]
        symbol = f"{clean[:_LONGEST_BASE]}_{digest}_v{family.number}"
    return symbol
