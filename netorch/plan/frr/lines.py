"""FRR's configuration as it runs, or as FRR itself has written it: the same lines in another form and order than the file's."""

from __future__ import annotations

from typing import Optional, Sequence, Tuple

from netorch.model import frr_lines
from netorch.model.facts import LineChange
from netorch.model.frr_lines import change_rows, differing, lines_of, without_secrets

_COMMENTS = ("! ", "# ")
_BY_FRR = "frr version "


def running_text(text: str, live_lines: Sequence[LineChange]) -> str:
    """See ``Language``."""
    return frr_lines.running_text(text, ((change.sign, change.line) for change in live_lines))


def differing_lines(old: str, new: str) -> Optional[Tuple[str, ...]]:
    """See ``Language``. What vtysh's ``write`` leaves names FRR's version, and has no comments."""
    lines = old.splitlines()
    if not any(line.startswith(_BY_FRR) for line in lines) or any(line.startswith(_COMMENTS) for line in lines):
        return None
    changes = differing(lines_of(old), lines_of(new))
    return tuple(change_rows((sign, without_secrets(said)) for sign, said in changes))
