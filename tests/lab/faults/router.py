"""The routing daemons of the devices that are harmed: where their files are, what they run, how they are written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

from netorch.agent.bird import Bird
from netorch.agent.bird import stamp_of as bird_stamp_of
from netorch.agent.frr_text import shown_stamp
from netorch.agent.frr_text import stamp_of as frr_stamp_of
from netorch.agent.frr_vty import FrrAbsent, Vty
from netorch.agent.outcome import Stop
from netorch.model.capabilities import is_release
from netorch.model.conventions import CONFIGURATIONS, FRR_STAMP
from netorch.model.frr_lines import statements

SOCKET = "/run/bird/bird.ctl"
REAL_SOCKET = "/run/bird/real.ctl"
"""Where BIRD's own socket is while something else stands in front of it."""

FRR_SOCKETS = "/run/frr"
REAL_FRR_SOCKETS = "/run/frr/real"
"""The same of FRR's programs."""

_TIMEOUT_S = 1.0
_STAMPED = ("zebra", "bgpd")
_PROGRAMS = (*_STAMPED, "staticd", "mgmtd", "bfdd")
_FRR_REMARK = "!\nroute-map told deny 1\n description @TEXT@\nexit\n"


@dataclass(frozen=True)
class Router:
    """A routing daemon, which takes ``undo_s`` to load a configuration and to be looked at on a busy machine. An apply and a
    confirmation have that many steps at least, counted. ``remark`` are lines that do nothing, with ``@TEXT@`` in them.

    ``live(path)`` is the stamp of what runs, None while it does not answer, of a device whose files are found by ``path``;
    ``is_whole(path, text)`` whether it runs every line of ``text`` and nothing else, as far as it tells that."""

    name: str
    version: str
    remark: str
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
    for folder in (REAL_FRR_SOCKETS, FRR_SOCKETS):
        with (
            suppress(FrrAbsent),
            closing(Vty(program, timeout_s=_TIMEOUT_S, folder=str(path(folder)))) as vty,
        ):
            return vty.ask(command)
    raise FrrAbsent(f"{program} does not run")


BIRD = Router("bird", "2.0.12", "# @TEXT@\n", 0.0, 86, 33, bird_stamp_of, _live_bird, lambda path, text: True)
FRR = Router("frr", "8.4.4", _FRR_REMARK, 2.0, 146, 72, frr_stamp_of, _live_frr, _frr_is_whole)
FRR_10 = replace(FRR, version="10.3")
ROUTERS = (BIRD, FRR, FRR_10)
"""The first of each daemon is its usual one."""


def router_of(daemon: str, version: str = "") -> Router:
    """A release of a daemon, the usual one unless ``version`` is given. Raises KeyError for one that is not played."""
    for router in ROUTERS:
        if router.name == daemon and (not version or is_release(version, router.version)):
            return router
    raise KeyError(f"{daemon} {version}")
