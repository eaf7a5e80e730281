"""FRR on this device."""

from __future__ import annotations

import re

from netorch.agent import frr_programs, frr_reload, frr_text
from netorch.agent.daemons import said_of_version
from netorch.agent.frr_control import PATH, FrrControl
from netorch.agent.frr_manager import refuse_foreign_manager
from netorch.model.conventions import FRR_DAEMONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Tuple

_VERSION = re.compile(r"version (\S+)")


class FrrDaemon:
    """A ``daemons.Daemon``.

    frr-reload.py would write the running configuration to disk after loading a file from elsewhere, which netorch.agent.frr_hook
    keeps it from: so the file on disk stays the last good one until the change is confirmed.
    """

    name = "frr"
    title = "FRR"
    unit = "frr"
    path = PATH
    replaces_file = False
    placed_first: Tuple[str, ...] = (FRR_DAEMONS,)
    start_timeout_s = 60.0

    def stamp_of(self, text: str) -> Optional[str]:
        """See ``daemons.Daemon``."""
        return frr_text.stamp_of(text)

    def installed_version(self) -> Optional[str]:
        """See ``daemons.Daemon``."""
        program = frr_programs.program_path("zebra")
        found = _VERSION.search(said_of_version(program)) if program is not None else None
        return found.group(1) if found else None

    def refuse_manager(self) -> None:
        """See ``daemons.Daemon``."""
        refuse_foreign_manager()

    def validate(self, candidate: str, *, path: str, text: str) -> None:
        """See ``daemons.Daemon``."""
        self.refuse_manager()
        frr_reload.require_room_to_load(text)
        frr_reload.validate(candidate, path=path, text=text)

    def speaks(self) -> bool:
        """See ``daemons.Daemon``."""
        return frr_programs.speaks()

    def match_programs(self) -> None:
        """See ``daemons.Daemon``."""
        frr_programs.match()

    def renew(self) -> Tuple[str, ...]:
        """See ``daemons.Daemon``."""
        return frr_programs.renew()

    def started_without(self) -> Tuple[str, ...]:
        """See ``daemons.Daemon``."""
        return frr_programs.started_without()

    def connect(self) -> FrrControl:
        """See ``daemons.Daemon``."""
        return FrrControl()
