"""Text that people typed: made fit for places that take one short line, and guessed at where it names nothing."""

from __future__ import annotations

import unicodedata
from datetime import datetime, timezone
from typing import Iterable

_END_OF_TIME_S = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc).timestamp()


def one_line(text: str, *, max_bytes: int) -> str:
    """``text`` as one line of at most ``max_bytes`` bytes of UTF-8, cut between characters.

    Whatever cannot be seen (control and format characters, line and paragraph separators, lone surrogates) and runs of
    blanks become one space, so that text cannot end a line or a field, nor turn the writing direction of what follows.
    """
    visible = "".join(" " if _is_unseen(character) else character for character in text)
    return " ".join(visible.split()).encode()[:max_bytes].decode(errors="ignore").rstrip()


def _is_unseen(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] == "C" or category in ("Zl", "Zp")


def did_you_mean(word: object, known: Iterable[str], *, otherwise: str = "") -> str:
    """A hint that names the known word nearest to ``word``, else ``otherwise`` followed by all known words."""
    import difflib  # needed for an error only

    words = list(known)
    near = difflib.get_close_matches(str(word)[:64].lower(), words, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"{otherwise}{', '.join(words)}" if otherwise and words else ""


def counted(number: int, noun: str) -> str:
    """``1 device``, ``3 devices``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def utc_text(seconds: float) -> str:
    """A moment, in seconds since the epoch, as people and JSON get it: ``2026-03-01T09:00:00Z``. What is before the year 1970 or
    after 9999 is that end of time: what devices hold must never keep anybody from reading it."""
    known = max(0.0, min(seconds, _END_OF_TIME_S))  # in this order 0 for NaN
    return datetime.fromtimestamp(known, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def rate_text(rate_bps: float) -> str:
    """A rate in bits per second as people read it, three digits: ``784 bit/s``, ``12.3 Gbit/s``."""
    amount, units = rate_bps, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"]
    while amount >= 999.5 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:.3g} {units[0]}"
