"""Names of sessions: symbols that every routing daemon takes."""

from __future__ import annotations

import hashlib
import re
from typing import AbstractSet, Optional

from netorch.model.types import Family

_LONGEST_BASE = 40  # leaves room for a hash, the family and the suffixes of the session's filters
_FOREIGN = re.compile(r"[^a-z0-9]")


def session_symbol(base: str, family: Optional[Family], *, taken: AbstractSet[str] = frozenset()) -> str:
    """``base`` and ``family`` as a symbol such as ``northtel_1_v4``, at most 54 characters, never one of ``taken``.

    Lower-case letters, digits, underscores; a letter first; ``_v4``, ``_v6`` or, without a family, ``_ll`` (link-local) last, so
    that it is no keyword of BIRD. It
    depends on ``base`` alone unless that symbol is taken: a session keeps its name when others come and go.
    """
    clean = _FOREIGN.sub("_", base.lower()).strip("_")
    if not clean or not clean[0].isalpha():
        clean = f"n{clean}"
    end = "ll" if family is None else f"v{family.number}"
    symbol = f"{clean}_{end}"
    if len(clean) > _LONGEST_BASE or symbol in taken:
        digest = hashlib.sha256(base.encode()).hexdigest()[:8]
        symbol = f"{clean[:_LONGEST_BASE]}_{digest}_{end}"
    return symbol


def adjacency_name(protocol: str, family: Family, interface: str) -> str:
    """``ospf_v4:eth0``: what a neighbour of RIP or OSPF goes by, of whom daemons tell instance and interface."""
    return f"{protocol}_v{family.number}:{interface}"
