"""The pattern lists of OpenSSH's configuration and known_hosts files."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable


def matches(patterns: Iterable[str], text: str) -> bool:
    """Whether ``text`` matches one of ``patterns`` and no negated (``!``) one. ``*`` and ``?`` are wild, nothing else is.

    Source: ssh_config(5), PATTERNS.
    """
    found = False
    for pattern in patterns:
        negated = pattern.startswith("!")
        if _matches_one(pattern.removeprefix("!"), text):
            if negated:
                return False
            found = True
    return found


def _matches_one(pattern: str, text: str) -> bool:
    if "*" in pattern or "?" in pattern:
        return _compiled(pattern).fullmatch(text) is not None
    return pattern == text


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern), re.DOTALL)
