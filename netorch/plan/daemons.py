"""Whatever a plan must know of a configuration, by the daemon whose language it is written in.

A further daemon is a package beside ``netorch.plan.bird`` with the functions of ``Language``, and a line in ``_LANGUAGES``.
"""

from __future__ import annotations

from typing import AbstractSet, Dict, Mapping, Optional, Protocol, Sequence, Tuple

from netorch.errors import InternalError
from netorch.model.conventions import CONFIGURATIONS
from netorch.model.facts import DeviceFacts, LineChange
from netorch.model.plan import Reset
from netorch.plan import bird, frr
from netorch.plan.bgp_text import BgpText


class Language(Protocol):
    """A daemon's configuration language; every text is a whole configuration, "" where there was none.

    Nothing here raises: a text that is no configuration of the daemon's says nothing.
    """

    def foresee_resets(self, old: str, new: str) -> Tuple[Reset, ...]:
        """What happens to each BGP session when ``new`` replaces ``old``, by session name; those that stay are left out."""
        ...

    def may_change_imports(self, old: str, new: str) -> bool:
        """Whether anything differs that the prefixes which sessions accept may depend on."""
        ...

    def read_bgp(self, text: str, *, own_asn: int) -> BgpText:
        """What ``text`` says about BGP sessions."""
        ...

    def read_passwords(self, text: str) -> Dict[str, Optional[str]]:
        """The password, None without one, of every BGP session, by the neighbour's address."""
        ...

    def running_text(self, text: str, live_lines: Sequence[LineChange]) -> str:
        """What runs where ``text`` was loaded and ``live_lines`` were typed afterwards; secrets among these are cut."""
        ...

    def differing_lines(self, old: str, new: str) -> Optional[Tuple[str, ...]]:
        """What ``new`` has otherwise than ``old``, as rows with ``-`` and ``+``, where the daemon has written ``old`` in a form
        of its own; None where texts can be compared as they are."""
        ...

    def rewrite_closed(self, text: str, *, to_close: AbstractSet[str], to_open: AbstractSet[str]) -> str:
        """``text`` with the sessions ``to_close`` closed and those ``to_open`` open, otherwise as it was."""
        ...


_LANGUAGES: Mapping[str, Language] = {"bird": bird, "frr": frr}


def language_of(daemon: str) -> Language:
    """The language of the daemon called ``daemon``."""
    try:
        return _LANGUAGES[daemon]
    except KeyError:
        raise InternalError(f"plans cannot read configurations of {daemon}") from None


def configuration_text(facts: DeviceFacts, daemon: str) -> str:
    """The main configuration of ``daemon`` as the device has it on disk, "" for none."""
    path = CONFIGURATIONS.get(daemon)
    return next((file.text for file in facts.files if file.path == path and file.text), "") or ""
