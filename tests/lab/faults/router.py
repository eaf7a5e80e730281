"""The routing daemons of the devices that are harmed: where their files are, what they run, how they are written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from netorch.agent.bird import Bird
from netorch.agent.bird import stamp_of as bird_stamp_of
from netorch.agent.frr_text import shown_stamp
from netorch.agent.frr_text import stamp_of as frr_stamp_of
from netorch.agent.frr_vty import FrrAbsent, Vty
from netorch.agent.outcome import Stop
from netorch.model.conventions import CONFIGURATIONS, FRR_STAMP
from netorch.model.frr_lines import statements

SOCKET = "/run/bird/bird.ctl"
REAL_SOCKET = "/run/bird/real.ctl"
"""Where BIRD's own socket is while something else stands in front of it."""

_TIMEOUT_S = 1.0
_STAMPED = ("zebra", "bgpd")
_PROGRAMS = (*_STAMPED, "staticd", "mgmtd", "bfdd")


@dataclass(frozen=True)
class Router:
    """A routing daemon, which takes ``undo_s`` to load a configuration and to be looked at on a busy machine. An apply and a
    confirmation have that many steps at least, counted.

    ``live(path)`` is the stamp of what runs, None while it does not answer, of a device whose files are found by ``path``;
    ``is_whole(path, text)`` whether it runs every line of ``text`` and nothing else, as far as it tells that."""

    name: str
    version: str
    undo_s: float
    apply_calls: int
    confirm_calls: int
    stamp_of: Callable[[str], Optional[str]]
    live: Callable[[Callable[[str], Path]], Optional[str]]
    is_whole: Callable[[Callable[[str], Path], str], bool]

    @property
    def configuration(self) -> str:
        """Its main file."""
        return CONFIGURATIONS[self.name]

    @property
    def folder(self) -> str:
        """Where its files are."""
        return self.configuration.rpartition("/")[0]

    @property
    def candidate(self) -> str:
        """Where the agent keeps what it is about to load."""
        return f"{self.folder}/.{self.configuration.rpartition('/')[2]}.netorch"


def _live_bird(path: Callable[[str], Path]) -> Optional[str]:
    try:
        real = path(REAL_SOCKET)
        with Bird(timeout_s=_TIMEOUT_S, path=str(real if real.exists() else path(SOCKET))) as bird:
            return bird.live_stamp() or "no stamp"
    except (Stop, OSError):
        return None


def _live_frr(path: Callable[[str], Path]) -> Optional[str]:
    """The stamp of the programs that keep one; those of each, with a plus between them, where they differ."""
    try:
        said = [_ask(path, program, f"show route-map {FRR_STAMP}") for program in _STAMPED]
    except (Stop, OSError):
        return None
    stamps = [shown_stamp(text) or "no stamp" for text in said]
    return "+".join(dict.fromkeys(stamps))


def _frr_is_whole(path: Callable[[str], Path], text: str) -> bool:
    shown = []
    for program in _PROGRAMS:
        with suppress(FrrAbsent):  # not every configuration needs all of them
            shown.append(_ask(path, program, "show running-config"))
    return statements([text]) == statements(shown)


def _ask(path: Callable[[str], Path], program: str, command: str) -> str:
    with closing(Vty(program, timeout_s=_TIMEOUT_S, folder=str(path("/run/frr")))) as vty:
        return vty.ask(command)


BIRD = Router("bird", "2.0.12", 0.0, 86, 33, bird_stamp_of, _live_bird, lambda path, text: True)
FRR = Router("frr", "8.4.4", 2.0, 146, 72, frr_stamp_of, _live_frr, _frr_is_whole)
ROUTERS = {router.name: router for router in (BIRD, FRR)}
