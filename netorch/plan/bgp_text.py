"""What a configuration says about BGP sessions, in whatever daemon's language; templates of the operator's own included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import FrozenSet, Mapping, Tuple


@dataclass(frozen=True)
class TextSession:
    """A BGP session as a configuration has it. ``is_external``: the other end has another AS number than ``own``.

    ``unfiltered`` are the families of which it accepts everything, ``leaky`` those of which it announces everything, ``mute``
    those of which it announces nothing.
    """

    name: str
    is_external: bool
    closed: bool
    families: Tuple[str, ...]
    unfiltered: Tuple[str, ...]
    leaky: Tuple[str, ...]
    mute: Tuple[str, ...]


@dataclass(frozen=True)
class BgpText:
    """A configuration's BGP sessions by name, and the own prefixes that it may announce by family; a family that it does not
    speak of is missing."""

    sessions: Mapping[str, TextSession]
    announced: Mapping[str, FrozenSet[str]]

    @property
    def external(self) -> Tuple[TextSession, ...]:
        """Its sessions with other networks."""
        return tuple(session for session in self.sessions.values() if session.is_external)
